"""What is in the log and what is not, whatever requests, users and their data contain."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import replace

import pytest

from asgi_cache import Cache, CacheMiddleware, PurgeNotAcknowledged
from asgi_cache.flusher import logger as flusher_log
from asgi_cache.observe.events import KINDS, Event
from asgi_cache.observe.observer import Observer
from asgi_cache.observe.saying import say
from tests.bare import App, Clock, Response, ask
from tests.redis_server import running_redis

pytestmark = pytest.mark.anyio

HOSTILE = "a\r\nforged\x1b[31m\x00\x85\u2028\u202e\u2066\udcff"
"""Line breaks, escape sequences, NUL, and controls that turn text around."""

SECRETS = {
    place: f"Marker{number}Of{place}"
    for number, place in enumerate(
        ("Token", "Cookie", "Field", "Query", "Path", "User", "Body", "Answer", "Tag", "Key")
    )
}
TARGET = "/things/{Path}?q={Query}".format_map(SECRETS)
FIELDS = {
    "Authorization": "Bearer {Token}".format_map(SECRETS),
    "Cookie": "session={Cookie}".format_map(SECRETS),
    "X-Other": SECRETS["Field"],
}
ANSWER = Response(SECRETS["Answer"].encode(), {"X-Made": SECRETS["Answer"]})
RULES = {
    "/never/**": None,
    "/things/{id}": {"ttl": 60, "tags": ["{id}", "user:{user}"], "stale_if_error": 600},
}


class Lines(logging.Handler):
    """Keeps every record of the package's loggers, whatever its level."""

    def __init__(self):
        super().__init__(level=0)
        self.records: list[logging.LogRecord] = []

    def emit(self, record):
        self.records.append(record)

    @property
    def events(self):
        return [getattr(record, "event", None) for record in self.records]


@pytest.fixture
def lines():
    logger = logging.getLogger("asgi_cache")
    former, handler = logger.level, Lines()
    logger.setLevel(1)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(former)


def whole(record):
    """All that a handler could write of a record, with the traceback."""
    return "\n".join(
        [logging.Formatter().format(record), *(f"{n}={v!r}" for n, v in vars(record).items())]
    )


def texts(value):
    """Each text in a value of a record."""
    match value:
        case str():
            yield value
        case dict():
            yield from texts([*value, *value.values()])
        case list() | tuple():
            for each in value:
                yield from texts(each)


class Site:
    """A cached app that answers with secrets, and what one may do to it."""

    def __init__(self, *answers, **options):
        self.clock = options.setdefault("clock", Clock())
        options.setdefault("user_id", lambda scope: SECRETS["User"])
        self.app = CacheMiddleware(App(*answers or [ANSWER]), rules=RULES, **options)
        self.cache = self.app.cache

    async def ask(self, target=TARGET, **more):
        fields = FIELDS | more.pop("fields", {})
        with suppress(OSError):
            return await ask(self.app, target, fields, **more)


async def answered():
    """Miss, hit, revalidated, passed, refused, and past the store for several reasons."""
    site = Site(replace(ANSWER, fields={"ETag": '"{Answer}"'.format_map(SECRETS)}), ANSWER)
    for _ in range(3):
        await site.ask()
    site.app.app.answers = (replace(ANSWER, status=304),)
    site.clock.advance(120)
    await site.ask()
    site.app.app.answers = (ANSWER,)
    for directive in ("no-cache", "no-store", "only-if-cached"):
        await site.ask(fields={"Cache-Control": directive})
    for name in ("X-HTTP-Method-Override", "If-Match"):
        await site.ask(fields={name: SECRETS["Field"]})
    await site.ask(body=SECRETS["Body"].encode())
    await site.ask("/never" + TARGET)
    await site.ask("/" + SECRETS["Path"] + "?" + SECRETS["Query"])
    return site.cache, {"request", "stored"}


async def written():
    """A write, with a body, that makes things void."""
    site = Site()
    await site.ask()
    await site.ask(method="PUT", body=SECRETS["Body"].encode())
    return site.cache, {"request", "invalidated"}


async def failing():
    """An app that raises: with nothing stored, and with something that may stand in."""
    site = Site(OSError("broken"), ANSWER, OSError("broken"))
    await site.ask()
    await site.ask()
    site.clock.advance(120)
    await site.ask()
    return site.cache, {"request", "stored", "stale-for-failure"}


