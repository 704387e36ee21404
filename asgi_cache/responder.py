"""Sends one response, the app's or a stored one, with the fields the cache adds to it."""

from __future__ import annotations

from time import perf_counter

from starlette.types import Message, Send

from asgi_cache.outcome import Outcome
from asgi_cache.policy.fields import Field
from asgi_cache.policy.serving import Reply

CHUNK = 256 * 1024
"""Bytes of a stored body that are sent at once, so that others have their turn in between."""


def age_field(age: int) -> Field:
    """Return the field that says how many seconds old a response is (RFC 9111, section 5.1)."""
    return b"age", b"%d" % age


class Responder:
    """The way back to the client of one request."""

    def __init__(self, send: Send, name: bytes | None, outcome: Outcome) -> None:
        self._send = send
        self._name = name
        self.outcome = outcome
        self.size: int = 0
        """Bytes of the body that were sent."""
        self.ended_at: float | None = None
        """When the last of them was sent, by `perf_counter`."""

    async def reply(self, reply: Reply, age: float | None = None) -> None:
        """Send a whole response, with its ``Age`` if it was stored before (RFC 9111, 5.1)."""
        fields = list(reply.fields)
        if age is not None:
            fields.append(age_field(int(age)))
        start = {"type": "http.response.start", "status": reply.status, "headers": fields}
        await self.head(start)
        await self._body(reply.body)

    async def _body(self, body: bytes) -> None:
        last = max(0, len(body) - 1) // CHUNK * CHUNK
        for begin in range(0, last, CHUNK):
            part = body[begin : begin + CHUNK]
            await self.message({"type": "http.response.body", "body": part, "more_body": True})
        await self.message({"type": "http.response.body", "body": body[last:]})

    async def message(self, message: Message) -> None:
        """Send any other message as it is."""
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        self.size += len(message.get("body", b""))
        await self._send(message)
        if not message.get("more_body", False):
            self.ended_at = perf_counter()

    async def head(self, message: Message, added: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Send the head of a response, with the fields *added* and what became of the request."""
        self.outcome.status = message["status"]
        fields = [*message.get("headers", ()), *added]
        if self._name is not None:
            fields.append((b"cache-status", self.outcome.cache_status(self._name)))
        await self._send({**message, "headers": fields})
