"""`@cache(ttl=60, key=...)` on the handler and the three middlewares of `cashews.contrib.fastapi`,
in memory (`mem://`), as its documentation's example for FastAPI has it.

The key names the handler and, as in the example, the argument that it declares; the option `key`
names the method and the field that it reads from the request. The option `condition` is a
function that says which responses are stored; `@cache.failover` and `@cache.invalidate` are put
on the handlers of GET and PUT.
"""

from __future__ import annotations

import os
from typing import Any

from cashews import cache
from cashews.contrib.fastapi import (
    CacheDeleteMiddleware,
    CacheEtagMiddleware,
    CacheRequestControlMiddleware,
    cache_control_ttl,
)
from fastapi import FastAPI, Response

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_fastapi import endpoint
from tests.bare import ASGIApp

OPTIONS = {
    **dict.fromkeys(
        ("authorization", "cookie", "own", "vary", "forwarded", "origin", "head"), "key"
    ),
    **dict.fromkeys(("restrictions", "set-cookie", "part", "error"), "condition"),
    "put": "@cache.invalidate",
    "stale": "@cache.failover",
}


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Make an app with one path."""
    cache.setup(_url(option))
    app = FastAPI()
    app.add_middleware(CacheDeleteMiddleware)
    app.add_middleware(CacheEtagMiddleware)
    app.add_middleware(CacheRequestControlMiddleware)
    key = handler.name
    if handler.declared:
        key += ":{value:hash}"
    elif option == "key":
        key += f":{{request.method}}:{{request.headers:get({handler.reads})}}"
    condition = _may_be_shared if option == "condition" else None
    cached = cache(ttl=cache_control_ttl(default=ttl), key=key, condition=condition)
    on_get = cached(endpoint(handler))
    if option == "@cache.failover":
        on_get = cache.failover(ttl="1h", key=key)(on_get)
    on_put = endpoint(handler)
    if option == "@cache.invalidate":
        on_put = cache.invalidate(key)(on_put)
    app.api_route(handler.path, methods=["GET", "HEAD"])(on_get)
    app.put(handler.path)(on_put)
    return app


def _may_be_shared(response: Response, *_: Any, **__: Any) -> bool:
    control = response.headers.get("cache-control", "")
    restricted = "private" in control or "no-store" in control
    return response.status_code == 200 and not restricted and "set-cookie" not in response.headers


def _url(option: str | None) -> str:
    if option == "redis-with-copies":
        return os.environ["REDIS_URL"] + "?client_side=True"
    return os.environ["REDIS_URL"] if option == "redis" else "mem://"
