"""What is told of a cache at work, to the log and to who listens."""

from __future__ import annotations

import logging

import pytest

from asgi_cache.observe.events import KINDS, LOGGERS
from asgi_cache.observe.observer import NAMES_REMEMBERED, SILENCE, Observer
from tests.bare import App, Clock, Response, ask

RULES = {"/failing": {"ttl": 10, "stale_if_error": 60}, "/**": 60}
RESERVED = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@pytest.fixture
def monotonic():
    return Clock(0.0)


@pytest.fixture
def observer(monotonic, clock):
    return Observer(clock, monotonic)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_told(observer, caplog, name):
    """Each event of the table can be told with its fields, which are attributes of the record."""
    caplog.set_level(logging.DEBUG)
    kind = KINDS[name]
    fields = {each: 1 if f"%({each})s" not in kind.message else "a" for each in kind.fields}
    observer.tell(name, **fields)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.event) == (kind.logger, kind.level, name)
    assert fields.items() <= vars(record).items()
    assert not RESERVED & set(kind.fields)
    assert record.getMessage()


def test_a_limited_event_is_counted_while_it_is_silent(observer, monotonic, caplog):
    """Of what happens again and again one line is written each minute, with the number."""
    for _ in range(5):
        observer.tell("store-unavailable", why="away")
    monotonic.advance(SILENCE)
    observer.tell("store-unavailable", why="away")
    first, second = caplog.messages
    assert first == "the store is out of reach, the app answers: away"
    assert second == first + " (and 4 more, which were not logged)"
    assert [record.left_out for record in caplog.records] == [0, 4]


def test_kinds_are_limited_apart(observer, caplog):
    """One kind that happens often does not hide another."""
    for _ in range(2):
        observer.tell("store-unavailable", why="away")
        observer.tell("store-broken")
    assert [record.event for record in caplog.records] == ["store-unavailable", "store-broken"]


def test_what_is_not_limited_is_always_told(observer, caplog):
    """Each change of a breaker has its line."""
    for _ in range(3):
        observer.tell("breaker-closed")
    assert len(caplog.records) == 3


def test_listeners_hear_whatever_is_logged(observer, clock, caplog):
    """Who listens hears of each event, at whatever level the log is, until it has enough."""
    caplog.set_level(logging.CRITICAL)
    heard = []
    end = observer.subscribe(heard.append)
    observer.tell("breaker-opened", why="away")
    observer.tell("stored", route="/a", status=200, size=1, ttl=60.0, seconds=0.1, renewed=False)
    end()
    end()
    observer.tell("breaker-closed")
    assert [event.name for event in heard] == ["breaker-opened", "stored"]
    opened = heard[0]
    assert (opened.at, opened.level, opened.fields) == (clock.now, "WARNING", {"why": "away"})
    assert opened.text == "the store is left alone, as it does not answer: away"
    assert caplog.records == []


def test_listeners_do_not_hear_of_each_request(observer):
    """Single requests are for the log alone."""
    heard = []
    observer.subscribe(heard.append)
    observer.tell("request", route="/a")
    assert heard == []


def test_b30_a_listener_that_raises_is_logged_and_costs_nothing(observer, caplog):
    """Others hear of the event all the same, and whoever told of it goes on."""
    heard = []

    def fail(event):
        raise ZeroDivisionError

    observer.subscribe(fail)
    observer.subscribe(heard.append)
    observer.tell("breaker-closed")
    assert {event.name for event in heard} == {"breaker-closed", "listener-failed"}
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.anyio
async def test_requests_are_logged_as_they_are_counted(cached, caplog):
    """At level DEBUG each request has one line, whichever way it was answered."""
    caplog.set_level(logging.DEBUG, "asgi_cache.requests")
    app = cached(App(Response(b"x" * 100)), rules={"/never": None, **RULES})
    for target in ("/a?secret=1", "/a?secret=1", "/a?secret=1", "/never", "/never"):
        await ask(app, target)
    told = [(r.route, r.result, r.status, r.size) for r in caplog.records if r.event == "request"]
    hit = ("/**", "hit", 200, 100)
    assert told == [("/**", "miss", 200, 100), hit, hit, *[("/never", "passed", 0, 0)] * 2]
    assert "secret" not in caplog.text


@pytest.mark.anyio
async def test_fills_and_purges_are_logged(cached, clock, caplog):
    """What is stored, purged and invalidated has a line at level INFO, and stale ones a warning."""
    caplog.set_level(logging.INFO)
    app = cached(App(Response(), ValueError("broken"), Response()), rules=RULES)
    await ask(app, "/failing")
    clock.advance(20)
    assert (await ask(app, "/failing")).status == 200
    await app.cache.purge(tags=["a", "b"], user="alice@example.com")
    await ask(app, "/failing", method="DELETE")
    told = [(record.event, record.name) for record in caplog.records]
    assert told == [
        ("stored", "asgi_cache.fills"),
        ("stale-for-failure", "asgi_cache.fills"),
        ("purged", "asgi_cache.purges"),
        ("invalidated", "asgi_cache.purges"),
    ]
    assert "purged by tags (2), user (1)" in caplog.messages
    assert "alice" not in caplog.text


@pytest.mark.anyio
async def test_recent_purges_are_remembered(cached, clock):
    """What was ordered lately can be read, in the words of who ordered it."""
    cache = cached(App()).cache
    await cache.purge(tags=["a", "b"], soft=True)
    await cache.purge(everything=True)
    first, second = cache.observer.recent_purges
    assert (first.named, first.soft, first.acknowledged) == ({"tags": ("a", "b")}, True, True)
    assert (second.at, second.named) == (clock.now, {"everything": ("true",)})


@pytest.mark.anyio
async def test_a_purge_of_many_is_not_remembered_whole(cached, caplog):
    """The log says how many names there were; what they are may be long, and is kept in part."""
    caplog.set_level(logging.INFO, "asgi_cache")
    cache = cached(App()).cache
    await cache.purge(tags=[f"product:{number}" for number in range(1000)])
    (purged,) = cache.observer.recent_purges
    assert len(purged.named["tags"]) == NAMES_REMEMBERED
    assert "purged by tags (1000)" in caplog.text


def test_loggers_can_be_filtered():
    """All loggers are below that of the package."""
    assert all(name.startswith("asgi_cache.") for name in LOGGERS)
