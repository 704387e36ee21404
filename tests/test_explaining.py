"""What `explain` says is what becomes of the request."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_cache import Cache, CacheMiddleware, cached
from asgi_cache.policy.storing import CLAUSES
from tests.bare import App, Clock, Response, ask

pytestmark = pytest.mark.anyio

RULES = {
    "/tasks/{task_id}": {"ttl": "5m", "tags": ["task:{task_id}"], "vary": ["Accept-Language"]},
    "/secret": {"ttl": 60, "vary": ["Authorization"]},
    "/everybody": {"ttl": 60, "public": True},
    "/write": {"purge": ["tasks"]},
    "/never": None,
}
TASK = ("GET", "/tasks/42?page=1")


@pytest.fixture
def cache() -> Cache:
    return Cache(rules=RULES, clock=Clock(), hosts=["localhost"])


@pytest.mark.parametrize(
    ("request_line", "options", "expected"),
    [
        pytest.param(TASK, {}, "/tasks/{task_id} (by the mapping): ttl=300.0", id="rule"),
        pytest.param(TASK, {}, "path '/tasks/42', query 'page=1', accept-language ''", id="key"),
        pytest.param(TASK, {}, "nobody's: the request shows no credentials", id="nobody"),
        pytest.param(TASK, {}, "tags          task:42", id="tags"),
        pytest.param(TASK, {}, "in the store  nothing", id="nothing-there"),
        pytest.param(TASK, {}, "would be stored: fresh for 300 s (the rule says so)", id="stored"),
        pytest.param(TASK, {"user": 7}, "partition     user '7'", id="user"),
        pytest.param(
            TASK,
            {"headers": {"Authorization": "secret"}},
            "whoever shows the same credentials",
            id="credentials",
        ),
        pytest.param(
            TASK,
            {"answered": {"Cache-Control": "max-age=9"}},
            "fresh for 9 s (the app says so)",
            id="app",
        ),
        pytest.param(
            TASK,
            {"answered": {"Cache-Control": "no-store"}},
            "would not be stored: no-store: it is marked `no-store`",
            id="clause",
        ),
        pytest.param(TASK, {"status": 500}, "(setting errors)", id="setting"),
        pytest.param(
            TASK,
            {"headers": {"Cache-Control": "no-store"}},
            "passed on  no-store: the request is marked `no-store`",
            id="request",
        ),
        pytest.param(("GET", "/everybody"), {}, "everybody's: the rule says public", id="public"),
        pytest.param(("GET", "/other"), {}, "none: what the app itself", id="no-rule"),
        pytest.param(("GET", "/other"), {}, "everybody's: there is no rule", id="no-partition"),
        pytest.param(("GET", "/never"), {}, "passed on  the rule says never", id="never"),
        pytest.param(
            ("PUT", "/write"), {}, "a success purges its own URL, and the tags tasks", id="write"
        ),
        pytest.param(("OPTIONS", "/write"), {}, "stores no responses to this method", id="options"),
        pytest.param(("GET", "http://elsewhere/"), {}, "no key can be made of it", id="host"),
    ],
)
async def test_what_is_said_of_a_request(cache, request_line, options, expected):
    """Rule, key, partition, and the clause that forbids storing, with where it is said."""
    assert expected in str(await cache.explain(*request_line, **options))


async def test_no_secret_is_shown(cache):
    """Not even where the key holds it."""
    said = await cache.explain("GET", "/secret", headers={"Authorization": "hush"})
    assert "hush" not in str(said)
    assert ("authorization", "...") in said.key


async def test_what_handlers_state_is_said_to_be_unknown_without_an_app(cache):
    """Else a script would be told that nothing is stored."""
    unknown = "what handlers state is not known before the app has started"
    assert unknown in str(await cache.explain("GET", "/other"))
    CacheMiddleware(App(), cache=cache)
    assert unknown not in str(await cache.explain("GET", "/other"))


async def test_what_a_handler_states_is_said_to_be_its_own():
    """And which rule of the mapping it comes before."""

    @cached("1m")
    async def read(request):
        return PlainTextResponse("")

    cache = Cache(rules={"/{name}": 5, "/{a}/{b}": 5})
    CacheMiddleware(Starlette(routes=[Route("/a", read), Route("/a/b", read)]), cache=cache)
    said = str(await cache.explain("GET", "/a"))
    assert "/a (by its handler, before '/{name}'): ttl=60.0" in said


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "a fresh response with status 200, 0 s old: it would be served"),
        (330, "a stale response with status 200, 330 s old: the app would be asked"),
    ],
)
async def test_what_is_stored_is_said(seconds, expected):
    """For this request, as it stands."""
    clock = Clock()
    cache = Cache(rules={"/": 300}, clock=clock, base_url="http://example.com")
    app = CacheMiddleware(App(), cache=cache)
    await ask(app)
    clock.advance(seconds)
    assert expected in str(await cache.explain("GET", "/"))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Cache-Control": "private"},
        {"Cache-Control": "no-store"},
        {"Set-Cookie": "a=1"},
        {"Vary": "*"},
        {"Content-Type": "text/event-stream"},
    ],
    ids=str,
)
async def test_the_verdict_is_that_of_the_request(fields):
    """What `explain` says of an answer is what ``Cache-Status`` says when it comes."""
    cache = Cache(rules={"/": 300}, base_url="http://example.com")
    app = CacheMiddleware(App(Response(fields=fields)), cache=cache)
    said = await cache.explain("GET", "/", answered=fields)
    status = (await ask(app)).cache_status
    assert said.stored is ("stored" in status)
    detail = status.partition("detail=")[2]
    assert said.reason.partition(":")[0] == detail or said.stored
    assert said.stored or detail in {clause.detail for clause in CLAUSES}
