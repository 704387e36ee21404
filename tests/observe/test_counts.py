"""What is counted of requests, and that it is what their headers say."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import anyio
import pytest

from asgi_cache.outcome import RESULTS
from tests.bare import App, Response, ask
from tests.observe.load import NO_CACHE, SECRET, TAGGED, after_the_load

RULES = {
    "/never/**": None,
    "/things/{id}": {"ttl": 60, "stale_while_revalidate": 60, "purge": ["things"]},
    "/errors": {"ttl": 60, "stale_if_error": 60, "status_ttl": {404: 60}},
    "/**": 60,
}
UNCHANGED = Response(status=304, fields=[("ETag", '"1"')])


def route(cache, pattern):
    return next(each for each in cache.stats().routes if each.route == pattern)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "before", "last", "result", "status"),
    [
        pytest.param([Response()], [], ("/a", ()), "miss", 200, id="miss"),
        pytest.param([Response()], [("/a", ())], ("/a", ()), "hit", 200, id="hit"),
        pytest.param(
            [TAGGED], [("/a", ())], ("/a", [("If-None-Match", '"1"')]), "hit", 304, id="304"
        ),
        pytest.param(
            [TAGGED], [("/a", ())], ("/a", [("Range", "bytes=0-1")]), "hit", 206, id="206"
        ),
        pytest.param([Response()], [("/a", ())], ("/a", NO_CACHE), "miss", 200, id="refreshed"),
        pytest.param(
            [Response()],
            [("/a", ())],
            ("/a", [("Cache-Control", "no-store")]),
            "bypass",
            200,
            id="bypass",
        ),
        pytest.param([SECRET], [], ("/a", ()), "uncacheable", 200, id="uncacheable"),
        pytest.param(
            [Response()],
            [],
            ("/a", [("Cache-Control", "only-if-cached")]),
            "refused",
            504,
            id="refused",
        ),
        pytest.param(
            [TAGGED, UNCHANGED],
            [("/a", ()), 61],
            ("/a", ()),
            "revalidated",
            200,
            id="revalidated",
        ),
        pytest.param(
            [Response(), Response(status=500)],
            [("/errors", ()), 61],
            ("/errors", ()),
            "stale",
            200,
            id="stale-if-error",
        ),
        pytest.param(
            [Response()],
            [("/things/1", ()), 61],
            ("/things/1", ()),
            "stale",
            200,
            id="stale-while-revalidate",
        ),
        pytest.param(
            [Response(status=404)], [("/errors", ())], ("/errors", ()), "hit", 404, id="negative"
        ),
        pytest.param([Response()], [], ("/never/a", ()), "passed", 0, id="never"),
    ],
)
async def test_results(cached, clock, answers, before, last, result, status):
    """A request counts once, under what it came to and the status that was sent."""
    app = cached(App(*answers), rules=RULES)
    for step in before:
        if isinstance(step, tuple):
            await ask(app, *step)
        else:
            clock.advance(step)
    counted = Counter()
    counted.update(_results(app.cache))
    await ask(app, *last)
    after = Counter(_results(app.cache))
    assert after - counted == {(result, status): 1}
    assert result in RESULTS


def _results(cache):
    return {
        (result, status): count
        for each in cache.stats().routes
        for result, counts in each.requests.items()
        for status, count in counts.items()
    }


@pytest.mark.anyio
async def test_a_failed_run_is_counted(cached):
    """A request that got no answer, as the app raised, is counted as failed."""
    app = cached(App(ValueError("broken")), rules=RULES)
    with pytest.raises(ValueError, match="broken"):
        await ask(app, "/a")
    assert route(app.cache, "/**").results == {"failed": 1}


@pytest.mark.anyio
async def test_writes_are_passed(cached):
    """An unsafe request is the app's own, and what it voids is counted."""
    app = cached(App(), rules=RULES)
    await ask(app, "/things/1", method="POST")
    stats = app.cache.stats()
    assert route(app.cache, "/things/{id}").results == {"passed": 1}
    assert (stats.invalidations, stats.purges) == (1, 2)  # before the answer, and after the commit


@pytest.mark.anyio
async def test_sizes_and_times(cached):
    """Bytes served are those of all bodies sent; those stored are counted once."""
    app = cached(App(Response(b"x" * 1000)), rules=RULES)
    for _ in range(4):
        await ask(app, "/a")
    counts = route(app.cache, "/**")
    assert (counts.bytes_served, counts.bytes_stored, counts.stored) == (4000, 1000, 1)
    assert (counts.cached.count, counts.forwarded.count, counts.app.count) == (3, 1, 1)
    assert 0 < counts.app.total <= counts.forwarded.total
    assert counts.hit_ratio == 0.75


@pytest.mark.anyio
async def test_a_run_that_serves_several_is_one(cached):
    """Requests that wait for another's run are counted as collapsed; the app's time, once."""
    begun = asyncio.Event()

    class Slow:
        async def __call__(self, scope, receive, send):
            await begun.wait()
            await Response().send_to(scope, send)

    app = cached(Slow(), rules=RULES)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask, app, "/a")
        await anyio.wait_all_tasks_blocked()
        begun.set()
    counts = route(app.cache, "/**")
    assert counts.results == {"collapsed": 4, "miss": 1}
    assert (counts.app.count, app.cache.stats().flights.joined) == (1, 4)


@pytest.mark.anyio
async def test_warming_is_no_request(cached):
    """What is made in advance is stored, and nobody has asked for it."""
    app = cached(App(), rules=RULES)
    await app.cache.warm("http://example.com/a")
    counts = route(app.cache, "/**")
    assert (counts.total, counts.stored) == (0, 1)


@pytest.mark.anyio
async def test_values_are_counted_apart(cached):
    """Look-ups of values are no requests, and have counts of their own."""
    cache = cached(App()).cache
    for _ in range(3):
        await cache.get_or_set("answer", lambda: 42, ttl=60)
    assert await cache.get("question") is None
    stats = cache.stats()
    assert stats.values == {"hit": 2, "miss": 2}
    assert stats.routes == ()


@pytest.mark.anyio
async def test_nothing_is_counted_where_that_is_off(cached):
    """Whoever wants to spare the effort has no counts of requests."""
    app = cached(App(), rules=RULES, metrics=False)
    for _ in range(3):
        await ask(app, "/a")
    assert route(app.cache, "/**").total == 0


def test_counts_agree_with_headers_and_with_what_was_asked(caplog):
    """Of 10,000 requests over 20 routes each is counted, and logged, as its header says."""
    caplog.set_level(logging.DEBUG, "asgi_cache.requests")
    cache, asked, answered = after_the_load()
    stats = cache.stats()
    said = Counter()
    for (pattern, result, _), count in answered.items():
        said[pattern, result] += count
    counted = {
        (each.route, name): count for each in stats.routes for name, count in each.results.items()
    }
    assert counted == dict(said)
    requests = [record for record in caplog.records if record.name == "asgi_cache.requests"]
    assert Counter((record.route, record.result) for record in requests) == said
    assert {each.route: each.total for each in stats.routes} == dict(asked)
    assert {name for _, name in counted} == {"hit", "stale", "miss", "uncacheable", "passed"}
