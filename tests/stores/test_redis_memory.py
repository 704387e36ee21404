"""What servers say of their memory: asked for seldom, and never on a request's way."""

from __future__ import annotations

import asyncio

import pytest

from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.redis_client import make_client
from asgi_cache.stores.redis_cluster import make_cluster_client
from asgi_cache.stores.redis_memory import PERIOD
from tests.redis_server import running_redis
from tests.redis_topologies import says, text
from tests.stores.records import RecordingReader

pytestmark = pytest.mark.anyio

LIMIT = 50_000_000


class Ticks:
    """A clock that only a test moves."""

    now = 0.0

    def __call__(self):
        return self.now


def store_on(server, clock=None):
    return followed(lambda: make_client("redis", host="127.0.0.1", port=server.port), clock)


def followed(client, clock=None):
    store = RedisStore(client, namespace="test", timeout=5.0, monotonic=clock or Ticks())
    store.follow(RecordingReader())
    return store


async def memory_of(store):
    """Return what is known when what was asked in the background has been answered."""
    store.stats()
    if store._link.tasks:
        await asyncio.wait(store._link.tasks)
    return store.stats().server.memory


def asked(server):
    """Return how often a server was asked for its memory."""
    said = text(says(server, "INFO", "commandstats"))
    lines = [line for line in said.splitlines() if line.startswith("cmdstat_info")]
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)


async def test_it_is_known_a_moment_after_somebody_asks():
    """Who asks first begins it, and is told nothing; the next one is told what the server says."""
    with running_redis("--maxmemory", str(LIMIT), "--maxmemory-policy", "allkeys-lru") as server:
        store = store_on(server)
        assert store.stats().server.memory is None  # nothing has been asked of it here
        await store.get(bytes(16))
        for n in range(6):
            says(server, "SET", f"filler:{n}", b"x" * 10_000_000)
        assert store.stats().server.memory is None
        memory = await memory_of(store)
        await store.close()
    assert 0 < memory.used <= LIMIT
    assert memory.limit == LIMIT
    assert memory.evicted_keys > 0


async def test_it_is_asked_for_seldom(server):
    """However often somebody asks, the server is asked once in a while, and only then."""
    clock = Ticks()
    store = store_on(server, clock)
    await store.get(bytes(16))
    before = asked(server)
    for _ in range(5):
        assert await memory_of(store)
    assert asked(server) - before == 2 + 1  # two sections, and this question itself
    clock.now = PERIOD
    assert await memory_of(store)
    assert asked(server) - before == 2 * 2 + 2
    await store.close()


async def test_a_server_that_does_not_say_is_in_no_trouble():
    """Where the server keeps it to itself, nothing is known, and no failure is counted."""
    with running_redis("--rename-command", "INFO", "") as server:
        store = store_on(server)
        await store.get(bytes(16))
        assert await memory_of(store) is None
        assert not any(store.stats().server.failures.values())
        await store.close()


async def test_a_server_out_of_reach_is_forgotten():
    """What a server said is not repeated when it cannot be asked any more."""
    clock = Ticks()
    with running_redis() as server:
        store = store_on(server, clock)
        await store.get(bytes(16))
        assert await memory_of(store)
    clock.now = PERIOD
    assert await memory_of(store) is None
    await store.close()


async def test_nodes_add_up(cluster):
    """The memory of a cluster is that of all nodes that have slots."""
    store = followed(lambda: make_cluster_client("redis+cluster", cluster.addresses))
    await store.get(bytes(16))
    memory = await memory_of(store)
    await store.close()
    one = next(iter(cluster.addresses))
    with_one = make_client("redis", host=one[0], port=one[1])
    alone = (await with_one.info("memory"))["used_memory"]
    await with_one.aclose()
    assert memory.used > 1.5 * alone


def test_nothing_is_asked_without_a_loop(server):
    """Counts can be read where no event loop runs."""
    store = store_on(server)

    async def use():
        await store.get(bytes(16))

    asyncio.run(use())
    assert store.stats().server.memory is None
