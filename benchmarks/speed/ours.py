"""The cache in front of a bare app and of FastAPI.

No ``from __future__ import annotations`` here: FastAPI could not find out what is only known
inside a function.
"""

import asyncio
from typing import Any, Final

from fastapi import FastAPI, Response

from asgi_cache import CacheMiddleware, lease
from benchmarks.speed.bare import OwnAnswer
from benchmarks.speed.order import Order, Runs, Served

ROUTE: Final = "/items/{number}"
RULES: Final = {ROUTE: "1h"}
TIMEOUT: Final = "timeout=5s"
"""Of a Redis store: no delay of the machine exceeds it."""
SLOWED: Final = "timeout=10s&lag=10s"
LEASE: Final = 600.0
"""Seconds. What takes fifty times as long needs more time for the same."""


def memory(order: Order) -> Served:
    """Store in memory."""
    return _around_bare(order)


def tiered(order: Order) -> Served:
    """Store in Redis, with copies in this process."""
    return _around_bare(order, store=_url(order))


def redis(order: Order) -> Served:
    """Store in Redis only."""
    return _around_bare(order, store=_url(order, "local=0"))


def without_cache_status(order: Order) -> Served:
    """Store in memory, and do not tell clients."""
    return _around_bare(order, cache_status=False)


def uncounted(order: Order) -> Served:
    """Store in memory, and count nothing."""
    return _around_bare(order, metrics=False)


def varied(order: Order) -> Served:
    """Store what varies by a field of the request."""
    return _around_bare(order, (b"vary", b"Accept-Encoding"))


def fastapi(order: Order) -> Served:
    """Have no cache."""
    runs = Runs()
    return Served(_fastapi(order, runs), runs)


def added(order: Order) -> Served:
    """Put the cache among FastAPI's middlewares."""
    runs = Runs()
    app = _fastapi(order, runs)
    app.add_middleware(CacheMiddleware, rules=RULES)
    return Served(app, runs)


def around(order: Order) -> Served:
    """Put the cache around FastAPI."""
    runs = Runs()
    return Served(CacheMiddleware(_fastapi(order, runs), rules=RULES), runs)


def around_on_redis(order: Order) -> Served:
    """Put the cache around FastAPI, with Redis and copies."""
    runs = Runs()
    return Served(CacheMiddleware(_fastapi(order, runs), store=_url(order), rules=RULES), runs)


def not_eligible(order: Order) -> Served:
    """Have a rule that nothing is stored."""
    runs = Runs()
    return Served(CacheMiddleware(_fastapi(order, runs), rules={ROUTE: None}), runs)


def _around_bare(order: Order, *fields: tuple[bytes, bytes], **options: Any) -> Served:
    runs = Runs()
    app = OwnAnswer(order, runs, *fields)
    return Served(CacheMiddleware(app, rules=RULES, **options), runs)


def _fastapi(order: Order, runs: Runs) -> FastAPI:
    """Make an app whose one endpoint returns bytes, which is the least FastAPI can be asked."""
    app = FastAPI()
    body = order.body

    @app.get(ROUTE)
    async def read_item(number: int) -> Response:
        runs.times += 1
        if order.seconds:
            await asyncio.sleep(order.seconds)
        return Response(body, media_type="application/json")

    return app


def _url(order: Order, *options: str) -> str:
    if order.is_slowed:
        lease.TTL = LEASE
    return f"{order.redis}?{'&'.join([*options, SLOWED if order.is_slowed else TIMEOUT])}"
