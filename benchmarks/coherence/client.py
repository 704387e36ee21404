"""A client that calls an app as a server does, and costs as little as it can itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Client:
    """One request, and when its answer was complete."""

    def __init__(self, path: str = "/") -> None:
        self.path = path
        self.body = b""
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.done_at = 0.0

    async def ask(self, app: ASGIApp) -> Client:
        """Send the request, and take the answer."""
        await app(_scope(self.path), _receive, self._send)
        return self

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.fields = message["status"], dict(message["headers"])
            return
        self.body += message.get("body", b"")
        if not message.get("more_body", False):
            self.done_at = time.monotonic()


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _scope(path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org"), (b"accept", b"application/json")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


class App:
    """Answers after a while with what it is told to, and knows how often it did."""

    def __init__(self, seconds: float = 0.0, **fields: str) -> None:
        self.seconds = seconds
        self.runs = 0
        self.body: Callable[[], bytes] = lambda: b"x" * 256
        self._fields = [
            (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer without looking at the request."""
        self.runs += 1
        if self.seconds:
            await asyncio.sleep(self.seconds)
        body = self.body()
        length = (b"content-length", b"%d" % len(body))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [length, *self._fields]}
        )
        await send({"type": "http.response.body", "body": body})
