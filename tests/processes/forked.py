"""An app whose cache has been connected to Redis before the server forks its workers."""

from __future__ import annotations

import asyncio
import os
from threading import Thread

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from asgi_cache import Cache, CacheMiddleware

cache = Cache(store=os.environ["STORE"], rules={"/pages/**": "10m"})
# Some servers import an app within their event loop, in which another cannot run.
connecting = Thread(target=asyncio.run, args=(cache.purge(tags="none"),))
connecting.start()
connecting.join()


async def page(request: Request) -> Response:
    """Say which process made it."""
    return PlainTextResponse(str(os.getpid()))


async def who(request: Request) -> Response:
    """Say which process this is."""
    return PlainTextResponse(str(os.getpid()))


app = CacheMiddleware(
    Starlette(routes=[Route("/pages/{name}", page, methods=["GET", "PUT"]), Route("/who", who)]),
    cache=cache,
)
