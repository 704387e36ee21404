"""An ASGI app that answers with what an HTTP/1.1 server on loopback answers, byte for byte.

It has to be more faithful than HTTP clients are: it knows no status codes, repairs no lengths,
follows nothing, decodes nothing and never tries again. A connection serves one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

_CONNECTION_ONLY = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})
"""Request fields that the server in front has dealt with."""

_BODILESS = frozenset({204, 304})
_CHUNK = 65536
_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReverseProxy:
    """Forwards every request to the server at *host* and *port*."""

    host: str
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; an answer that breaks off is an exception, as an app's would be."""
        if scope["type"] != "http":
            return
        body = await _request_body(receive)
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=_LIMIT)
        try:
            writer.write(_request_head(scope, len(body)) + body)
            await writer.drain()
            await _answer(scope["method"], reader, send)
        finally:
            writer.close()


async def _request_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _request_head(scope: Scope, length: int) -> bytes:
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    fields = [(name, value) for name, value in scope["headers"] if name not in _CONNECTION_ONLY]
    if length and not any(name == b"content-length" for name, _ in fields):
        fields.append((b"content-length", b"%d" % length))
    fields.append((b"connection", b"close"))
    lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), target)]
    return b"\r\n".join([*lines, *(b"%b: %b" % field for field in fields), b"", b""])


async def _answer(method: str, reader: asyncio.StreamReader, send: Send) -> None:
    status, fields = await _response_head(reader)
    while status < 200:
        status, fields = await _response_head(reader)
    bodiless = method == "HEAD" or status in _BODILESS
    pieces = _no_body() if bodiless else _response_body(reader, fields)
    kept = [field for field in fields if not _is_framing(*field)]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_framing(name: bytes, value: bytes) -> bool:
    """Tell what belongs to the connection to the server; its Content-Length does not."""
    return name == b"transfer-encoding" or (name, value) == (b"connection", b"close")


async def _response_head(reader: asyncio.StreamReader) -> tuple[int, list[tuple[bytes, bytes]]]:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *field_lines = head[:-4].split(b"\r\n")
    fields = [line.partition(b":") for line in field_lines]
    return (
        int(status_line.split(b" ")[1]),
        [(name.lower(), value.strip(b" \t")) for name, _, value in fields],
    )


async def _no_body() -> AsyncIterator[bytes]:
    return
    yield b""


def _response_body(
    reader: asyncio.StreamReader, fields: list[tuple[bytes, bytes]]
) -> AsyncIterator[bytes]:
    """Choose the framing as RFC 9112, section 6.3 does."""
    framing = dict(fields)
    if b"transfer-encoding" in framing:
        chunked = framing[b"transfer-encoding"].lower() == b"chunked"
        return _chunks(reader) if chunked else _until_closed(reader)
    if b"content-length" in framing:
        return _counted(reader, int(framing[b"content-length"]))
    return _until_closed(reader)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)


async def _counted(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    yield await reader.readexactly(length)


async def _until_closed(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(_CHUNK):
        yield piece
