"""Reads a request's body ahead of the app, and lets the app read it again."""

from __future__ import annotations

import asyncio

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
                return b"".join(message.get("body", b"") for message in self._read)


class Replay:
    """The ``receive`` of a run without a client: one body, and nobody who goes away."""

    def __init__(self, body: bytes) -> None:
        self._message: Message | None = {
            "type": "http.request",
            "body": body,
            "more_body": False,
        }

    async def __call__(self) -> Message:
        """Return the body; after that wait for ever, as for a client that stays."""
        message, self._message = self._message, None
        if message is None:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("nothing completes this future")
        return message


async def discard(_: Message) -> None:
    """Send to nobody."""
