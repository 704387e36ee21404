"""The testing kit, and its fixtures as users have them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.testing import (
    OWN,
    PARTS,
    Clock,
    assert_bypass,
    assert_hit,
    assert_miss,
    assert_stored,
    controlled,
)
from tests.bare import ask
from tests.redis_server import redis_server

__all__ = ["redis_server"]

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
RULES = {"/numbers": {"ttl": 60, "tags": ["numbers"], "purge": ["numbers"]}}


def counting():
    """Make an app that answers with how often it was asked."""
    asked = []

    async def count(request):
        asked.append(request.method)
        return PlainTextResponse(f"{len(asked)}")

    return Starlette(routes=[Route("/numbers", count, methods=["GET", "PUT"])])


@pytest.fixture
def cache():
    return Cache(rules=RULES)


@pytest.fixture
def app(cache):
    app = counting()
    app.add_middleware(CacheMiddleware, cache=cache)
    return app


@pytest.fixture
def client(app):
    return TestClient(app)


def status(text: str | None) -> Response:
    return Response(headers={} if text is None else {"Cache-Status": text})


@pytest.mark.parametrize(
    ("text", "holding"),
    [
        pytest.param("c; hit; ttl=5", {assert_hit}, id="hit"),
        pytest.param("c; fwd=uri-miss; stored", {assert_miss, assert_stored}, id="stored"),
        pytest.param("c; fwd=stale; collapsed", {assert_miss}, id="collapsed"),
        pytest.param("c; fwd=uri-miss; detail=no-store", {assert_miss}, id="not-stored"),
        pytest.param("c; fwd=bypass; detail=request-body", {assert_bypass}, id="bypass"),
        pytest.param("c; hit, cdn; fwd=uri-miss", {assert_hit}, id="a-cache-behind-it"),
        pytest.param('"my cache"; hit', {assert_hit}, id="a-name-of-two-words"),
        pytest.param("c; detail=only-if-cached", set(), id="left-alone"),
        pytest.param(None, {assert_bypass}, id="nothing"),
    ],
)
def test_each_assertion_holds_for_what_it_says(text, holding):
    """A response is a hit, a miss or neither; what is stored is a miss, too."""
    for check in (assert_hit, assert_miss, assert_stored, assert_bypass):
        if check in holding:
            check(status(text))
        else:
            with pytest.raises(AssertionError):
                check(status(text))


def test_one_of_several_caches_is_asked_for_by_name():
    """An app may pass on what another cache said."""
    both = status("other; fwd=uri-miss, asgi-cache; hit")
    assert_hit(both, name="asgi-cache")
    assert_miss(both)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("c; fwd=uri-miss", "nothing is stored for this URL", id="reason"),
        pytest.param("c; fwd=uri-miss; detail=set-cookie", "it has `Set-Cookie`", id="detail"),
        pytest.param("c; fwd=bypass; detail=request-body", "with a body", id="bypass"),
        pytest.param("c; fwd=strange", "'c; fwd=strange'", id="as-it-was-sent"),
        pytest.param(None, "no Cache-Status", id="nothing"),
        pytest.param('c; fwd="', "not a list", id="malformed"),
    ],
)
def test_what_fails_says_what_was_found_and_why(text, said):
    """A reader of the message needs neither the RFC nor a debugger."""
    with pytest.raises(AssertionError, match=re.escape(said)):
        assert_hit(status(text))


def test_time_does_not_run_back():
    """A cache never meets a clock that does."""
    with pytest.raises(ValueError, match="run back"):
        Clock().advance(-1)


def test_the_app_s_own_cache_is_empty_and_timed_and_restored(client, cache):
    """What the middleware holds is the same object all the while."""
    assert client.get("/numbers").text == "1"
    with controlled(cache, now=0) as kit:
        assert_stored(client.get("/numbers"))
        kit.advance(59)
        assert_hit(client.get("/numbers"))
        kit.advance(2)
        assert_miss(client.get("/numbers"))
        assert kit.clock() == 61
    restored = client.get("/numbers")
    assert_hit(restored)
    assert restored.text == "1"


def test_an_app_that_is_built_in_a_test_keeps_its_rules(cache):
    """FastAPI and Starlette put middleware in front of an app when the first request comes."""
    app = counting()
    app.add_middleware(CacheMiddleware, cache=cache)
    with controlled(cache):
        TestClient(app).get("/numbers")
    assert vars(cache)["_app"] is not None
    assert_stored(TestClient(app).get("/numbers"))


def test_a_test_that_fails_restores_the_cache(client, cache):
    """The next one finds it as it was."""
    store = cache.store
    with pytest.raises(ZeroDivisionError), controlled(cache):
        assert 1 / (cache.store is store)
    assert cache.store is store


def test_every_part_of_a_cache_is_exchanged_or_kept_on_purpose(cache):
    """A part that is added later has to be thought about."""
    assert set(vars(cache)) == {*PARTS, *OWN}


def test_functions_of_the_app_s_hold_in_tests_too():
    """Who a user is does not change by who asks."""
    cache = Cache(rules=RULES, user_id=lambda request: request.headers.get("x-user"))
    client = TestClient(CacheMiddleware(counting(), cache=cache))
    with controlled(cache):
        for user in ("a", "b"):
            assert_miss(client.get("/numbers", headers={"x-user": user}))
            assert_hit(client.get("/numbers", headers={"x-user": user}))


def test_nothing_is_warmed():
    """What a test finds in the store was put there by the test."""
    cache = Cache(rules=RULES, warm=["/numbers"], base_url="http://testserver")
    app = CacheMiddleware(counting(), cache=cache)
    with controlled(cache), TestClient(app) as client:
        assert client.get("/numbers").text == "1"


def test_disabled_asks_the_app_and_writes_purge_all_the_same(client, cache):
    """What was stored before is there again, unless something has made it untrue."""
    with controlled(cache) as kit:
        client.get("/numbers")
        assert_hit(client.get("/numbers"))
        with kit.disabled():
            answers = [client.get("/numbers") for _ in range(2)]
            assert [each.text for each in answers] == ["2", "3"]
            for each in answers:
                assert_bypass(each)
        assert_hit(client.get("/numbers"))
        with kit.disabled():
            client.put("/numbers")
        kit.assert_purged(tags="numbers", url="http://testserver/numbers")
        assert_miss(client.get("/numbers"))


def test_disabled_lets_apps_be_attached_and_things_be_named(cache):
    """All that is no request works as it does otherwise."""
    with controlled(cache) as kit, kit.disabled():
        app = CacheMiddleware(counting(), cache=cache)
        cache.read_routes()
        assert vars(cache)["_services"].targets.patterns == ("/numbers",)
        assert TestClient(app).get("/numbers").text == "1"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("purge", "asserted"),
    [
        pytest.param({"tags": "a"}, {"tags": "a"}, id="tag"),
        pytest.param({"tags": "a"}, {"tags": ["a/b", "a"]}, id="nested"),
        pytest.param({"path": "/a"}, {"path": "/a/b"}, id="path"),
        pytest.param({"url": "http://h/a"}, {"url": "http://h/a"}, id="url"),
        pytest.param({"route": "/numbers"}, {"route": "/numbers"}, id="route"),
        pytest.param({"user": 7}, {"user": 7}, id="user"),
        pytest.param({"key": "k"}, {"key": "k"}, id="key"),
        pytest.param({"everything": True}, {"tags": "a", "path": "/"}, id="everything"),
        pytest.param(
            {"tags": ["a", "a/b"], "all_of": True}, {"tags": "a/b"}, id="all-of-what-it-carries"
        ),
    ],
)
async def test_what_a_purge_voids_was_purged(cache, purge, asserted):
    """Directly, or by what stands above it."""
    async with controlled(cache) as kit:
        with pytest.raises(AssertionError, match="purged was: nothing"):
            kit.assert_purged(**asserted)
        await cache.purge(**purge)
        kit.assert_purged(**asserted)


@pytest.mark.anyio
async def test_what_no_purge_named_was_not_purged(cache):
    """The message says which it was, and what was purged instead."""
    async with controlled(cache) as kit:
        await cache.purge(tags=["a", "b"])
        with pytest.raises(AssertionError, match=r"of tags='c'; purged was: tag:a and tag:b"):
            kit.assert_purged(tags=["a", "c"])


@pytest.mark.anyio
async def test_of_a_purge_of_what_carries_several_one_is_not_enough(cache):
    """It leaves alone what carries one of them."""
    async with controlled(cache) as kit:
        await cache.purge(tags=["a", "b"], all_of=True)
        with pytest.raises(AssertionError, match="tag:a and tag:b"):
            kit.assert_purged(tags="a")


@pytest.mark.parametrize(
    ("given", "error"),
    [pytest.param({}, ValueError, id="nothing"), pytest.param({"tag": "a"}, TypeError, id="typo")],
)
def test_what_could_not_be_purged_is_refused(cache, given, error):
    """A typo must not pass."""
    with controlled(cache) as kit, pytest.raises(error):
        kit.assert_purged(**given)


@pytest.mark.anyio
async def test_memoized_functions_and_values_are_the_test_s_own(cache):
    """They were decorated at import time, and store where the test does."""
    runs = []

    @cache.memoize("1m")
    async def load():
        runs.append(1)
        return len(runs)

    assert await load() == 1
    async with controlled(cache) as kit:
        assert [await load(), await load()] == [2, 2]
        kit.advance(61)
        assert await load() == 3
    assert await load() == 1


@pytest.mark.anyio
@pytest.mark.parametrize("options", ["", "&local=0"], ids=["with-copies", "without"])
async def test_two_tests_on_one_redis_see_nothing_of_each_other(redis_server, options):
    """Each has a namespace of its own there, and purges nothing of the other's."""
    url = f"{redis_server.url}?timeout=5s{options}"
    caches = [Cache(rules=RULES) for _ in range(2)]
    apps = [CacheMiddleware(counting(), cache=cache) for cache in caches]
    async with controlled(caches[0], store=url) as one, controlled(caches[1], store=url) as two:
        for app in apps:
            assert "stored" in (await ask(app, "/numbers")).cache_status
        await one.cache.purge(everything=True)
        one.assert_purged(tags="numbers")
        assert (await ask(apps[1], "/numbers")).cache_status == "asgi-cache; hit"
        two.advance(61)
        assert "fwd=" in (await ask(apps[1], "/numbers")).cache_status


