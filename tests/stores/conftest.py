"""The kinds of store that have to behave alike."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from redis.asyncio import Redis

from asgi_cache.stores.memory import MemoryStore
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.tiered import TieredStore
from asgi_cache.stores.urls import open_store
from tests.redis_server import redis_server
from tests.redis_topologies import (
    certificate,
    cluster,
    sentinels,
    session_cluster,
    session_sentinels,
    tls_cluster,
    tls_sentinel,
    tls_server,
)
from tests.stores.probes import GONE
from tests.stores.processes import process
from tests.stores.records import RESPONSE, RecordingReader

__all__ = [
    "certificate",
    "cluster",
    "redis_server",
    "sentinels",
    "session_cluster",
    "session_sentinels",
    "tls_cluster",
    "tls_sentinel",
    "tls_server",
]

NAMESPACE = "test"
TIMEOUT = 5.0
"""Seconds; what is slow here is the machine, and no test is about that."""


@pytest.fixture
def server(redis_server):
    """A real server with nothing in it."""
    redis_server.empty()
    return redis_server


class InMemory:
    """Stores in this process; each is alone."""

    def __init__(self):
        self.now = 1000.0

    async def open(self, reader=None):
        store = MemoryStore(clock=lambda: self.now)
        store.follow(reader or RecordingReader())
        return store

    async def outlive(self, key, ttl):
        self.now += ttl


class InRedis:
    """Stores on one server, with a client beside them that sees what they do."""

    def __init__(self, stack, admin, open_client):
        self.stack = stack
        self.admin = admin
        self.open_client = open_client

    async def open(self, reader=None, namespace=NAMESPACE):
        store = self.make(RedisStore(self.open_client(), namespace=namespace, timeout=TIMEOUT))
        store.follow(reader or RecordingReader())
        self.stack.push_async_callback(store.close)
        return store

    def make(self, store):
        return store

    def corrupt(self, store):
        """Return how many corrupt records *store* has come across."""
        return store.corrupt

    async def outlive(self, key, ttl):
        """Let the time of *key* be up, having seen that it is at most *ttl* seconds away."""
        await self._outlive(f"{NAMESPACE}:r:{key.hex()}", ttl)

    async def outlive_lease(self, lease, ttl):
        """The same for a lease."""
        await self._outlive(f"{NAMESPACE}:l:{lease.hex()}", ttl)

    async def _outlive(self, name, ttl):
        left = await self.admin.pttl(name)
        assert left == GONE or 0 < left <= ttl * 1000
        await self.admin.pexpireat(name, 1)


class InTiers(InRedis):
    """The same with copies in front of them, whose clock stands still."""

    def __init__(self, stack, admin, open_client):
        super().__init__(stack, admin, open_client)
        self.now = RESPONSE.stored_at
        self.opened = []

    def make(self, store):
        self.opened.append(TieredStore(store, clock=lambda: self.now))
        return self.opened[-1]

    def corrupt(self, store):
        return store.shared.corrupt

    async def outlive(self, key, ttl):
        for store in self.opened:
            await store.landed(key)
        await super().outlive(key, ttl)
        self.now += ttl


async def _with_fakeredis(stack, request):
    server = FakeServer()

    def client():
        made = FakeAsyncRedis(server=server)
        stack.push_async_callback(made.aclose)
        return made

    return InRedis(stack, client(), client)


async def _with_users_client(stack, request):
    """The user's own client, as redis-py makes it unless told otherwise."""
    server = request.getfixturevalue("server")

    def client():
        made = Redis.from_url(server.url)
        stack.push_async_callback(made.aclose)
        return made

    return InRedis(stack, client(), client)


async def _with_own_client(stack, request):
    backend = await _with_users_client(stack, request)
    server = request.getfixturevalue("server")
    backend.open_client = lambda: open_store(server.url + "?local=0", NAMESPACE)._client
    return backend


async def _with_copies(stack, request):
    backend = await _with_own_client(stack, request)
    return InTiers(stack, backend.admin, backend.open_client)


async def _in_memory(stack, request):
    return InMemory()


IN_REDIS = [
    pytest.param(_with_own_client, id="redis"),
    pytest.param(_with_users_client, id="users-client"),
    pytest.param(_with_fakeredis, id="fakeredis"),
    pytest.param(_with_copies, id="tiered"),
]


async def _made(request):
    async with AsyncExitStack() as stack:
        yield await request.param(stack, request)


@pytest.fixture(params=[pytest.param(_in_memory, id="memory"), *IN_REDIS])
async def backend(request, anyio_backend):
    """Every kind of store."""
    async for made in _made(request):
        yield made


@pytest.fixture(params=IN_REDIS)
async def shared(request, anyio_backend):
    """Every kind of store that several processes can share."""
    async for made in _made(request):
        yield made


@pytest.fixture(params=IN_REDIS[:1])
async def real(request, anyio_backend):
    """A store on a real server, with a client of its own."""
    async for made in _made(request):
        yield made


@pytest.fixture
async def here(server, anyio_backend):
    """A process."""
    async with process(server) as made:
        yield made


@pytest.fixture
async def there(server, anyio_backend):
    """Another one."""
    async with process(server) as made:
        yield made


@pytest.fixture
async def admin(server, anyio_backend):
    """A client that sees what processes do to the server."""
    async with Redis.from_url(server.url) as made:
        yield made
