"""A client that asks in waves: one request on each of many connections, then all answers."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from benchmarks.speed.order import Pair

CONNECTIONS: Final = 32
PATIENCE: Final = 120.0
ALL: Final = slice(None)
BROWSER: Final = (
    ("Host", "example.org"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Language", "en-US,en;q=0.8,de;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "http://example.org/shop/"),
    ("Connection", "keep-alive"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=4"),
)
"""What Firefox sends with a request that a script makes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    fields: tuple[Pair, ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]


class Client:
    """So many connections, which stay open."""

    def __init__(self, port: int, more: Iterable[Pair], connections: int) -> None:
        lines = [f"{name}: {value}\r\n" for name, value in (*BROWSER, *more)]
        self._rest = " HTTP/1.1\r\n" + "".join(lines) + "\r\n"
        self._sockets = [_connect(port) for _ in range(connections)]
        self._files = [each.makefile("rb") for each in self._sockets]

    def wave(self, targets: Sequence[str]) -> list[Answer]:
        """Send one request on each connection, the targets in turn, and read all answers."""
        self.send(targets)
        return self.read()

    def send(self, targets: Sequence[str], part: slice = ALL) -> None:
        """Send one request on each connection, or on some of them."""
        requests = [f"GET {target}{self._rest}".encode() for target in targets]
        for number, each in enumerate(self._sockets[part]):
            each.sendall(requests[number % len(requests)])

    def read(self, part: slice = ALL) -> list[Answer]:
        """Read an answer on each connection, or on some of them."""
        return [_read(file) for file in self._files[part]]

    def close(self) -> None:
        """Hang up."""
        for file in self._files:
            file.close()
        for each in self._sockets:
            each.close()


@contextmanager
def connected(
    port: int, more: Iterable[Pair] = (), connections: int = CONNECTIONS
) -> Iterator[Client]:
    """Connect to a server; *more* is sent beside the fields of a browser."""
    client = Client(port, more, connections)
    try:
        yield client
    finally:
        client.close()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read(file: IO[bytes]) -> Answer:
    if not (first := file.readline()):
        raise ConnectionResetError("the server hung up")
    status = int(first.split()[1])
    fields: list[Pair] = []
    while (line := file.readline()) != b"\r\n":
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name, value.strip()))
    length = 0 if status == 304 else int(dict(fields)["content-length"])
    return Answer(status, tuple(fields), file.read(length))
