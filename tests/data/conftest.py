"""Caches for values: in memory, in Redis, and in both."""

from __future__ import annotations

import pytest

from asgi_cache import Cache
from tests.bare import Clock
from tests.redis_server import redis_server

__all__ = ["redis_server"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis", "tiered"])
async def process(request, clock):
    """Start what stands for a process, on a store that processes share if there is one."""
    url, caches = "memory://", []
    if request.param != "memory":
        server = request.getfixturevalue("redis_server")
        server.empty()
        url = server.url + ("?timeout=5s&local=0" if request.param == "redis" else "?timeout=5s")

    def start(**options):
        cache = Cache(store=url, clock=clock, **options)
        caches.append(cache)
        return cache

    yield start
    for cache in caches:
        await cache.close()


@pytest.fixture
def cache(process):
    """Return a cache on each kind of store."""
    return process()


@pytest.fixture
async def memory(clock):
    """Return a cache on memory, for what is the same on every store."""
    cache = Cache(clock=clock)
    yield cache
    await cache.close()
