"""Thousands of operations that are cancelled: no reply reaches another's reader, no slot is lost.

The operations are drawn at random, as are the moments at which they are cancelled, from a seed
that every failure names. The server is a real one, behind a proxy that hands out its replies
bit by bit, so that most of those who are cancelled leave a reply on its way.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest
from redis.asyncio import Connection

from asgi_cache.stores import redis_client, redis_purges
from asgi_cache.stores.redis import LARGE
from asgi_cache.stores.urls import open_store
from tests.proxy import crumbled, proxied
from tests.stores.probes import connections_named
from tests.stores.records import RecordingReader, response_under

pytestmark = pytest.mark.anyio

CANCELLATIONS = int(os.environ.get("CANCELLATIONS", "4000"))
"""A pool that mixes replies up is found out after some 1,300."""
AT_ONCE = 64
"""Tasks that are at work at the same time."""
KEYS = tuple(number.to_bytes(16, "big") for number in range(32))
CONNECTIONS = 32
PATIENCE = 10
"""Seconds that an operation may take which is not cancelled, as the store takes them at most."""
PIECES, PAUSE = 3, 0.003
"""In how many a reply arrives, and how many seconds may be between two of them."""
SOON = 0.015
"""Seconds within which most are cancelled, some at once; a reply takes about as long."""
NAME = "caller"
OPTIONS = f"?max_connections={CONNECTIONS}&client_name={NAME}"
COPIES = {"no-copies": "&local=0", "copies": "&local=16kb"}
"""So few that most of them are asked for again."""


@pytest.fixture(autouse=True)
def pools(monkeypatch):
    """The pools that stores make."""
    made = []

    class Pool(redis_client.Pool):
        def __init__(self, **settings):
            super().__init__(**settings)
            made.append(self)

    monkeypatch.setattr(redis_client, "Pool", Pool)
    return made


@pytest.fixture
def broken_release(monkeypatch):
    """Let a connection go back to its pool with replies that nobody has read."""
    read_response = Connection.read_response

    async def read_and_leave(self, *arguments, **settings):
        return await read_response(self, *arguments, **(settings | {"disconnect_on_error": False}))

    monkeypatch.setattr(Connection, "read_response", read_and_leave)


class Caller:
    """Asks a store at random, gives up at random, and takes note of what should not be."""

    def __init__(self, store, reader, seed):
        self.store = store
        self.reader = reader
        self.random = Random(seed)
        self.cancelled = 0
        self.mixed_up = []
        self.failed = []

    async def run(self, cancellations):
        """Cancel so many operations, or stop at the first mix-up."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work(cancellations))

    async def _work(self, cancellations):
        while self.cancelled < cancellations and not self.is_mixed_up:
            await self._one()

    @property
    def is_mixed_up(self):
        """Whether a reply reached a wrong reader; what such a reader makes of it may differ."""
        return bool(self.mixed_up or self.failed) or self.store_corrupt > 0

    @property
    def store_corrupt(self):
        """How often the record under a key was not what belongs there."""
        return getattr(self.store, "shared", self.store).corrupt

    async def _one(self):
        operation = self.random.choice(self.operations)
        task = asyncio.create_task(operation(self, self.random.choice(KEYS)))
        if self.random.random() < 0.9:
            await asyncio.sleep(max(0.0, self.random.uniform(-SOON / 4, SOON)))
            task.cancel()
            if self.random.random() < 0.3:  # as a deadline does that passes at the same time
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            self.cancelled += 1
        elif error := task.exception():
            self.failed.append(repr(error))

    async def get(self, key):
        """Find what names the key, or nothing."""
        found = await self.store.get(key)
        if found is not None and (
            found.key != key or not found.body.startswith(key.hex().encode())
        ):
            self.mixed_up.append(f"{key.hex()} got {found.key.hex()}")

    async def put(self, key):
        """Put something small, which goes with what others ask."""
        await self._put(key, self._response(key, 200))

    async def put_large(self, key):
        """Put something for which a connection is taken."""
        await self._put(key, self._response(key, LARGE))

    async def renew(self, key):
        """Put the same again, which asks the server several times."""
        response = self._response(key, LARGE)
        await self._put(key, response, response)

    async def delete(self, key):
        """Have nothing there."""
        await self.store.delete(key)
        await self.store.landed(key)

    async def claim(self, key):
        """Take a lease, or hear who has it."""
        holder = await self.store.claim(key, key + self.random.randbytes(4), 60)
        if not holder.startswith(key):
            self.mixed_up.append(f"the lease {key.hex()} is held by {holder!r}")

    async def release(self, key):
        """Leave what names the lease in its place."""
        await self.store.release(key, None, key + b"mark", 60)

    async def append(self, key):
        """Purge what nothing carries."""
        position = await self.store.append([key.hex()])
        if not isinstance(position, int) or position > self.reader.position:
            self.mixed_up.append(f"a purge is at {position}, and {self.reader.position} is known")

    async def _put(self, key, response, former=None):
        await self.store.put(key, response, 60, former)
        await self.store.landed(key)

    operations = (*[get] * 4, put, delete, claim, release, append, *[put_large, renew] * 3)

    def _response(self, key, size):
        return response_under(key, body=key.hex().encode() + self.random.randbytes(size))


