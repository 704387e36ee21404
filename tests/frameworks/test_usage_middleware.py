"""Middleware that apps use, before the cache and behind it, and what is beside cached routes."""

import gzip
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from asgi_cache import CacheMiddleware
from tests.bare import ask
from tests.frameworks.beside import HIT, MISS, RULES, answers_alike, inside, what_became, wrapped

pytestmark = pytest.mark.anyio

LONG = "long " * 400
ORIGIN = {"origin": "https://a.example"}
BEFORE = pytest.param(inside, id="before")
BEHIND = pytest.param(wrapped, id="behind")
WHERE = pytest.mark.parametrize("cache", [BEFORE, BEHIND])
"""Where the other middleware is: it runs before the cache, or only if the cache asks the app."""


def making(middleware=None, handler=None, **options):
    """Return a function that makes an app with *middleware*, which comes before its handler."""

    async def page(request):
        return PlainTextResponse(LONG)

    def make():
        app = Starlette(routes=[Route("/{path:path}", handler or page, methods=["GET", "POST"])])
        if middleware is not None:
            app.add_middleware(middleware, **options)
        return app

    return make


def behind_cache(make):
    """Put the cache behind the middleware that *make* has added, as adding it first does."""
    app = make()
    others, app.user_middleware = app.user_middleware, []
    app.add_middleware(CacheMiddleware, rules=RULES)
    app.user_middleware = others + app.user_middleware
    return app


async def both(make, cache, target="/", fields=(), **options):
    """Return what two requests come to, with the cache *wrapped* around or *inside*."""
    app = wrapped(make()) if cache is wrapped else behind_cache(make)
    return [await ask(app, target, fields, **options) for _ in range(2)]


@WHERE
@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_what_is_compressed_is_the_same_on_a_hit(cache, accepted):
    """Before the cache, it compresses each answer; behind it, what is stored is compressed."""
    make = making(GZipMiddleware)
    plain = await ask(make(), fields={"accept-encoding": accepted})
    first, second = await both(make, cache, fields={"accept-encoding": accepted})
    assert [what_became(first), what_became(second)] == [MISS, HIT]
    for answer in (first, second):
        assert answer.all("content-encoding") == plain.all("content-encoding")
        assert answer["vary"] == plain["vary"] == "Accept-Encoding"
        body = answer.body if accepted == "identity" else gzip.decompress(answer.body)
        assert body == LONG.encode()


@WHERE
async def test_who_accepts_no_gzip_gets_none(cache):
    """A stored response that is compressed is not for everybody."""
    make = making(GZipMiddleware)
    app = wrapped(make()) if cache is wrapped else behind_cache(make)
    assert "content-encoding" in await ask(app, fields={"accept-encoding": "gzip"})
    answer = await ask(app, fields={"accept-encoding": "identity"})
    assert "content-encoding" not in answer
    assert answer.body == LONG.encode()


@WHERE
async def test_what_is_stored_outlives_what_middleware_makes_of_it(cache):
    """Compression changes a message in place; the next one who asks has it as it was stored."""
    make = making(GZipMiddleware)
    app = wrapped(make()) if cache is wrapped else behind_cache(make)
    for accepted in ("identity", "gzip", "gzip", "identity", "gzip", "identity"):
        answer = await ask(app, fields={"accept-encoding": accepted})
        assert len(answer.all("content-encoding")) == (accepted == "gzip")
        body = gzip.decompress(answer.body) if accepted == "gzip" else answer.body
        assert body == LONG.encode()
        assert int(answer["content-length"]) == len(answer.body)


async def test_a_cookie_that_is_set_before_the_cache_stays_with_its_client():
    """What a middleware appends to a hit is not in the next one."""

    class Visits:
        def __init__(self, app):
            self.app, self.visits = app, 0

        async def __call__(self, scope, receive, send):
            self.visits += 1

            async def mark(message):
                if message["type"] == "http.response.start":
                    fields = MutableHeaders(scope=message)
                    fields.append("set-cookie", f"visit={self.visits}")
                await send(message)

            await self.app(scope, receive, mark)

    app = behind_cache(making(Visits))
    for visit in range(1, 5):
        answer = await ask(app)
        assert answer["set-cookie"] == f"visit={visit}"
    assert what_became(answer) == HIT


@WHERE
async def test_any_origin_may_read_what_is_stored(cache):
    """With ``*`` all origins have the same fields."""
    make = making(CORSMiddleware, allow_origins=["*"])
    plain = await ask(make(), fields=ORIGIN)
    for answer in await both(make, cache, fields=ORIGIN):
        origins = answer.all("access-control-allow-origin")
        assert origins == plain.all("access-control-allow-origin") == ["*"]
    assert what_became(answer) == HIT


@WHERE
async def test_each_origin_is_told_that_it_may_read(cache):
    """What names an origin is not shown to another one, on either side of the cache."""
    make = making(CORSMiddleware, allow_origins=["https://a.example", "https://b.example"])
    app = wrapped(make()) if cache is wrapped else behind_cache(make)
    for origin in ("https://a.example", "https://b.example", "https://a.example"):
        answer = await ask(app, fields={"origin": origin})
        assert answer["access-control-allow-origin"] == origin
    assert what_became(answer) == HIT


@WHERE
async def test_a_preflight_is_answered_as_without_the_cache(cache):
    """OPTIONS is no request that is answered from the store."""
    make = making(CORSMiddleware, allow_origins=["*"])
    fields = {**ORIGIN, "access-control-request-method": "GET"}
    plain = await ask(make(), fields=fields, method="OPTIONS")
    for answer in await both(make, cache, fields=fields, method="OPTIONS"):
        assert (answer.fields, answer.body) == (plain.fields, plain.body)


