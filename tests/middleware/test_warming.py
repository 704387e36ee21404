"""Responses that are made before anybody asks, and what happens when an app starts and stops."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgi_cache import Cache, CacheMiddleware, ConfigurationError, warming
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio

RULES = {"/**": 60}
BASE = "http://example.com"


async def test_a_warmed_response_is_a_hit(cached):
    """The first client need not wait for the app."""
    app = App()
    cache = cached(app, rules=RULES)
    outcome = await cache.cache.warm(f"{BASE}/a%20b?c=%2F")
    assert (outcome.status, outcome.stored, outcome.forwarded) == (200, True, "uri-miss")
    hit = await ask(cache, "/a b?c=%2F", raw_path=b"/a%20b")
    assert hit.cache_status == "asgi-cache; hit"
    assert app.runs == 1


async def test_what_is_fresh_is_not_made_again(cached):
    """Warming twice costs nothing."""
    app = App()
    cache = cached(app, rules=RULES, base_url="http://Example.com")
    await cache.cache.warm("/")
    outcome = await cache.cache.warm("/")
    assert (outcome.hit, outcome.stored, app.runs) == (True, False, 1)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_a_response_is_warmed_for_a_user(cached):
    """The app finds the user as behind an authentication middleware; nobody else gets it."""

    class User:
        is_authenticated = True
        identity = "7"

    app = App(lambda scope: Response(scope["user"].identity.encode()), Response())
    cache = cached(app, rules=RULES, base_url=BASE)
    await cache.cache.warm("/", user=7)
    answer = await ask(cache, user=User())
    assert (answer.cache_status, answer.body, app.runs) == ("asgi-cache; hit", b"7", 1)
    assert "fwd=uri-miss" in (await ask(cache, fields={"Authorization": "7"})).cache_status


async def test_a_users_response_is_found_by_the_apps_own_user_id(cached):
    """``user=`` means what ``user_id`` returns."""
    app = App(Response(b"ann's"))
    cache = cached(app, rules=RULES, base_url=BASE, user_id=lambda r: r.headers.get("x-user"))
    await cache.cache.warm("/", user="ann", headers={"X-Other": "1"})
    assert app.seen("x-other") == ["1"]
    assert (await ask(cache, fields={"X-User": "ann"})).cache_status == "asgi-cache; hit"
    assert "fwd=uri-miss" in (await ask(cache, fields={"X-User": "bob"})).cache_status


async def test_credentials_may_be_given_as_a_client_gives_them(cached):
    """Then the response is kept in the partition of those credentials."""
    cache = cached(rules=RULES, base_url=BASE)
    await cache.cache.warm("/", headers={"Authorization": "Bearer a"})
    hit = await ask(cache, fields={"Authorization": "Bearer a"})
    assert hit.cache_status == "asgi-cache; hit"
    assert "fwd=uri-miss" in (await ask(cache)).cache_status


async def test_an_app_that_fails_says_so_to_who_warms(cached):
    """What it raises is not hidden."""
    cache = cached(App(ZeroDivisionError()), rules=RULES, base_url=BASE)
    with pytest.raises(ZeroDivisionError):
        await cache.cache.warm("/")


async def test_an_app_that_waits_for_its_client_is_told_that_it_left(cached):
    """When the response is complete, and not before."""
    told = []

    async def app(scope, receive, send):
        told.append((await receive())["type"])
        await Response().send_to(scope, send)
        told.append((await receive())["type"])

    cache = cached(app, rules=RULES, base_url=BASE)
    await cache.cache.warm("/")
    assert told == ["http.request", "http.disconnect"]


async def test_there_must_be_an_app_and_a_host(cached):
    """What is missing is named."""
    with pytest.raises(ValueError, match="CacheMiddleware"):
        await Cache().warm(f"{BASE}/")
    with pytest.raises(ValueError, match="base_url"):
        await cached().cache.warm("/")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"warm": ["/a"]}, "warm: '/a' is not an absolute URL", id="no-host"),
        pytest.param({"warm": ["ftp://h/a"]}, "not an absolute URL", id="not-http"),
        pytest.param(
            {"base_url": "example.com"}, "base_url='example.com' is not a", id="no-scheme"
        ),
        pytest.param({"base_url": "http://h/path"}, "is not a scheme and a host", id="a-path"),
        pytest.param({"warm": "/a"}, "is not a list", id="a-string"),
    ],
)
def test_settings_that_cannot_be_warmed(settings, message):
    """A mistake is found at start-up."""
    with pytest.raises(ConfigurationError, match=message):
        Cache(**settings)


def api(**options):
    """Make an app that counts how often it was asked, behind a cache."""
    app = FastAPI()
    app.state.asked = 0

    @app.get("/numbers/{number}")
    def read_number(number: int) -> int:
        app.state.asked += 1
        return number

    app.add_middleware(CacheMiddleware, rules={"/**": 60}, base_url="http://testserver", **options)
    return app


def test_what_the_settings_list_is_warm_when_the_app_has_started(caplog):
    """It is made in the background, and said once how much of it there is."""
    caplog.set_level(logging.INFO)
    app = api(warm=["/numbers/1", "/numbers/2", "/numbers/x", "/absent"])
    for asked in (2, 4):  # an app may be started again
        with TestClient(app) as client:
            while "warmed 2 of 4 URLs" not in caplog.text:
                client.get("/absent")
            assert app.state.asked == asked
            assert "; hit" in client.get("/numbers/1").headers["cache-status"]
        caplog.clear()


def test_what_cannot_be_warmed_is_logged(caplog):
    """One URL that fails keeps no other from being warmed."""
    app = api(warm=["/fails", "/numbers/1"])

    @app.get("/fails")
    def fail() -> None:
        raise ZeroDivisionError

    caplog.set_level(logging.INFO)
    with TestClient(app) as client:
        while "warmed 1 of 2 URLs" not in caplog.text:
            client.get("/absent")
    assert "'http://testserver/fails'" in caplog.text or "'/fails'" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_the_lifespan_closes_and_warms(cached):
    """For apps whose middleware does not hear of their start."""
    app = App()
    cache = cached(app, rules=RULES, base_url=BASE, warm=["/"])
    async with cache.cache.lifespan(object()):
        await cache.cache._warming
        assert (await ask(cache)).cache_status == "asgi-cache; hit"
    assert (await ask(cache)).cache_status == "asgi-cache; fwd=uri-miss; stored"


async def test_what_never_ends_keeps_no_other_from_being_warmed(cached, caplog, monkeypatch):
    """However many URLs are endless, the others have their turn."""
    monkeypatch.setattr(warming, "LONGEST", 0.05)

    async def app(scope, receive, send):
        if scope["path"] == "/endless":
            await asyncio.Event().wait()
        await App()(scope, receive, send)

    urls = [*(f"/endless?{n}" for n in range(warming.AT_ONCE)), "/"]
    cache = cached(app, rules=RULES, base_url=BASE, warm=urls)
    caplog.set_level(logging.INFO)
    cache.cache.begin_warming()
    await cache.cache._warming
    assert "warmed 1 of 5 URLs" in caplog.text
    assert "'/endless?3'" in caplog.text


async def test_closing_stops_what_is_being_warmed(cached):
    """An app that stops at once does not wait for its start."""
    begun = asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    cache = cached(app, rules=RULES, base_url=BASE, warm=["/"])
    cache.cache.begin_warming()
    await begun.wait()
    async with asyncio.timeout(4):
        await cache.cache.close()


async def test_the_server_hears_of_the_end_when_the_cache_is_closed(cached):
    """Refreshes that are running are waited for before the server may go."""
    log = []

    async def app(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    cache = cached(app)
    cache.cache.close = lambda: note("closed")

    async def note(what):
        log.append(what)

    async def send(message):
        log.append(message["type"])

    await cache({"type": "lifespan"}, None, send)
    assert log == ["lifespan.startup.complete", "closed", "lifespan.shutdown.complete"]


def test_a_mounted_app_is_warmed_when_it_is_asked_first():
    """Its middleware is made then, and not when the app around it starts."""
    cache = Cache(
        rules={"/**": 60}, base_url="http://testserver", root_path="/api", warm=["/api/numbers/1"]
    )
    mounted = FastAPI()

    @mounted.get("/numbers/{number}")
    def read_number(number: int) -> int:
        return number

    mounted.add_middleware(CacheMiddleware, cache=cache)
    app = FastAPI(lifespan=cache.lifespan)
    app.mount("/api", mounted)
    with TestClient(app) as client:
        client.get("/api/numbers/2")
        while "hit" not in client.get("/api/numbers/1").headers["cache-status"]:
            pass


@pytest.mark.parametrize("root_path", ["api", "/api/", "/"])
def test_where_an_app_is_mounted_is_a_path(root_path):
    """A slash in front, and none behind."""
    with pytest.raises(ConfigurationError, match="is not where an app is mounted"):
        Cache(root_path=root_path)
