"""`@cache(ttl="1m", key="item:{number}")` on the endpoint, with Redis.

A purge is `cache.delete_match("item:*")`.
"""

from __future__ import annotations

from cashews import cache

from benchmarks.faults.adapters.on_fastapi import serve
from benchmarks.speed.order import Order, Served


def cached(order: Order) -> Served:
    """Decorate the endpoint."""
    cache.setup(order.redis)

    async def purge() -> None:
        await cache.delete_match("item:*")

    return serve(order, cache(ttl="1m", key="item:{number}"), purge)