@asynccontextmanager
async def calling(server, options, seed, patience=PATIENCE):
    """A caller of a store behind a proxy."""
    async with proxied(server.port) as proxy:
        reader = RecordingReader()
        store = open_store(f"{proxy.url}{OPTIONS}{options}&timeout={patience}s", "test")
        store.follow(reader)
        await store.get(KEYS[0])
        proxy.on_reply = crumbled(Random(seed), PIECES, PAUSE)
        try:
            yield proxy, Caller(store, reader, seed)
        finally:
            proxy.heal()
            await store.close()


@pytest.mark.timeout(90 + CANCELLATIONS / 50)
@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("options", COPIES.values(), ids=COPIES)
async def test_cancelled_operations(server, admin, pools, monkeypatch, options, seed):
    """Whoever is cancelled takes nothing with it: no reply, and no connection."""
    # A busy machine may miss the second that a purge has.
    monkeypatch.setattr(redis_purges, "TIMEOUT", PATIENCE)
    async with calling(server, options, seed) as (proxy, caller):
        await caller.run(CANCELLATIONS)
        said = f"with seed {seed}, after {caller.cancelled} cancellations"
        assert caller.mixed_up == [], said
        assert caller.store_corrupt == 0, said
        assert caller.failed == [], said
        proxy.heal()
        for operation in caller.operations:
            await operation(caller, KEYS[0])
        async with asyncio.timeout(PATIENCE):
            while await connections_named(admin, NAME) > CONNECTIONS:
                pass  # pragma: no cover
        await caller.store.close()
        (pool,) = pools
        assert not pool._in_use_connections, said
        assert len(await _all_slots(pool)) == CONNECTIONS, said


async def _all_slots(pool):
    """Take all connections that a pool may have, and close them."""
    async with asyncio.timeout(PATIENCE):
        taken = [await pool.get_connection() for _ in range(CONNECTIONS)]
    for connection in taken:
        await pool.release(connection)
    await pool.aclose()
    return taken


@pytest.mark.usefixtures("broken_release")
async def test_a_mix_up_would_be_seen(server):
    """If connections went back with unread replies, the test above would see it soon.

    Some would have a reply that is not theirs, and others would wait for one that is gone.
    """
    async with calling(server, COPIES["no-copies"], seed=1, patience=1) as (_, caller):
        with suppress(TimeoutError):
            await asyncio.wait_for(caller.run(CANCELLATIONS), PATIENCE)
        assert caller.is_mixed_up
