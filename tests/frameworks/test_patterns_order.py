"""Other middleware before and after the cache: which of it a hit runs, and what is stored."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_cache import CacheMiddleware
from tests.bare import ask

pytestmark = pytest.mark.anyio

CACHE = Middleware(CacheMiddleware, rules={"/**": "5m"})
HIT = "asgi-cache; hit"
ORDERS = pytest.mark.parametrize("inside", [False, True], ids=["around-the-cache", "inside-it"])


def app_with(middleware, *, inside):
    """Return an app with *middleware* on one side of the cache; the outermost is listed first."""

    def read(request):
        return PlainTextResponse("hello" * 500)

    order = [CACHE, middleware] if inside else [middleware, CACHE]
    return Starlette(routes=[Route("/", read)], middleware=order)


@ORDERS
async def test_compressed_bodies_go_to_those_who_take_them(inside):
    """Inside, each form is stored as a variant; around, one is stored and compressed each time."""
    app = app_with(Middleware(GZipMiddleware), inside=inside)
    for _ in range(2):
        zipped = await ask(app, "/", {"Accept-Encoding": "gzip"})
        plain = await ask(app, "/")
        assert zipped["content-encoding"] == "gzip"
        assert "content-encoding" not in plain
        assert plain.body == b"hello" * 500
    assert (zipped.cache_status, plain.cache_status) == (HIT, HIT)


@ORDERS
async def test_each_origin_is_told_that_it_may(inside):
    """Inside, the responses vary by Origin; around, one is stored for all origins."""
    origins = ["https://a.example", "https://b.example"]
    app = app_with(Middleware(CORSMiddleware, allow_origins=origins), inside=inside)
    for _ in range(2):
        for origin in origins:
            answer = await ask(app, "/", {"Origin": origin})
            assert answer["access-control-allow-origin"] == origin
    assert answer.cache_status == HIT


@ORDERS
async def test_hosts_that_are_not_trusted_are_turned_away(inside):
    """Around, no other host reaches the cache; inside, its 400 is not stored."""
    app = app_with(Middleware(TrustedHostMiddleware, allowed_hosts=["a.example"]), inside=inside)
    for host, status in [("a.example", 200), ("b.example", 400), ("a.example", 200)] * 2:
        answer = await ask(app, "/", {"Host": host})
        assert answer.status == status
    assert answer.cache_status == HIT


@ORDERS
async def test_what_stands_inside_is_not_run_by_a_hit(inside):
    """A middleware that must see every request stands around the cache."""
    runs = []

    async def count(request, call_next):
        runs.append(1)
        response = await call_next(request)
        response.headers["X-Counted"] = str(len(runs))
        return response

    app = app_with(Middleware(BaseHTTPMiddleware, dispatch=count), inside=inside)
    answers = [await ask(app, "/") for _ in range(2)]
    assert answers[1].cache_status == HIT
    assert [a["x-counted"] for a in answers] == (["1", "1"] if inside else ["1", "2"])
