"""A client that calls an app as a server does, and costs as little as it can itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.bare import no_body, scope_of

FIELDS: Final = {"Accept": "application/json"}


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
        await app(scope_of("GET", self.path, FIELDS), no_body, self._send)
        return self

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.fields = message["status"], dict(message["headers"])
            return
        self.body += message.get("body", b"")
        if not message.get("more_body", False):
            self.done_at = time.monotonic()


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