async def hooks():
    """Functions of the app that raise, with what they were given at hand."""

    def fail(scope):
        return {}[len(scope)]

    for hook in ("user_id", "authorize"):
        site = Site(**{hook: fail})
        await site.ask()
        await site.cache.close()
    return site.cache, {"user-id-failed", "authorize-failed", "request"}


async def purged():
    """Purges by all that can be named."""
    site = Site(base_url="https://example.com")
    await site.ask()
    user, key = SECRETS["User"], SECRETS["Key"]
    await site.cache.purge(tags=[SECRETS["Tag"], SECRETS["Path"]], user=user, key=key)
    await site.cache.purge(url=TARGET, path="/things/" + SECRETS["Path"], soft=True)
    return site.cache, {"purged"}


async def warmed():
    """What is made in advance for somebody, and explained."""
    site = Site(base_url="https://example.com")
    user = SECRETS["User"]
    await site.cache.warm(TARGET, user=user, headers=FIELDS)
    await site.cache.explain("GET", TARGET, headers=FIELDS, user=user, answered=FIELDS)
    return site.cache, {"stored"}


async def valued():
    """Values, which are somebody's, too."""
    cache = Cache()
    key = SECRETS["Key"]
    await cache.get_or_set(key, lambda: SECRETS["Answer"], ttl=60, tags=[SECRETS["Tag"]])
    await cache.purge(key=key)
    return cache, {"purged"}


async def out_of_reach():
    """A store that is gone, which has a password in its URL, while all of that happens."""
    with running_redis("--requirepass", SECRETS["Token"]) as server:
        url = server.url.replace("//", "//:{Token}@".format_map(SECRETS))
        site = Site(store=url + "?timeout=5s")
        await site.ask()
        server.stop()
    with suppress(PurgeNotAcknowledged):
        await site.cache.purge(user=SECRETS["User"], tags=[SECRETS["Tag"]])
    for _ in range(8):
        await site.ask()
    await site.ask(method="PUT")
    with suppress(Exception):
        await site.cache.get_or_set(SECRETS["Key"], lambda: SECRETS["Answer"], ttl=60)
    return site.cache, {"request", "stored", "purge-waits", "breaker-opened", "store-unavailable"}


async def locked_out():
    """A server that does not take the password."""
    with running_redis("--requirepass", "another") as server:
        url = server.url.replace("//", "//{User}:{Token}@".format_map(SECRETS))
        site = Site(store=url + "?timeout=5s")
        await site.ask()
        await site.cache.close()
    return site.cache, {"store-unavailable", "request"}


WAYS = (answered, written, failing, hooks, purged, warmed, valued, out_of_reach, locked_out)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a02_no_secret_is_in_the_log(way, lines):
    """Credentials, users, URLs, tags, keys and bodies are in no record, at no level."""
    cache, expected = await way()
    await cache.close()
    assert expected <= set(lines.events)
    written = "\n".join(map(whole, lines.records))
    assert [place for place, secret in SECRETS.items() if secret in written] == []


def told(record):
    """Each text that a record has of its own, its message first."""
    usual = vars(logging.makeLogRecord({}))
    return [
        record.getMessage(),
        *texts(record.args),
        *(text for n, v in vars(record).items() if n not in usual for text in texts(v)),
    ]


@pytest.mark.parametrize("name", KINDS)
def test_a38_what_events_say_is_escaped(name, lines):
    """No line is forged and no terminal painted, whatever is in any field of any event."""
    heard = []
    observer = Observer()
    observer.subscribe(heard.append)
    kind = KINDS[name]
    fields = {each: 1 if f"%({each})s" not in kind.message else HOSTILE for each in kind.fields}
    for each in kind.fields:
        if f"%({each})d" not in kind.message and f"%({each})." not in kind.message:
            fields[each] = HOSTILE
    observer.tell(name, **fields, more=[HOSTILE, {HOSTILE: HOSTILE}])
    (record,) = lines.records
    assert [text for text in told(record) if not text.isprintable()] == []
    assert "forged" in record.more[0]
    for event in heard:
        assert isinstance(event, Event)
        assert event.text.isprintable()
        assert all(text.isprintable() for text in texts(dict(event.fields)))


