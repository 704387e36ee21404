"""`CacheMiddleware` of its quickstart, with `Cache("locmem://null", ttl=60)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asgi_caches.middleware import CacheMiddleware
from caches import Cache

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_starlette import starlette_app
from tests.bare import ASGIApp

OPTIONS: dict[str, str] = {}


def build(handler: Handler, ttl: int, _: str | None) -> ASGIApp:
    """Put a Starlette app behind the middleware, and connect its store when the app starts."""
    cache = Cache("locmem://null", ttl=ttl)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with cache:
            yield

    app = starlette_app(handler)
    app.router.lifespan_context = lifespan
    return CacheMiddleware(app, cache=cache)
