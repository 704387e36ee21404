"""`Depends(cache(ttl=60))` on the handler, and Redis, its only store, on this machine.

The option `key_builder` adds the field that the handler reads to the key; `cache_evict` is a
dependency of the handler of PUT.
"""

from typing import Any

from fastapi import Depends, FastAPI, Request
from redis_fastapi import FastAPIRedis, cache, cache_evict
from redis_fastapi.cache import default_key_builder

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_fastapi import endpoint
from tests.bare import ASGIApp

OPTIONS = dict.fromkeys(
    ("authorization", "cookie", "own", "vary", "forwarded", "origin"), "key_builder"
) | {"put": "cache_evict"}


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Make an app with one path; the URL of Redis is in ``REDIS_URL``."""
    app = FastAPI()
    FastAPIRedis(app).lifespan().caching()

    def key_builder(request: Request, **more: str) -> str:
        return default_key_builder(request, **more) + request.headers.get(handler.reads, "")

    settings: dict[str, Any] = {"eviction_group": handler.name}
    if option == "key_builder":
        settings["key_builder"] = key_builder
    cached = [Depends(cache(ttl=ttl, **settings))]
    evicting = [Depends(cache_evict(eviction_group=handler.name))]
    on_put = evicting if option == "cache_evict" else []
    route = endpoint(handler)
    app.api_route(handler.path, methods=["GET", "HEAD"], dependencies=cached)(route)
    app.put(handler.path, dependencies=on_put)(route)
    return app
