"""`CacheMiddleware` of its quickstart, with `aiocache.Cache(ttl=60)`, in memory."""

from __future__ import annotations

from aiocache import Cache
from starlette_caches.middleware import CacheMiddleware

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_starlette import starlette_app
from tests.bare import ASGIApp

OPTIONS: dict[str, str] = {}


def build(handler: Handler, ttl: int, _: str | None) -> ASGIApp:
    """Put a Starlette app behind the middleware."""
    return CacheMiddleware(starlette_app(handler), cache=Cache(ttl=ttl))
