"""`@cache(ttl=60)` on the handler, with `MemoryBackend`.

The option `vary` names the field that the handler reads; with `cache_authorized=True` for
`Authorization`. `clear_path()` is called by the handler of PUT.
"""

import os
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi_cachex import BackendProxy, cache
from fastapi_cachex.backends import AsyncRedisCacheBackend, MemoryBackend

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_fastapi import endpoint
from tests.bare import ASGIApp

OPTIONS = {
    "cookie": "vary",
    "own": "vary",
    "vary": "vary",
    "forwarded": "vary",
    "origin": "vary",
    "put": "clear_path()",
    "misses": "coalesce",
}


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Make an app with one path."""
    backend = _on_redis() if option == "redis" else MemoryBackend()
    BackendProxy.set(backend)
    app = FastAPI()
    settings = {
        "vary": {"vary": [handler.reads], "cache_authorized": handler.reads == "authorization"},
        "coalesce": {"coalesce": True},
    }.get(option or "", {})
    cached = cache(ttl=ttl, **settings)
    app.api_route(handler.path, methods=["GET", "HEAD"])(cached(endpoint(handler)))
    answer = endpoint(handler)

    @app.put(handler.path)
    async def on_put(request: Request) -> Response:
        if option == "clear_path()":
            await backend.clear_path(handler.path)
        return await answer(request)

    return app


def _on_redis() -> AsyncRedisCacheBackend:
    url = urlsplit(os.environ["REDIS_URL"])
    return AsyncRedisCacheBackend(url.hostname or "localhost", url.port or 6379)
