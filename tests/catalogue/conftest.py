"""What the attacks share: a clock that stands still, and a cache on it, on either store."""

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


@pytest.fixture(params=["memory", "redis"])
async def cached(request, clock):
    """Wrap an app in a cache whose time is the fixture's."""
    caches = []
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.empty()

    def wrap(app=None, **options):
        if request.param == "redis":
            options.setdefault("store", server.url + "?timeout=5s")
            options.setdefault("namespace", f"n{uuid.uuid4().hex}")
        else:
            options.setdefault("store", MemoryStore(clock=clock))
        cache = CacheMiddleware(app or App(), clock=clock, **options)
        caches.append(cache)
        return cache

    yield wrap
    for cache in caches:
        await cache.cache.close()