def test_redis_serves_tests_that_are_not_asynchronous(redis_server, client, cache):
    """Each request of Starlette's test client has an event loop of its own."""
    for _ in range(2):
        with controlled(cache, store=f"{redis_server.url}?timeout=5s"):
            assert_miss(client.get("/numbers"))
            assert_hit(client.get("/numbers"))


def page_blocks() -> dict[str, str]:
    page = (ROOT / "docs" / "how-to" / "testing.md").read_text()
    return dict(re.findall(r'```python title="(\S+)"\n(.*?)```', page, re.DOTALL))


@pytest.mark.slow
def test_the_fixtures_work_as_the_page_shows_them(pytester):
    """A user's test file, with warnings as errors, in a run of its own."""
    for name, source in page_blocks().items():
        (pytester.path / name).write_text(source)
    done = pytester.runpytest_subprocess("-W", "error", "-p", "no:cov")
    done.assert_outcomes(passed=4)


@pytest.mark.slow
def test_the_kit_asks_whose_cache_it_is_to_control(pytester):
    """That of nobody would let tests pass that share what the app has stored."""
    pytester.makepyfile("def test_kit(cache_kit): ...")
    done = pytester.runpytest_subprocess("-W", "error", "-p", "no:cov")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines("cache_kit controls your app's Cache: write a fixture *")


@pytest.mark.slow
def test_runs_without_the_fixtures_import_nothing_of_the_package(pytester):
    """They are no slower for it, and its coverage can be measured."""
    pytester.makepyfile("""
        import sys

        def test_modules(cache):
            assert "pytest_asgi_cache" in sys.modules
            assert not {"asgi_cache", "fastapi", "redis"} & set(sys.modules)
            assert type(cache).__module__ == "_pytest.cacheprovider"  # pytest's own fixture
    """)
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cov").assert_outcomes(passed=1)


def test_the_kit_needs_neither_pytest_nor_fastapi():
    """It can be used from any test framework."""
    program = (
        "import sys, asgi_cache.testing; assert not {'pytest', 'fastapi'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
