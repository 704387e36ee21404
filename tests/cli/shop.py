"""An app behind a cache, which counts who asks, and how often its handlers run."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import Counter

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware, cache_tags

TOKEN = "a-token-for-these-tests-alone"

cache = Cache.from_config(os.environ.get("SHOP_CONFIG"), environ={})
UNLUCKY = 13
"""The product of which there is nothing to be had."""

COOKIE = {"Set-Cookie": "session=1"}

asked: Counter[str] = Counter()
ran: Counter[str] = Counter()


class Counting:
    """Counts each request, before the cache sees it."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            asked[scope["path"]] += 1
            if any(name == b"cookie" for name, _ in scope["headers"]):
                asked["with a cookie"] += 1
        await self.app(scope, receive, send)


async def product(request):
    """Say something, for all, after a moment."""
    path = request.url.path
    ran[path] += 1
    await asyncio.sleep(0.002)
    number = request.path_params["number"]
    if number == UNLUCKY:
        return PlainTextResponse("unlucky", 503)
    cache_tags(f"product:{number}")
    return PlainTextResponse(f"product {number}", headers={"X-Note": "a\x1b[31mb"})


async def endless(request):
    """Keep whoever asks waiting."""
    ran["/endless"] += 1
    await asyncio.Event().wait()


async def cart(request):
    """Say something that is for one client only."""
    ran["/cart"] += 1
    return PlainTextResponse("yours", headers={"Cache-Control": "private", **COOKIE})


async def counts(request):
    """Say what was counted."""
    return JSONResponse({"asked": asked, "ran": ran})


app = Starlette(
    routes=[
        Route("/products/{number:int}", product),
        Route("/endless", endless),
        Route("/watched/{number:int}", product),
        Route("/cart", cart),
        Route("/counts", counts),
        Mount("/cache-admin", cache.admin(token=TOKEN)),
    ],
    middleware=[Middleware(Counting), Middleware(CacheMiddleware, cache=cache)],
)

if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    # httptools, where it is installed, has uvicorn refuse the field with a control character.
    config = uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listening])
