"""Processes that keep copies of what is on one server, each with clocks of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

from asgi_cache.purging import PurgeLog
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.redis_client import make_client
from asgi_cache.stores.tiered import TieredStore
from tests.stores.records import KEY, OTHER_KEY, RESPONSE, response_under

EARLY = 0.05
"""Seconds after which the log is read again, while copies are trusted still."""
LATE = 0.1
"""Seconds after which they are not: the lag."""

IMPATIENT = 0.2
"""Seconds that an operation may take where a server is made to hang."""


class Clock:
    """A clock that stands still unless told."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class ToldLog(PurgeLog):
    """A purge log that one can wait for."""

    def __init__(self):
        super().__init__()
        self._told = asyncio.Event()

    def restart(self, identity, position):
        super().restart(identity, position)
        self._told.set()

    def advance(self, purges):
        super().advance(purges)
        self._told.set()

    async def knows(self, position):
        """Wait until it was told what is at *position*, without asking anybody."""
        async with asyncio.timeout(5):
            while self.position < position:
                self._told.clear()
                await self._told.wait()


class Process:
    """A store as one process has it, with its clocks and its purge log."""

    def __init__(
        self, server, timeout=5.0, max_bytes=2**26, connections=8, lag=LATE, name="process"
    ):
        self.monotonic = Clock(5000.0)
        self.clock = Clock(RESPONSE.stored_at)
        client = partial(
            make_client,
            "redis",
            host="127.0.0.1",
            port=server.port,
            client_name=name,
            max_connections=connections,
        )
        shared = RedisStore(
            client, namespace="test", timeout=timeout, lag=lag, monotonic=self.monotonic
        )
        self.store = TieredStore(shared, max_bytes, self.clock)
        self.log = ToldLog()
        self.store.follow(self.log)

    def born(self, key=KEY, **changes):
        """Return a response that was made now."""
        return response_under(key, log=self.log.identity, birth=self.log.position, **changes)

    async def holds(self, **changes):
        """Come to hold a copy of a response that was made now, and let it land."""
        await self.store.get(OTHER_KEY)
        stored = self.born(**changes)
        await self.store.put(stored.key, stored, 3600)
        await self.store.landed(stored.key)
        return stored

    async def finds(self, key=KEY):
        """Return what is found of *key*, as the purges leave it."""
        record = await self.store.get(key)
        return None if record is None else self.log.judge(record, tuple)

    @property
    def link(self):
        """What is under way."""
        return self.store.shared._link

    async def recovered(self):
        """Let the time come to try a server again that has been left alone, if it has."""
        self.monotonic.now += 10
        self.store.shared.keep_up()
        for task in (self.link.recovery, self.link.sync):
            if task is not None:
                await asyncio.wait([task], timeout=5)

    async def synchronised(self):
        """Wait for the reading of the log that is under way."""
        await asyncio.wait([self.link.sync], timeout=5)


@asynccontextmanager
async def process(server, **settings):
    """Run one process until the end of a block."""
    made = Process(server, **settings)
    try:
        yield made
    finally:
        await made.store.close()
