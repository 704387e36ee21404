"""What the attacks share: a clock that stands still, and a cache on it, on every kind of store."""

from __future__ import annotations

import uuid

import pytest

from asgi_cache import CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Clock
from tests.redis_server import redis_server

__all__ = ["redis_server"]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "redis", "tiered"])
async def cached(request, clock):
    """Wrap an app in a cache whose time is the fixture's."""
    caches = []
    if request.param != "memory":
        server = request.getfixturevalue("redis_server")
        server.empty()

    def wrap(app=None, **options):
        if request.param != "memory":
            local = "&local=0" if request.param == "redis" else ""
            options.setdefault("store", server.url + "?timeout=5s" + local)
            options.setdefault("namespace", f"n{uuid.uuid4().hex}")
        else:
            options.setdefault("store", MemoryStore(clock=clock))
        cache = CacheMiddleware(app or App(), clock=clock, **options)
        caches.append(cache)
        return cache

    yield wrap
    for cache in caches:
        await cache.cache.close()
