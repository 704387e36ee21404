"""Catalogue A, lines 28-31: memory that a hostile client can take."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

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
    from redis import Redis

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
    import asyncio

    for _ in range(205):
        await asyncio.gather(*(ask(cache, "/track", method="POST") for _ in range(50)))
    status = (await ask(cache, "/keep")).cache_status
    await cache.cache.close()
    assert "hit" in status