@pytest.mark.parametrize("user", [HOSTILE[:-1], "a"], ids=["hostile-user", "user"])
async def test_a38_what_requests_contain_is_escaped_in_the_log(lines, user):
    """URLs, methods, fields, tags, users and what is purged come out as one printable line."""
    quoted = HOSTILE.encode("ascii", "replace").decode()
    answer = Response(fields={"Cache-Tag": quoted, "X": quoted})
    site = Site(answer, Response(), user_id=lambda scope: user)
    for target in (f"/things/{quoted}?q={quoted}", f"/things/1?q={quoted}", f"/never/{quoted}"):
        for method in ("GET", "GET", "PUT", "B" + HOSTILE):
            await site.ask(target, method=method, fields={"X": quoted, "Host": quoted})
            await site.ask(target, method=method, fields={"X": quoted})
    await site.cache.purge(tags=[HOSTILE[:-1]], user=HOSTILE[:-1], key=HOSTILE[:-1])
    for refused in ({"tags": [HOSTILE]}, {"url": HOSTILE}, {"route": HOSTILE}):
        with pytest.raises(ValueError, match="forged"):
            await site.cache.purge(**refused)
    await site.cache.close()
    assert {"request", "invalidated", "purged"} <= set(lines.events)
    assert ("stored" in lines.events) == (user == "a")
    assert any("forged" in getattr(record, "method", "") for record in lines.records)
    assert [text for r in lines.records for text in told(r) if not text.isprintable()] == []


def test_a38_what_else_is_logged_is_escaped(lines):
    """What a database says of a write that it refused is one line, too."""
    say(flusher_log, logging.ERROR, "a write to %r is given up: %s", HOSTILE, OSError(HOSTILE))
    (record,) = lines.records
    assert record.getMessage().count("forged") == 2
    assert all(text.isprintable() for text in told(record))
    assert (record.name, record.funcName) == (
        "asgi_cache.flusher",
        "test_a38_what_else_is_logged_is_escaped",
    )


class Broken(logging.Handler):
    """Raises whenever there is something to be written."""

    def emit(self, record):
        raise ZeroDivisionError


@pytest.fixture
def broken(lines):
    handler = Broken()
    logging.getLogger("asgi_cache").addHandler(handler)
    yield handler
    logging.getLogger("asgi_cache").removeHandler(handler)


async def test_b30_a_handler_that_raises_costs_no_request(broken, capsys):
    """Misses, hits, writes, purges and failures are what they would be without it."""
    site = Site(ANSWER, ANSWER, OSError("broken"), user_id=None)
    assert (await site.ask()).cache_status == "asgi-cache; fwd=uri-miss; stored"
    for _ in range(2):
        assert (await site.ask()).cache_status == "asgi-cache; hit"
    assert (await site.ask("/never/a")).status == 200
    await site.ask("/never/a", method="PUT")
    site.clock.advance(120)
    answer = await site.ask()
    assert (answer.status, answer.cache_status.split("detail=")[1]) == (200, "stale-if-error")
    await site.cache.purge(everything=True)
    await site.cache.close()
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["filter", "factory"])
async def test_b30_what_else_raises_in_logging_costs_no_request(part, lines, monkeypatch, capsys):
    """Neither does a filter, nor a record that has an attribute of that name already."""
    if part == "filter":
        monkeypatch.setattr(lines, "filter", lambda record: 1 / 0)
    else:
        former = logging.getLogRecordFactory()

        def factory(*args, **more):
            record = former(*args, **more)
            record.route = "taken"
            return record

        logging.setLogRecordFactory(factory)
    try:
        site = Site()
        assert [(await site.ask()).status for _ in range(3)] == [200] * 3
    finally:
        if part == "factory":
            logging.setLogRecordFactory(former)
    assert lines.records == []
    assert "Error" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["closed", "absent", "unwanted"])
def test_b30_stderr_may_be_of_no_use(state, broken, monkeypatch, tmp_path):
    """A daemon may have none; then nobody is told."""
    with (tmp_path / "stderr").open("w") as stream:
        pass
    if state == "unwanted":
        monkeypatch.setattr(logging, "raiseExceptions", False)
    else:
        monkeypatch.setattr("sys.stderr", stream if state == "closed" else None)
    Observer().tell("breaker-closed")


async def test_a_listener_may_use_the_cache(lines):
    """Whoever hears of an event may have something purged."""
    site, tasks = Site(), []

    def listen(event):
        if event.name == "stored":
            tasks.append(asyncio.create_task(site.cache.purge(tags=["a"])))

    site.cache.observer.subscribe(listen)
    await site.ask()
    await asyncio.gather(*tasks)
    assert "purged" in lines.events


def test_events_can_be_written_as_json():
    """What listeners are given is text and numbers, as those who pass it on expect."""
    heard = []
    observer = Observer()
    observer.subscribe(heard.append)
    observer.tell("purged", selectors="tags (1)", soft=False)
    assert json.loads(json.dumps(dict(heard[0].fields))) == heard[0].fields
