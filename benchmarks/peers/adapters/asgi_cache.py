"""`CacheMiddleware(app, rules={"/**": 60})`, in memory."""

from __future__ import annotations

from asgi_cache import CacheMiddleware
from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_starlette import starlette_app
from tests.bare import ASGIApp

OPTIONS = {"stale": "stale_if_error"}


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Put a Starlette app behind the middleware."""
    more = {"stale_if_error": 60} if option else {}
    return CacheMiddleware(starlette_app(handler), rules={"/**": {"ttl": ttl, **more}})
