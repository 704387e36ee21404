"""Reads a request's body ahead of the app, and lets the app read it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive


class BufferedReceive:
    """A ``receive`` whose first messages have been read already."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []

    async def __call__(self) -> Message:
        """Return the next message, as the app would have received it."""
        return self._read.pop(0) if self._read else await self._receive()

    async def body(self, limit: int) -> bytes | None:
        """Read the whole body; nothing if it is longer than *limit* bytes, or cut off."""
        length = 0
        while True:
            message = await self._receive()
            self._read.append(message)
            length += len(message.get("body", b""))
            if message["type"] != "http.request" or length > limit:
                return None
            if not message.get("more_body", False):
                return b"".join([message.get("body", b"") for message in self._read])


class WatchedReceive:
    """A ``receive`` that notes what passes through it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.has_content: bool = False
        """The request brought content, whatever its fields say."""
        self.is_disconnected: bool = False
        """The app was told that the client has gone: it may end its response early."""

    async def __call__(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.is_disconnected = True
        elif message.get("body"):
            self.has_content = True
        return message


class Nobody:
    """The client of a run without one: it sends one body, and stays until it is *answered*.

    Whoever does not tell by an event of its own lets it take the messages.
    """

    def __init__(
        self, body: bytes, until_answered: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self._body: bytes | None = body
        self._answered = asyncio.Event()
        self._until_answered = until_answered or self._answered.wait

    async def receive(self) -> Message:
        """Return the body; then, when the response is complete, that the client has gone."""
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._until_answered()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message, and throw it away."""
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._answered.set()
