"""`@cache(expire=60)` on the endpoint, with `RedisBackend` and its default `JsonCoder`.

A purge is `FastAPICache.clear(namespace=...)`.
"""

from __future__ import annotations

from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from redis.asyncio import Redis

from benchmarks.faults.adapters.on_fastapi import serve
from benchmarks.speed.order import Order, Served


def cached(order: Order) -> Served:
    """Decorate the endpoint."""
    FastAPICache.init(RedisBackend(Redis.from_url(order.redis)), prefix="fastapi-cache")

    async def purge() -> None:
        await FastAPICache.clear(namespace="items")

    return serve(order, cache(expire=60, namespace="items"), purge)
