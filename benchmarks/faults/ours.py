"""Our own cache in front of the app."""

from __future__ import annotations

from typing import Final

from asgi_cache import Cache, CacheMiddleware
from benchmarks.faults.app import ROUTE, Controlled, Data, Items, purge_nothing
from benchmarks.speed.order import Order, Served

RULES: Final = {ROUTE: {"ttl": "1m", "tags": ["item"]}}


def cached(order: Order) -> Served:
    """Put the cache around the app."""
    data = Data(order)
    cache = Cache(store=order.redis, rules=RULES)

    async def purge() -> None:
        await cache.purge(tags="item")

    app = CacheMiddleware(Items(data), cache=cache)
    return Served(Controlled(app, data, purge), lambda: data.runs)


def alone(order: Order) -> Served:
    """Have no cache."""
    data = Data(order)
    return Served(Controlled(Items(data), data, purge_nothing), lambda: data.runs)