@WHERE
async def test_an_untrusted_host_is_refused(cache):
    """The host is part of the key, so that what another host has stored is not shown."""
    make = making(TrustedHostMiddleware, allowed_hosts=["example.com"])
    app = wrapped(make()) if cache is wrapped else behind_cache(make)
    assert [what_became(await ask(app)) for _ in range(2)] == [MISS, HIT]
    assert (await ask(app, fields={"host": "evil.example"})).status == 400


@WHERE
async def test_plain_http_is_redirected_though_https_is_stored(cache):
    """The scheme is part of the key."""
    make = making(HTTPSRedirectMiddleware)
    app = wrapped(make()) if cache is wrapped else behind_cache(make)
    for expected in (MISS, HIT):
        assert what_became(await ask(app, scheme="https")) == expected
    answer = await ask(app)
    assert (answer.status, answer["location"]) == (307, "https://example.com/")


async def count(request):
    """Count the visits in the session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return PlainTextResponse(str(request.session["visits"]))


async def test_a_session_behind_the_cache_is_written_each_time():
    """What sets the session's cookie is not stored."""
    make = making(SessionMiddleware, count, secret_key="s")
    app = wrapped(make())
    first = await ask(app)
    assert what_became(first) == "fwd=uri-miss; detail=set-cookie"
    cookie = {"cookie": first["set-cookie"].partition(";")[0]}
    second = await ask(app, fields=cookie)
    assert (second.body, "set-cookie" in second) == (b"2", True)


async def test_a_session_before_the_cache_is_part_of_the_key():
    """Each session's cookie is a credential: nobody sees what another session was answered."""

    async def page(request):
        name = request.query_params.get("name")
        if name:
            request.session["name"] = name
        return PlainTextResponse(request.session["name"])

    app = behind_cache(making(SessionMiddleware, page, secret_key="s"))
    cookies = {}
    for name in ("ann", "bob"):
        answer = await ask(app, f"/in?name={name}", method="POST")
        cookies[name] = {"cookie": answer["set-cookie"].partition(";")[0]}
    for expected in (MISS, HIT):
        for name, cookie in cookies.items():
            answer = await ask(app, "/page", cookie)
            assert (what_became(answer), answer.body) == (expected, name.encode())


async def test_a_request_has_its_state_from_a_base_http_middleware():
    """What it leaves in ``request.state`` the handler has, and a hit needs nothing of it."""

    class Named(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            request.state.name = "state"
            response = await call_next(request)
            response.headers["x-named"] = "yes"
            return response

    async def page(request):
        return PlainTextResponse(request.state.name)

    make = making(Named, page)
    await answers_alike(make)
    for answer, expected in zip(await both(make, inside), (MISS, HIT), strict=True):
        assert (answer.body, answer["x-named"]) == (b"state", "yes")
        assert what_became(answer) == expected


async def test_static_files_of_a_mount_are_stored(tmp_path):
    """A file that is not there is looked for each time."""
    (tmp_path / "a.css").write_text("body {}")

    def make():
        return Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path))])

    await answers_alike(make, "/static/a.css")
    passed = "fwd=uri-miss; detail=no-freshness"
    await answers_alike(make, "/static/b.css", then=(passed, passed))


async def test_an_app_below_a_root_path_knows_its_links():
    """A mounted app and a proxy's prefix make the same links on a hit."""

    async def link(request):
        return PlainTextResponse(str(request.url_for("page")))

    def make():
        inner = Starlette(routes=[Route("/page", link, name="page")])
        return Starlette(routes=[Mount("/v1", inner)])

    (_, hit) = await answers_alike(make, "/proxy/v1/page", root_path="/proxy")
    assert hit.body == b"http://example.com/proxy/v1/page"


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE"])
async def test_a_method_that_no_route_has_is_refused_as_ever(method):
    """The cache adds nothing to what it can never answer."""
    await answers_alike(making(), method=method, then=(None, None))


def test_a_websocket_talks_beside_cached_routes():
    """The cache leaves it alone; the page beside it is a hit."""
    app = FastAPI()

    @app.get("/")
    def read():
        return "page"

    @app.websocket("/talk")
    async def talk(socket: WebSocket):
        await socket.accept()
        await socket.send_text((await socket.receive_text()).upper())
        await socket.close()

    with TestClient(inside(app)) as client:
        assert client.get("/").text == client.get("/").text
        with client.websocket_connect("/talk") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "HELLO"
        assert "hit" in client.get("/").headers["cache-status"]


@WHERE
def test_what_the_lifespan_has_made_is_there(cache):
    """Handlers find the state of the lifespan, which ends once."""
    said = []

    @asynccontextmanager
    async def lifespan(app):
        said.append("started")
        yield {"name": "pool"}
        said.append("stopped")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def read(request: Request):
        return request.state.name

    with TestClient(cache(app)) as client:
        answers = [client.get("/") for _ in range(2)]
    assert [answer.json() for answer in answers] == ["pool", "pool"]
    assert "hit" in answers[1].headers["cache-status"]
    assert said == ["started", "stopped"]


async def test_versions_of_a_router_are_stored_apart():
    """A path is a key of its own, whichever router answers it."""

    def make():
        app = FastAPI()
        for version in ("v1", "v2"):
            router = APIRouter(prefix=f"/{version}")
            router.get("/tasks")(lambda version=version: {"version": version})
            app.include_router(router)
        return app

    for version in ("v1", "v2"):
        (_, hit) = await answers_alike(make, f"/{version}/tasks")
        assert version.encode() in hit.body
