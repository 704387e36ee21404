"""An app of several workers: each answers for itself, and all are measured as one."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.observe.prometheus import PrometheusCollector

cache = Cache(rules={"/pages/{name}": "10m", "/never/**": None})
registry = CollectorRegistry()
registry.register(PrometheusCollector(cache))
MultiProcessCollector(registry)


async def page(request: Request) -> Response:
    """Say which process made it."""
    return PlainTextResponse(str(os.getpid()))


pages = Starlette(routes=[Route("/pages/{name}", page), Route("/never/{name}", page)])
app = Starlette(
    routes=[
        Mount("/metrics", make_asgi_app(registry)),
        Mount("/", CacheMiddleware(pages, cache=cache)),
    ]
)
