"""Apps without a framework, which send the same to everybody."""

from __future__ import annotations

from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from benchmarks.speed.order import Order, Runs, Served

KEY: Final = "body"


class Replay:
    """Sends the status, the fields and the body that a stored response was sent with."""

    def __init__(self, order: Order) -> None:
        self.start, self.end = _messages(order)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer without looking at the request."""
        if scope["type"] == "http":
            await send(self.start)
            await send(self.end)


class FromRedis:
    """The same, with the body as Redis has it at the moment."""

    def __init__(self, order: Order) -> None:
        self.start, end = _messages(order)
        self._redis = AsyncRedis.from_url(order.redis)
        with Redis.from_url(order.redis) as client:
            client.set(KEY, end["body"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Ask Redis for the body."""
        if scope["type"] == "http":
            body = await self._redis.get(KEY)
            await send(self.start)
            await send({"type": "http.response.body", "body": body})


class OwnAnswer:
    """What is behind the cache; a rule says how long it is fresh."""

    def __init__(self, order: Order, runs: Runs, *fields: tuple[bytes, bytes]) -> None:
        length = b"%d" % len(order.body)
        own = [(b"content-type", b"application/json"), (b"content-length", length), *fields]
        self.start = {"type": "http.response.start", "status": 200, "headers": own}
        self.end = {"type": "http.response.body", "body": order.body}
        self._runs = runs

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, and count it."""
        if scope["type"] == "http":
            self._runs.times += 1
            await send(self.start)
            await send(self.end)


def replay(order: Order) -> Served:
    """Make the bare app."""
    return Served(Replay(order), Runs())


def from_redis(order: Order) -> Served:
    """Make the bare app that asks Redis each time."""
    return Served(FromRedis(order), Runs())


def _messages(order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    status, fields, body = order.replay
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    start = {"type": "http.response.start", "status": status, "headers": encoded}
    return start, {"type": "http.response.body", "body": body.encode()}
