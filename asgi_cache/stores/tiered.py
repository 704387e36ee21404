"""A process's own copies in front of the store that all processes share.

A copy is served without asking the shared store, as long as the purge log was read to its
end within the store's lag. A process that cannot read the log in that time trusts none of
its copies, so that nothing purged is served for longer than the lag in any process.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Task
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from asgi_cache.errors import StoreUnavailable
from asgi_cache.policy.keeping import keep_for
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import LogReader, Record, Store
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.sieve import Sieve

DEFAULT_BYTES: Final = 64 * 1024 * 1024

INDEX_TTL: Final = 60.0
"""Seconds after which a variant index is read again, which others add to."""

EARLY: Final = 0.4
"""The part of the lag after which the log is read again, so that there is time for it."""


class TieredStore(Store):
    """Keeps what *shared* keeps in this process too, within a budget of bytes.

    What is stored is here at once; that it is stored in the shared store, too, is seen to
    in the background, in the order in which it was asked for.
    """

    def __init__(
        self,
        shared: RedisStore,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.shared: RedisStore = shared
        self._clock = clock
        self._records = Sieve(max_bytes, clock)
        self._landing: dict[bytes, Task[None]] = {}

    @property
    def entries(self) -> int:
        """How many records are kept here."""
        return len(self._records)

    @property
    def bytes_held(self) -> int:
        """How many bytes they are counted as; never more than the budget."""
        return self._records.bytes_held

    @property
    def evictions(self) -> int:
        """How many of them had to go before their time."""
        return self._records.evictions

    @property
    def lag(self) -> float:
        """Seconds for which a copy may be served on what was known of the log."""
        return self.shared.lag

    async def get(self, key: bytes, *, latest: bool = False) -> Record | None:
        """Return this process's copy of the record under *key*, or else the shared one."""
        if not latest and self.shared.knows_within(self.lag):
            copy = self._records.get(key)
            if copy is not None:
                if not self.shared.knows_within(self.lag * EARLY):
                    self.shared.keep_up()
                return copy
        record = await self.shared.get(key)
        if key in self._landing:  # what is on its way there is newer than what was there
            return self._records.get(key)
        if record is not None:
            self._records.put(key, record, self._remaining(record))
        return record

    async def put(
        self, key: bytes, record: Record, ttl: float, former: StoredResponse | None = None
    ) -> None:
        """Store *record* here; in the shared store it will be soon."""
        self._records.put(key, record, min(ttl, self._remaining(record)))
        self._land(key, self.shared.put(key, record, ttl, former))

    async def delete(self, key: bytes) -> None:
        """Forget *key* here; in the shared store it will be forgotten soon."""
        self._records.delete(key)
        self._land(key, self.shared.delete(key))

    async def landed(self, key: bytes) -> None:
        """Wait until the shared store has what was put or deleted last."""
        task = self._landing.get(key)
        if task is not None:
            await asyncio.shield(task)

    async def claim(self, lease: bytes, token: bytes, ttl: float) -> bytes:
        """Take a lease from the other processes."""
        return await self.shared.claim(lease, token, ttl)

    async def release(
        self, lease: bytes, token: bytes, mark: bytes | None = None, ttl: float = 0.0
    ) -> None:
        """Give up a lease."""
        await self.shared.release(lease, token, mark, ttl)

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the shared log."""
        self.shared.follow(reader)

    async def append(
        self, tags: Sequence[str], *, all_of: bool = False, soft_at: float | None = None
    ) -> int:
        """Append a purge to the shared log."""
        return await self.shared.append(tags, all_of=all_of, soft_at=soft_at)

    async def close(self) -> None:
        """Let what is on its way to the shared store arrive, and release that."""
        loop = asyncio.get_running_loop()
        here = [task for task in self._landing.values() if task.get_loop() is loop]
        await asyncio.gather(*here, return_exceptions=True)
        self._records.clear()
        await self.shared.close()

    def _remaining(self, record: Record) -> float:
        """Seconds for which a copy of *record* is of use."""
        if not isinstance(record, StoredResponse):
            return INDEX_TTL
        return record.stored_at + keep_for(record) - self._clock()

    def _land(self, key: bytes, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* on the shared store after what was asked of it before for *key*."""
        loop = asyncio.get_running_loop()
        former = self._landing.get(key)
        if former is not None and former.get_loop() is not loop:
            former = None
        task = loop.create_task(_after(former, work))
        self._landing[key] = task
        task.add_done_callback(lambda done: self._forget(key, done))

    def _forget(self, key: bytes, task: Task[None]) -> None:
        if self._landing.get(key) is task:
            del self._landing[key]
        if not task.cancelled():
            task.exception()  # whoever wants to know of it asks `landed`


async def _after(former: Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
    if former is not None:
        with suppress(StoreUnavailable):
            await asyncio.shield(former)
    await work
