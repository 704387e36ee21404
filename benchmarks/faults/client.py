"""A client of one server, which costs little itself and never waits for a connection."""

from __future__ import annotations

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Final, NamedTuple

PATIENCE: Final = 10.0
"""Seconds after which a client goes away without an answer."""
IDLE: Final = 2.0
"""Seconds after which a connection is not used again; servers close them after five."""


class Answer(NamedTuple):
    """A complete one."""

    status: int
    fields: Mapping[str, str]
    body: bytes


NO_ANSWER: Final = Answer(0, {}, b"")
"""What is said of a server that said nothing, or broke off."""


class Client:
    """As many connections as there are requests on their way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[StreamReader, StreamWriter, float]] = []

    async def ask(
        self, method: str, target: str, fields: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request without a body, and return the answer, or that there was none."""
        lines = [f"{method} {target} HTTP/1.1", "Host: example.org"]
        lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
        answer, writer = NO_ANSWER, None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await self._connection()
                writer.write("\r\n".join([*lines, "", ""]).encode())
                answer = await _read(reader)
                if answer.fields.get("connection") != "close":
                    self._idle.append((reader, writer, time.monotonic()))
                    writer = None
        except (OSError, EOFError, TimeoutError, LookupError, ValueError):
            pass
        finally:
            if writer is not None:  # also when whoever asks has gone away
                writer.transport.abort()
        return answer

    def close(self) -> None:
        """Hang up."""
        for _, writer, _ in self._idle:
            writer.close()

    async def _connection(self) -> tuple[StreamReader, StreamWriter]:
        while self._idle:
            reader, writer, used_at = self._idle.pop()
            if time.monotonic() - used_at < IDLE and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)


async def _read(reader: StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()[:-1]
    pairs = (line.partition(":") for line in lines)
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(fields["content-length"]))
    return Answer(int(first.split()[1]), fields, body)
