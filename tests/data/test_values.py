"""Reading values through the cache, and putting them there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_cache import Cache, CacheMiddleware, ConfigurationError, UnsupportedValue, cache_tags
from asgi_cache.stores.memory import MemoryStore
from tests.bare import ask

pytestmark = pytest.mark.anyio


class Source:
    """What values are made from, and how often it was asked."""

    def __init__(self, *values, error=None):
        self.values = values or (object,)
        self.error = error
        self.asked = 0

    async def __call__(self):
        value = self.values[min(self.asked, len(self.values) - 1)]
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="none"),
        pytest.param({"a": [1, (2.5, b"\x00")]}, id="nested"),
        pytest.param("", id="empty"),
        pytest.param("x" * 300_000, id="large"),
    ],
)
async def test_a_value_is_made_once_and_comes_back_as_it_was(cache, value):
    """The first who asks gets what the others get; ``None`` is a value like any other."""
    source = Source(value)
    answers = [await cache.get_or_set("a", source, ttl=60) for _ in range(3)]
    assert answers == [value] * 3
    assert source.asked == 1


async def test_a_value_that_is_read_is_a_new_object(memory):
    """Who changes it changes nothing for others."""
    source = Source({"a": []})
    (await memory.get_or_set("a", source, ttl=60))["a"].append(1)
    (await memory.get_or_set("a", source, ttl=60))["a"].append(2)
    assert await memory.get_or_set("a", source, ttl=60) == {"a": []}


async def test_a_plain_function_makes_a_value_too(memory):
    """It runs in the event loop, and so should not block."""
    assert await memory.get_or_set("a", lambda: 7, ttl=60) == 7


async def test_a_value_is_made_once_for_all_who_wait(cache):
    """However many ask at once, on however many keys."""
    sources = {"a": Source(1), "b": Source(2)}
    asking = [cache.get_or_set(key, sources[key], ttl=60) for key in "ab" * 50]
    assert await asyncio.gather(*asking) == [1, 2] * 50
    assert [source.asked for source in sources.values()] == [1, 1]


async def test_processes_share_values(process):
    """What one has made the other finds, unless each has a memory of its own."""
    one, other = process(), process()
    await one.get_or_set("a", Source(1), ttl=60)
    await one.close()  # what is on its way to Redis is there
    expected = 2 if one.store.is_shared is False else 1
    assert await other.get_or_set("a", Source(2), ttl=60) == expected


async def test_a_value_ends_with_its_ttl(cache, clock):
    """It is made anew then, and nothing old is used without leave."""
    source = Source(1, 2)
    assert await cache.get_or_set("a", source, ttl="1m") == 1
    clock.advance(59)
    assert await cache.get_or_set("a", source, ttl="1m") == 1
    clock.advance(2)
    assert await cache.get_or_set("a", source, ttl="1m") == 2


async def test_a_value_that_was_long_in_the_making_is_there_to_its_end(memory, clock):
    """Who only reads it does not look out for a better one before that."""

    async def slow():
        clock.advance(10)
        return 1

    await memory.get_or_set("a", slow, ttl=60)
    clock.advance(45)
    assert await memory.get("a") == 1
    clock.advance(10)
    assert await memory.get("a") is None


async def test_a_stale_value_is_used_while_it_is_made_anew(memory, clock):
    """Within `stale_while_revalidate` nobody waits."""
    source = Source(1, 2)

    async def asked():
        got = await memory.get_or_set("a", source, ttl=60, stale_while_revalidate=60)
        await memory._services.flights.finish(1)
        return got

    assert await asked() == 1
    clock.advance(61)
    assert [await asked(), await asked()] == [1, 2]


async def test_a_stale_value_stands_in_for_a_source_that_fails(memory, clock):
    """Within `stale_if_error`; after it the error is raised."""
    source = Source(1, OSError("gone"))
    await memory.get_or_set("a", source, ttl=60, stale_if_error="1m")
    clock.advance(61)
    assert await memory.get_or_set("a", source, ttl=60, stale_if_error="1m") == 1
    clock.advance(60)
    with pytest.raises(OSError, match="gone"):
        await memory.get_or_set("a", source, ttl=60, stale_if_error="1m")


async def test_what_fails_is_raised_to_all_and_not_stored(cache):
    """Those who waited ask for themselves, and hear of their own failure."""
    source = Source(*[OSError(number) for number in range(5)])
    asking = [cache.get_or_set("a", source, ttl=60) for _ in range(3)]
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(result) for result in results} == {OSError}
    assert await cache.get("a", "nothing") == "nothing"


async def test_a_value_that_cannot_be_stored_is_refused(cache):
    """Else it would be one thing for the first who asks, and another for the next."""
    with pytest.raises(UnsupportedValue, match="nobody said how that is stored"):
        await cache.get_or_set("a", object, ttl=60)
    assert await cache.get("a") is None


async def test_one_who_leaves_does_not_end_it_for_those_who_wait(memory):
    """The value is made as long as anybody waits for it."""
    go = asyncio.Event()

    async def slow():
        await go.wait()
        return 1

    first = asyncio.create_task(memory.get_or_set("a", slow, ttl=60))
    await asyncio.sleep(0)
    second = asyncio.create_task(memory.get_or_set("a", slow, ttl=60))
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    go.set()
    assert await second == 1


@pytest.mark.parametrize(
    "named",
    [
        pytest.param({"tags": "task:7"}, id="tag"),
        pytest.param({"tags": "project"}, id="ancestor"),
        pytest.param({"tags": "found"}, id="tag-of-the-factory"),
        pytest.param({"key": "a"}, id="key"),
        pytest.param({"key": ["b", "a"]}, id="keys"),
        pytest.param({"everything": True}, id="everything"),
    ],
)
async def test_a_purge_voids_values(cache, named):
    """By tag, by what a tag is nested in, by key, with everything."""

    async def make():
        cache_tags("found")
        return object.__name__

    await cache.get_or_set("a", make, ttl=60, tags=["task:7", "project/x"])
    assert await cache.get("a") == "object"
    await cache.purge(tags="other", key="b")
    assert await cache.get("a") == "object"
    await cache.purge(**named)
    assert await cache.get("a") is None


async def test_a_purge_in_one_process_voids_values_in_the_other(process):
    """As for responses."""
    one, other = process(), process()
    await one.get_or_set("a", Source(1), ttl=60, tags=["t"])
    await other.get_or_set("a", Source(1), ttl=60, tags=["t"])
    await (one if one.store.is_shared else other).purge(tags="t", wait=True)
    assert await other.get("a") is None


async def test_a_value_whose_making_began_before_a_purge_is_not_used_after_it(cache):
    """What it read may be from before the write that was purged for."""
    go, begun = asyncio.Event(), asyncio.Event()

    async def slow():
        begun.set()
        await go.wait()
        return "old"

    making = asyncio.create_task(cache.get_or_set("a", slow, ttl=60, tags=["t"]))
    await begun.wait()
    await cache.purge(tags="t")
    go.set()
    assert await making == "old"
    assert await cache.get_or_set("a", Source("new"), ttl=60, tags=["t"]) == "new"


async def test_one_purge_voids_a_query_and_the_responses_made_of_it(clock):
    """Values and responses are in one store, under one log."""
    cache, source = (
        Cache(clock=clock, rules={"/users/{id}": {"ttl": 60, "tags": ["user:{id}"]}}),
        Source(1, 2),
    )

    async def read(request):
        value = await cache.get_or_set("query", source, ttl=600, tags=["user:7"])
        return PlainTextResponse(str(value))

    app = CacheMiddleware(Starlette(routes=[Route("/users/{id}", read)]), cache=cache)
    assert [(await ask(app, "/users/7")).body for _ in range(2)] == [b"1", b"1"]
    await cache.purge(tags="user:7")
    assert (await ask(app, "/users/7")).body == b"2"


async def test_making_a_value_tags_no_response(clock):
    """What a factory says with `cache_tags` is said of its value."""
    cache = Cache(clock=clock, rules={"/": 60})

    async def read(request):
        async def make():
            cache_tags("inner")

        await cache.get_or_set("a", make, ttl=60)
        return PlainTextResponse("")

    app = CacheMiddleware(Starlette(routes=[Route("/", read)]), cache=cache)
    await ask(app, "/")
    await cache.purge(tags="inner")
    assert (await ask(app, "/")).cache_status == "asgi-cache; hit"


@dataclass
class Task:
    id: int


async def test_a_value_of_another_version_of_the_app_is_made_anew(process):
    """What this process cannot read is a miss, for it and by it."""
    one, other = process(types=[Task]), process()
    await one.get_or_set("a", Source(Task(7)), ttl=60)
    await one.close()
    assert await other.get("a") is None
    assert await other.get_or_set("a", Source(8), ttl=60) == 8
    assert await other.get("a") == 8


async def test_values_of_different_keys_and_namespaces_are_apart(redis_server):
    """A key names one value of one app; the first that is put on a new store is there, too."""
    redis_server.empty()
    caches = [Cache(store=redis_server.url, namespace=name) for name in ("a", "b")]
    for number, cache in enumerate(caches):
        await cache.put("k", number, ttl=60)
        await cache.put("l", -number - 1, ttl=60)
    assert [await cache.get("k") for cache in caches] == [0, 1]
    for cache in caches:
        await cache.close()


async def test_values_do_not_need_the_store(process, redis_server):
    """Where Redis is gone they are made each time, soon, and nothing is raised."""
    cache = process()
    if not cache.store.is_shared:
        return
    redis_server.stop()
    try:
        assert await cache.get("a", "none") == "none"
        assert await cache.get_or_set("a", Source(1), ttl=60) == 1
    finally:
        redis_server.start()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"key": ""}, ValueError, "key='' is not text", id="empty"),
        pytest.param({"key": "\ud800"}, ValueError, "is not text", id="surrogate"),
        pytest.param({"ttl": "soon"}, ConfigurationError, "a value: ttl='soon'", id="ttl"),
        pytest.param({"stale_if_error": -1}, ConfigurationError, "stale_if_error=-1", id="window"),
    ],
)
async def test_mistakes_are_named(memory, arguments, error, message):
    """Nothing is made or stored."""
    source = Source(1)
    with pytest.raises(error, match=message):
        await memory.get_or_set(**{"key": "a", "factory": source, "ttl": 60, **arguments})
    assert source.asked == 0


async def test_what_was_put_is_there_and_voids_what_it_makes_untrue(cache):
    """The value, what carries its tags and what else is named change at once."""
    for key, tags in (("a", ["t"]), ("list", ["t"]), ("more", ["p"]), ("other", ["o"])):
        await cache.get_or_set(key, Source("old"), ttl=60, tags=tags)
    await cache.put("a", "new", ttl=60, tags=["t"], purge=["p"])
    assert [await cache.get(k) for k in ("a", "list", "more", "other")] == [
        "new",
        None,
        None,
        "old",
    ]
    await cache.purge(tags="t")
    assert await cache.get("a") is None


class Busy(MemoryStore):
    """A store in which somebody else purges something just before each purge."""

    async def append(self, tags, **options):
        await super().append(["tag:t"])
        return await super().append(tags, **options)


@pytest.mark.parametrize(("tag", "expected"), [("t", None), ("other", "new")])
async def test_a_put_that_another_purge_crosses_stores_nothing(tag, expected):
    """Somebody else has written too, and nobody here knows which of both was first."""
    cache = Cache(store=Busy())
    await cache.put("a", "new", ttl=60, tags=[tag])
    assert await cache.get("a") == expected


@pytest.mark.parametrize(
    "purge",
    [
        pytest.param({"everything": True}, id="everything"),
        pytest.param({"tags": "project:7"}, id="ancestor"),
    ],
)
async def test_a_wider_purge_during_a_write_keeps_its_value_out(memory, purge):
    """Whatever purges the value counts, not only what names exactly its own tags."""

    @memory.writes("a", ttl=60, tags=["project:7/tasks"])
    async def write():
        await memory.purge(**purge)
        return "old"

    await write()
    assert await memory.get("a") is None
