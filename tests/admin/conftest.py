"""An app with a cache in front and the cache's admin API mounted in it."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware
from tests.bare import ask
from tests.redis_server import redis_server

__all__ = ["redis_server"]

TOKEN = "a-token-for-tests"
RULES = {
    "/tasks/{task_id}": {"ttl": "5m", "tags": ["task:{task_id}"], "public": True},
    "/mine/{name}": "5m",
    "/never/**": None,
}


async def page(request):
    """Answer with the path, whose rule says the rest."""
    return Response(f"page {request.url.path}", media_type="text/plain")


class Site:
    """The app, and what an operator's client does with its admin API."""

    def __init__(self, cache, mount="/ops/cache", wrap="around", **access):
        self.cache = cache
        self.mount = mount
        routes = [
            Mount(mount, cache.admin(**(access or {"token": TOKEN}))),
            Route("/{rest:path}", page, methods=["GET", "POST"]),
        ]
        app = Starlette(routes=routes)
        if wrap == "around":
            self.app = CacheMiddleware(app, cache=cache)
        else:
            app.add_middleware(CacheMiddleware, cache=cache)
            self.app = app

    async def get(self, path, fields=(), **extra):
        """Ask the app itself."""
        return await ask(self.app, path, fields, **extra)

    async def admin(self, path, method="GET", said=None, fields=(), token=TOKEN, **extra):
        """Ask the admin API; the answer, with its content as ``json``."""
        sent = dict(fields)
        if token is not None:
            sent.setdefault("authorization", f"Bearer {token}")
        body = b""
        if said is not None:
            body, method = json.dumps(said).encode(), "POST" if method == "GET" else method
            sent.setdefault("content-type", "application/json")
            sent["content-length"] = str(len(body))
        answer = await ask(self.app, self.mount + path, sent, method=method, body=body, **extra)
        if answer["content-type"] == "application/json":
            answer.json = json.loads(answer.body)
        return answer


@pytest.fixture(params=["memory", "redis", "tiered"])
async def site(request, anyio_backend):
    """The app on every kind of store."""
    if request.param == "memory":
        url = "memory://"
    else:
        server = request.getfixturevalue("redis_server")
        server.empty()
        url = server.url + ("?timeout=5s" if request.param == "tiered" else "?timeout=5s&local=0")
    cache = Cache(store=url, rules=RULES, user_id=lambda r: r.headers.get("x-user"))
    made = Site(cache)
    yield made
    await cache.close()


@pytest.fixture
def here():
    """The app on a store in this process."""
    return Site(Cache(rules=RULES, user_id=lambda r: r.headers.get("x-user")))


@pytest.fixture
def made():
    """Make such an app with a cache and a way in of one's own."""

    def make(mount="/ops/cache", wrap="around", options=None, **access):
        return Site(Cache(**{"rules": RULES, **(options or {})}), mount, wrap, **access)

    return make
