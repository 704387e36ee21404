"""Catalogue A, lines 28-31: memory that a hostile client can take."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc

import pytest
from redis import Redis

from asgi_cache import CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio
MB = 1 << 20


async def growth(requests, count):
    tracemalloc.start()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for n in range(count):
        await requests(n)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


async def redirect(scope, receive, send):
    await Response(status=307, fields={"Location": "/x"}).send_to(scope, send)


async def test_a28_variants_in_memory_stay_in_budget(clock):
    store = MemoryStore(1 << 20, clock=clock)
    cache = CacheMiddleware(
        App(Response(b"x" * 1000, {"Vary": "A", "Cache-Control": "max-age=60"})),
        store=store,
        clock=clock,
    )
    for n in range(3000):
        await ask(cache, fields={"A": str(n)})
    assert store.bytes <= 1 << 20


async def test_a28_a_memoryview_does_not_pin_more_than_is_counted(clock):
    store = MemoryStore(1 << 20, clock=clock)

    async def app(scope, receive, send):
        big = bytes(1 << 20)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": memoryview(big)[:10]})

    cache = CacheMiddleware(app, store=store, clock=clock, rules={"/**": 60})

    async def one(n):
        await ask(cache, f"/{n}")

    assert await growth(one, 50) < 10 * MB


async def test_a30_and_a02_no_query_string_in_the_purge_log(redis_server):
    """A token in a URL that is written to is not kept in Redis as plain text."""
    redis_server.empty()
    cache = CacheMiddleware(App(), store=redis_server.url + "?timeout=5s")
    await ask(cache, "/reset?token=SECRET", method="POST")
    with Redis(port=redis_server.port) as client:
        dump = b"".join(repr(client.xrange(k)).encode() for k in client.keys("*log"))
    await cache.cache.close()
    assert b"SECRET" not in dump


async def test_b11_10_000_writes_elsewhere_do_not_void_everything(redis_server):
    """A beacon that is POSTed to often does not limit how long all else is stored."""
    redis_server.empty()
    cache = CacheMiddleware(
        App(), store=redis_server.url + "?timeout=5s", rules={"/keep": 600, "/track": "never"}
    )
    await ask(cache, "/keep")
    for _ in range(205):
        await asyncio.gather(*(ask(cache, "/track", method="POST") for _ in range(50)))
    status = (await ask(cache, "/keep")).cache_status
    await cache.cache.close()
    assert "hit" in status


@pytest.mark.parametrize("where", ["path", "query"])
async def test_a29_a_megabyte_in_a_url(cached, where):
    """It goes to the app, and nothing of it is kept."""
    cache = cached(rules={"/**": {"ttl": 60, "public": True, "sort_query": True}})
    target = "/?" + "a=1&" * 250_000 if where == "query" else "/" + "a/" * 500_000
    for _ in range(2):
        answer = await ask(cache, target)
        assert answer.body == b"hello"
        assert "cache-status" not in answer
    assert cache.cache._services.targets.known == {}


async def test_a28_every_key_in_redis_ends(redis_server):
    """Records, indexes, leases, marks and the log."""
    redis_server.empty()
    fields = {"Vary": "A", "Cache-Control": "max-age=60"}
    cache = CacheMiddleware(App(Response(fields=fields)), store=redis_server.url + "?timeout=5s")
    for number in range(20):
        await ask(cache, f"/{number % 3}", {"A": str(number)})
        await ask(cache, f"/{number}", method="PUT")
    await ask(CacheMiddleware(App(), store=redis_server.url, rules={"/**": 60}), "/ruled")
    with Redis(port=redis_server.port) as client:
        ends = {name: client.pttl(name) for name in client.keys("*")}
    await cache.cache.close()
    assert len(ends) > 3
    assert all(0 < milliseconds <= 7 * 86_400_000 for milliseconds in ends.values()), ends


@pytest.mark.parametrize("options", [{}, {"max_fills": 150}], ids=["default", "a-rules-limit"])
async def test_a28_one_users_flood_leaves_others_their_own(clock, options):
    """Who asks for a thousand URLs is refused before what others ask for is."""
    store = MemoryStore(1 << 19, clock=clock)
    cache = CacheMiddleware(
        App(Response(b"x" * 1000)), store=store, clock=clock, rules={"/**": {"ttl": 60} | options}
    )
    for number in range(1000):
        await ask(cache, f"/{number}", {"Authorization": "one"})
    others = [(f"/{number}", {"Authorization": "another"}) for number in range(50)]
    for target, fields in others:
        await ask(cache, target, fields)
    clock.advance(1)
    for number in range(1000, 2000):
        await ask(cache, f"/{number}", {"Authorization": "one"})
    found = [(await ask(cache, target, fields)).cache_status for target, fields in others]
    assert found == ["asgi-cache; hit"] * 50


async def test_a31_a_flood_of_no_cache(cached):
    """Clients who each want what is made after they asked share two runs, not one each."""
    app, begun, release = App(), asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send):
        begun.set()
        await release.wait()
        await app(scope, receive, send)

    cache = cached(slow, rules={"/**": {"ttl": 60, "public": True}})
    asking = [
        asyncio.create_task(ask(cache, fields={"Cache-Control": "no-cache"})) for _ in range(99)
    ]
    await begun.wait()
    release.set()
    answers = await asyncio.gather(*asking)
    assert {answer.body for answer in answers} == {b"hello"}
    assert app.runs <= 3


async def test_a32_nothing_is_compressed_on_the_wire(cached):
    """A secret and what a client put beside it stay as long as they are."""
    body = b"secret" * 10_000
    cache = cached(App(Response(body)), rules={"/**": {"ttl": 60, "public": True}})
    for _ in range(2):
        answer = await ask(cache, fields={"Accept-Encoding": "gzip, br, zstd"})
        assert (answer.body, "content-encoding" in answer) == (body, False)


@pytest.mark.parametrize(
    "tag", ["*", "a\nb", "x" * 8192, "'); redis.call('FLUSHALL')--", "a*b?[c]", "tag:a", "url:x"]
)
async def test_a30_odd_tags(cached, tag):
    """A tag names what carries it, and nothing else, or it is refused."""
    app = App(lambda scope: Response(fields={"Cache-Tag": "kept"}))
    cache = cached(app, rules={"/**": {"ttl": 60, "public": True}})
    await ask(cache)
    with contextlib.suppress(ValueError):
        await cache.cache.purge(tags=tag)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"
