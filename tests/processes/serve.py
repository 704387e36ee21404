"""One process of these tests: an app behind a cache, and a door to the cache that is not behind it.

What the app knows is in a Redis of its own, so that trouble with the cache's is not its trouble.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware, cache_tags
from asgi_cache.errors import StoreUnavailable

RULES = {"/**": {"ttl": "10m", "early_refresh": 0}}

database = Redis.from_url(os.environ["DATABASE"])
cache = Cache(
    store=os.environ["STORE"],
    rules=RULES,
    warm=os.environ.get("WARM", "").split(),
    base_url=os.environ["BASE_URL"],
)


async def counted(kind: str, request: Request) -> str:
    """Take the time that the request says, and count it; which run of this resource it was."""
    name = f"{kind}:{request.path_params['name']}"
    run = await database.incr(f"runs:{name}")
    await database.rpush(f"together:{name}", await database.incr(f"running:{name}"))
    await asyncio.sleep(float(request.query_params.get("seconds", "0.1")))
    await database.decr(f"running:{name}")
    return f"{name}, run {run}"


async def slow(request: Request) -> Response:
    """Answer after a while, for all."""
    return PlainTextResponse(await counted("slow", request))


async def private(request: Request) -> Response:
    """Answer after a while, for this client alone."""
    return PlainTextResponse(
        await counted("private", request), headers={"Cache-Control": "private"}
    )


async def value(request: Request) -> Response:
    """Return what is in the database, or put something else there."""
    name = request.path_params["name"]
    cache_tags(name)
    if request.method == "POST":
        await database.set(f"value:{name}", await request.body())
    return Response(await database.get(f"value:{name}"))


async def purge(request: Request) -> Response:
    """Purge a tag, and try again until that succeeds; when it was acknowledged."""
    named = request.query_params
    while True:
        try:
            await cache.purge(tags=named["tag"], wait="wait" in named)
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            return PlainTextResponse(repr(time.monotonic()))


app = Starlette(
    routes=[
        Route("/slow/{name}", slow),
        Route("/private/{name}", private),
        Route("/value/{name}", value, methods=["GET", "POST"]),
    ]
)
served = Starlette(
    routes=[
        Route("/door/purge", purge, methods=["POST"]),
        Mount("/", CacheMiddleware(app, cache=cache)),
    ],
    lifespan=lambda served: cache.lifespan(),
)

if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(served, log_level="warning", timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listening])
