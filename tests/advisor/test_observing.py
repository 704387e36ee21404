"""Watching changes nothing."""

from __future__ import annotations

import logging

import pytest

from asgi_cache import CacheMiddleware
from asgi_cache.advisor.advice import Advice
from asgi_cache.stores.memory import MemoryStore
from tests.advisor.traffic import World
from tests.bare import App, Response, ask, scope_of
from tests.middleware.conftest import cached, clock

__all__ = ["cached", "clock"]

CHUNKED = Response(chunks=(b"one", b"two", b"three"), fields=[("Set-Cookie", "a=1")])


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "answer", [Response(fields=[("ETag", '"1"')]), CHUNKED, Response(status=404)]
)
async def test_nothing_is_changed(cached, method, answer):
    """Whatever the app sends reaches the client in the same messages, each time by the app."""
    bare = App(answer)
    expected = await ask(bare, "/a", [("Range", "bytes=0-1")], method=method)
    app = cached(App(answer), rules={"/**": 60}, observe=True)
    for _ in range(3):
        got = await ask(app, "/a", [("Range", "bytes=0-1")], method=method)
        assert got.messages == expected.messages
    assert app.app.runs == 3


@pytest.mark.anyio
async def test_what_the_app_is_asked_is_not_changed(cached):
    """The app sees the query and the fields as they were sent."""
    app = cached(App(), rules={"/**": {"ttl": 60, "query": ["a"]}}, observe=True)
    await ask(app, "/a?a=1&b=2", [("If-None-Match", '"1"')])
    assert app.app.scopes[-1]["query_string"] == b"a=1&b=2"
    assert app.app.seen("If-None-Match") == ['"1"']


@pytest.mark.anyio
async def test_errors_reach_the_server(cached):
    """What the app raises is raised."""
    app = cached(App(ValueError("broken")), rules={"/**": 60}, observe=True)
    with pytest.raises(ValueError, match="broken"):
        await ask(app, "/a")


@pytest.mark.anyio
async def test_one_rule_can_be_watched(cached):
    """Where only one rule is watched, the others store."""
    app = cached(App(), rules={"/watched": {"ttl": 60, "observe": True}, "/**": 60})
    for _ in range(3):
        await ask(app, "/watched")
        await ask(app, "/stored")
    assert app.app.runs == 4
    assert [advice.route for advice in app.cache.advise().routes] == ["/watched"]


@pytest.mark.anyio
async def test_nothing_is_learned_where_nothing_is_watched(cached):
    """Without ``observe`` there is nothing to advise."""
    app = cached(App(), rules={"/**": 60})
    await ask(app, "/a")
    assert app.cache.advise() == Advice(0.0, ())
    assert str(app.cache.advise()).startswith("From 0 s of traffic")


@pytest.mark.anyio
async def test_advice_can_be_written_and_read():
    """JSON brings back what was advised."""
    world = World(seed=5, observe=True)
    await world.run(2_500, 4.0)
    advice = world.cache.advise()
    assert any(each.is_stored for each in advice.routes)
    assert Advice.from_plain(advice.to_plain()) == advice
    with pytest.raises(ValueError, match="no advice"):
        Advice.from_plain({"routes": []})


@pytest.mark.anyio
async def test_nothing_of_a_user_is_in_what_is_learned():
    """No credential, query value or path parameter can be read in advice or memory."""
    world = World(seed=6, observe=True)
    for _ in range(60):
        await ask(world.app, "/logos/s3cr3t?utm=s3cr3t", [("Authorization", "Bearer s3cr3t")])
    advice = world.cache.advise()
    assert "s3cr3t" not in str(advice) + str(advice.to_plain()) + advice.to_toml()
    assert "s3cr3t" not in repr(world.cache._services.watcher._learned)


@pytest.mark.anyio
async def test_b30_a_mistake_in_learning_costs_no_request(cached, caplog, monkeypatch):
    """The client has its answer, and the log says what went wrong."""
    app = cached(App(), rules={"/**": 60}, observe=True)
    monkeypatch.setattr(app.cache._services.watcher, "_clock", None)
    assert (await ask(app, "/a")).body == b"hello"
    assert "TypeError" in caplog.text


@pytest.mark.anyio
async def test_fields_can_be_read_once(cached):
    """An app that sends its fields as an iterator is understood, and so is its client."""
    fields = [(b"content-length", b"5"), (b"x-a", b"b")]

    async def once(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": iter(fields)})
        await send({"type": "http.response.body", "body": b"hello"})

    app = cached(once, rules={"/**": 60}, observe=True)
    assert (await ask(app, "/a")).heads[0]["headers"] == fields


RULES = {"/all": {"ttl": 60, "public": True}, "/**": 60}
NO_CACHE = ("Cache-Control", "no-cache")


def by_user(scope):
    fields = dict(scope["headers"])
    return Response(b"for " + fields.get(b"authorization", b"nobody"))


@pytest.mark.anyio
async def test_a_public_answer_that_differs_by_user_is_told(cached, caplog):
    """Who is answered the same again, after another user was not, was answered as a user."""
    app = cached(App(by_user), rules=RULES)
    for user in ("alice", "bob", "carol", "alice", "bob"):
        await ask(app, "/all", [("Authorization", user), NO_CACHE])
    assert app.cache.stats().public_conflicts == {"/all": 2}
    (record,) = [each for each in caplog.records if each.event == "public-conflict"]
    assert (record.levelno, record.route) == (logging.WARNING, "/all")
    assert "alice" not in caplog.text
    assert "bob" not in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "users", "pause"),
    [
        pytest.param("/own", ["alice", "bob"], 0, id="not-public"),
        pytest.param("/all", ["alice", "alice"], 0, id="the-same-user"),
        pytest.param("/all", ["alice", "bob", "alice"], 1, id="in-time"),
    ],
)
async def test_other_differences_are_no_conflict(cached, clock, path, users, pause):
    """Content may differ by user in a user's own part, and in time."""
    turn = iter(range(10))
    app = cached(App(lambda _: Response(b"%d" % next(turn))), rules=RULES)
    for user in users:
        await ask(app, path, [("Authorization", user), NO_CACHE])
        clock.advance(pause)
    assert app.cache.stats().public_conflicts == {}


@pytest.mark.anyio
async def test_what_was_made_after_the_time_of_another_may_differ(cached, clock):
    """What is not fresh any more may have changed, whoever asks."""
    app = cached(App(by_user), rules=RULES)
    for user in ("alice", "bob", "alice"):
        await ask(app, "/all", [("Authorization", user)])
        clock.advance(61)
    assert app.cache.stats().public_conflicts == {}


@pytest.mark.anyio
async def test_what_was_purged_may_differ(cached):
    """After a purge the content is another, whoever asks."""
    app = cached(App(by_user), rules=RULES)
    for user in ("alice", "bob", "alice"):
        await ask(app, "/all", [("Authorization", user)])
        await app.cache.purge(path="/all")
    assert app.cache.stats().public_conflicts == {}


@pytest.mark.anyio
async def test_observing_costs_the_others_nothing():
    """A cache that watches nothing takes the short way, as ever."""
    app = CacheMiddleware(App(), store=MemoryStore(), rules={"/**": 60})
    await ask(app, "/a")
    await ask(app, "/a")
    assert not app.cache._services.watcher.is_on
    assert app.cache.shortcut.take(scope_of("GET", "/a", ())) is not None
