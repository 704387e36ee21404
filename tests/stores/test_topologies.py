"""A store on every kind of servers that a URL can name, and what becomes of it when one is lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.urls import open_store
from tests.redis_topologies import PASSWORD, is_running
from tests.stores.conftest import NAMESPACE, InRedis
from tests.stores.records import KEY, RESPONSE, RecordingReader, response_under
from tests.stores.test_contract import (
    TestLeaseContract,
    TestSharedStoreContract,
    TestStoreContract,
)
from tests.stores.test_scan import test_every_response_is_on_a_page

__all__ = [
    "TestLeaseContract",
    "TestSharedStoreContract",
    "TestStoreContract",
    "test_every_response_is_on_a_page",
]

pytestmark = pytest.mark.anyio

KEYS = [bytes([number]) * 16 for number in range(40)]
"""Keys of all nodes."""

PROMOTION = 30.0
"""Seconds in which a replica is promoted, on a busy machine."""


def with_option(url, option):
    """Return *url* with one option more."""
    return f"{url}{'&' if '?' in url else '?'}{option}"


@asynccontextmanager
async def opened(url, reader=None):
    """Open a store without copies, until the end of a block."""
    store = open_store(with_option(url, "local=0"), NAMESPACE)
    store.follow(reader or RecordingReader())
    try:
        yield store
    finally:
        await store.close()


class AtURL(InRedis):
    """Stores at a URL, with a client beside them that sees what they do."""

    def __init__(self, stack, admin, url):
        super().__init__(stack, admin, None)
        self.url = url

    async def open(self, reader=None, namespace=NAMESPACE):
        store = open_store(with_option(self.url, "local=0&timeout=5s"), namespace)
        store.follow(reader or RecordingReader())
        self.stack.push_async_callback(store.close)
        return store


def _sentinel(request):
    sentinels = request.getfixturevalue("sentinels")
    return sentinels.url, Redis(port=sentinels.primary().port, password=PASSWORD)


def _cluster(request):
    cluster = request.getfixturevalue("cluster")
    return cluster.url, EveryNode(port=cluster.primaries()[0].port, host="127.0.0.1")


class EveryNode(RedisCluster):
    """A client that tells of the keys of all nodes, and renames across them."""

    async def keys(self):
        await self.initialize()
        asking = [self.execute_command("KEYS", "*", target_nodes=n) for n in self.get_primaries()]
        return [name for names in await asyncio.gather(*asking) for name in names]

    async def rename(self, source, target):
        await self.set(target, await self.getdel(source))

    def pipeline(self, **options):
        return super().pipeline()


@pytest.fixture(params=[_sentinel, _cluster], ids=["sentinel", "cluster"])
async def shared(request, anyio_backend):
    """Stores on several servers."""
    url, admin = request.param(request)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(admin.aclose)
        yield AtURL(stack, admin, url)


@pytest.fixture
async def backend(shared):
    """The same."""
    return shared


@pytest.fixture
def reader():
    """Write down what a store tells."""
    return RecordingReader()


def _url_of(fixture):
    return lambda request: request.getfixturevalue(fixture).url


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(_url_of("server"), id="one"),
        pytest.param(lambda r: f"unix://{r.getfixturevalue('server').socket_path}", id="socket"),
        pytest.param(_url_of("tls_server"), id="tls"),
        pytest.param(_url_of("sentinels"), id="sentinel"),
        pytest.param(_url_of("tls_sentinel"), id="tls-sentinel"),
        pytest.param(_url_of("cluster"), id="cluster"),
        pytest.param(_url_of("tls_cluster"), id="tls-cluster"),
    ],
)
async def test_everything_works(request, url):
    """Whatever servers a URL names, a store has all its operations."""
    reader, there = RecordingReader(), RecordingReader()
    url = with_option(url(request), "timeout=5s")
    async with opened(url, reader) as store, opened(url, there) as other:
        await asyncio.gather(*(store.put(key, response_under(key), 60) for key in KEYS))
        found = await asyncio.gather(*(other.get(key) for key in KEYS))
        assert found == [response_under(key) for key in KEYS]
        larger = response_under(KEY, body=bytes(100_000))
        await store.put(KEY, larger, 60)
        renewed = response_under(KEY, body=larger.body, stored_at=1.0)
        await store.put(KEY, renewed, 60, larger)
        assert await other.get(KEY) == renewed
        position = await store.append(["a"])
        assert await other.get(KEYS[0]) is not None
        assert there.position == position
        assert await store.claim(KEY, b"one", 60) == b"one"
        assert await other.claim(KEY, b"other", 60) == b"one"
        await store.release(KEY, b"one")
        assert await other.claim(KEY, b"other", 60) == b"other"
        await store.delete(KEY)
        assert await other.get(KEY) is None


@pytest.mark.parametrize("url", [_url_of("tls_server"), _url_of("tls_cluster")])
async def test_certificate_that_is_not_trusted(request, url):
    """Who was not told to trust a certificate does not."""
    untrusting = url(request).partition("?")[0]
    async with opened(with_option(untrusting, "timeout=5s")) as store:
        with pytest.raises(StoreUnavailable):
            await store.get(KEY)


async def works(store):
    """Say whether a record can be stored and found."""
    try:
        await store.put(KEY, RESPONSE, 60)
        return await store.get(KEY) == RESPONSE
    except StoreUnavailable:
        return False


async def works_again(store):
    """Wait until a record can be stored and found; how often it could not be."""
    failures = 0
    async with asyncio.timeout(PROMOTION):
        while not await works(store):
            failures += 1
            await asyncio.sleep(0.02)
    return failures


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["sentinels", "cluster"])
@pytest.mark.parametrize("fault", ["killed", "hung"])
async def test_b12_primary_is_lost_under_load(request, topology, fault):
    """Requests fail until a replica is promoted, none of them otherwise than as unavailable."""
    servers = request.getfixturevalue(topology)
    name = f"{NAMESPACE}:log".encode()
    lost = servers.primary() if topology == "sentinels" else servers.owner(name)
    reader, is_over = RecordingReader(), asyncio.Event()
    answers = {"found": 0, "missed": 0, "unavailable": 0}

    async def load(store, key):
        while not is_over.is_set():
            try:
                record = await store.get(key)
                await store.put(key, response_under(key), 60)
            except StoreUnavailable:
                answers["unavailable"] += 1
            else:
                assert record in (None, response_under(key))
                answers["found" if record else "missed"] += 1
            await asyncio.sleep(0.001)

    async with opened(with_option(servers.url, "timeout=200ms"), reader) as store:
        async with asyncio.TaskGroup() as group:
            for key in KEYS[:20]:
                group.create_task(load(store, key))
            await works_again(store)
            await store.append(["before"])
            if fault == "killed":
                lost.stop()
                await works_again(store)
            else:
                with lost.hung():
                    await works_again(store)
            is_over.set()
        await works_again(store)
        assert answers["found"]
        assert answers["unavailable"]
        await store.append(["after"])
        assert reader.tags[-1] == ("after",)
        assert is_running(lost) is (fault == "hung")


@pytest.mark.parametrize("topology", ["sentinels", "cluster"])
async def test_nothing_is_left_open(request, topology):
    """A store that was closed has no connections, and connects again when it is used."""
    url = with_option(request.getfixturevalue(topology).url, "timeout=5s")
    async with opened(url) as store:
        for _ in range(2):
            assert await works(store)
            await store.close()
