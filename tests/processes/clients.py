"""Clients of several processes: hundreds at once must cost next to nothing themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.processes.workers import HOST, Worker

FOREVER = 30.0
"""Seconds after which nothing is waited for any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client received."""

    status: int
    fields: dict[str, str]
    text: str

    @property
    def is_hit(self) -> bool:
        """Whether the cache says that it comes from what was stored."""
        return "hit" in self.fields["cache-status"].split("; ")


async def ask(
    worker: Worker, path: str, method: str = "GET", text: str = "", **fields: str
) -> Answer:
    """Send one request on a connection of its own.

    Raises:
        ConnectionResetError: The process ended before it had answered.
    """
    body = text.encode()
    wanted = {"Host": HOST, "Connection": "close", "Content-Length": str(len(body)), **fields}
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in wanted.items())]
    async with asyncio.timeout(FOREVER):
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        try:
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            return _parsed(await reader.read())
        finally:
            writer.close()


def _parsed(received: bytes) -> Answer:
    """Return a whole response with a Content-Length."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        raise ConnectionResetError("there was no answer")
    start, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert int(fields["content-length"]) == len(body)
    return Answer(int(start.split()[1]), fields, body.decode())


async def get(worker: Worker, path: str, **fields: str) -> Answer:
    """Return what a process answers, which must be a success."""
    answer = await ask(worker, path, **fields)
    assert answer.status == 200, worker.said
    return answer


async def post(worker: Worker, path: str, text: str = "") -> None:
    """Have a process do something, and see that it did."""
    answer = await ask(worker, path, "POST", text)
    assert answer.status == 200, worker.said


async def get_often(workers: list[Worker], path: str, times: int) -> list[Answer]:
    """Ask all processes at the same time, so often altogether."""
    asking = [get(workers[index % len(workers)], path) for index in range(times)]
    return list(await asyncio.gather(*asking))
