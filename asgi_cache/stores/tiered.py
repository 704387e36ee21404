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
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Self, TypeAlias

from asgi_cache.backoff import full_jitter
from asgi_cache.errors import CircuitOpen, StoreRefused, StoreUnavailable
from asgi_cache.observe.events import Tell
from asgi_cache.observe.stats import StoreStats
from asgi_cache.policy.keeping import keep_for
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Held, LogReader, Page, Record, Store
from asgi_cache.stores.breaker import Breaker, State
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.s3fifo import S3Fifo

DEFAULT_BYTES: Final = 64 * 1024 * 1024

INDEX_TTL: Final = 60.0
"""Seconds after which a variant index is read again, which others add to."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds that writes may take which are on their way when the store is closed."""

RETRIES: Final = 2
"""Times that a write is tried again."""

FIRST_PAUSE: Final = 0.1
"""Seconds before the first of them, at most."""

EARLY: Final = 0.4
"""The part of the lag after which the log is read again, so that there is time for it."""


_Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What is left to do to the shared store, if it is begun at all."""


@dataclass(slots=True, eq=False)
class _Write:
    """What was put under a key last, or that it was deleted, on its way to the shared store.

    Until it is begun, what is written next takes its place: nobody would see it there, and a
    slow server would only fall further behind.
    """

    record: Record | None
    work: _Work
    is_begun: bool = False
    task: Task[None] = field(init=False)

    def replace_by(self, record: Record | None, work: _Work) -> None:
        """Write *record* instead."""
        self.record, self.work = record, work

    async def carry_out(self, former: Self | None) -> None:
        """Do it after the *former* write to the same key, and try again if that may help."""
        if former is not None:
            await asyncio.wait([former.task])
        self.is_begun = True
        for pause in full_jitter(FIRST_PAUSE, RETRIES):
            try:
                return await self.work()
            except (CircuitOpen, StoreRefused):  # it would not help
                raise
            except StoreUnavailable:
                await asyncio.sleep(pause)
        return await self.work()


@dataclass(slots=True, eq=False)
class _Lookup:
    """A look-up in the shared store."""

    write: _Write | None
    """The last one that it may have missed: what it brings is not newer than that."""


class TieredStore(Store):
    """Keeps what *shared* keeps in this process too, within a budget of bytes.

    What is stored is here at once; that it is stored in the shared store, too, is seen to
    in the background: what was asked for last of a key is what will be there.
    """

    def __init__(
        self,
        shared: RedisStore,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.shared: RedisStore = shared
        self._early = shared.lag * EARLY
        self._clock = clock
        self._records = S3Fifo(max_bytes, clock)
        self._writes: dict[bytes, _Write] = {}
        self._lookups: dict[bytes, set[_Lookup]] = {}

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
    def breaker(self) -> Breaker:
        """The circuit breaker before the shared store."""
        return self.shared.breaker

    @property
    def state(self) -> State:
        """Of the circuit breaker before the shared store."""
        return self.shared.state

    @property
    def unacknowledged(self) -> int:
        """How many purges wait for the log to take them."""
        return self.shared.unacknowledged

    @property
    def patience(self) -> float:
        """Seconds that one request may wait for the shared store in all."""
        return self.shared.patience

    @property
    def lag(self) -> float:
        """Seconds for which a copy may be served on what was known of the log."""
        return self.shared.lag

    @property
    def is_current(self) -> bool:
        """Whether copies may be served without reading the log soon."""
        return self.shared.behind() <= self._early

    def look(self, key: bytes) -> Held | None:
        """Return this process's copy of the record under *key*, while it may be trusted."""
        behind = self.shared.behind()
        if behind >= self.shared.lag:
            return None
        copy = self._records.look(key)
        if copy is not None and behind > self._early:
            self.shared.keep_up()
        return copy

    def look_unlinked(self, key: bytes) -> Held | None:
        """Return this process's copy of the record under *key*, trusted or not."""
        return self._records.look(key)

    async def get(self, key: bytes, *, latest: bool = False) -> Record | None:
        """Return this process's copy of the record under *key*, or else the shared one."""
        copy = None if latest else self.look(key)
        if copy is not None:
            return copy.record
        lookup = _Lookup(self._on_its_way(key))
        record = await self._look_up(key, lookup)
        if lookup.write is not None:
            return lookup.write.record
        if record is not None:
            self._records.put(key, record, self._remaining(record))
        return record

    async def _look_up(self, key: bytes, lookup: _Lookup) -> Record | None:
        """Ask the shared store; what is written meanwhile is noted in *lookup*."""
        under_way = self._lookups.setdefault(key, set())
        under_way.add(lookup)
        try:
            return await self.shared.get(key)
        finally:
            under_way.discard(lookup)
            if not under_way:
                self._lookups.pop(key, None)  # another thread's loop may have done so

    async def scan(self, cursor: str, count: int) -> Page:
        """Return what the shared store has, be there copies here or not."""
        return await self.shared.scan(cursor, count)

    async def put(
        self, key: bytes, record: Record, ttl: float, former: StoredResponse | None = None
    ) -> None:
        """Store *record* here; in the shared store it will be soon."""
        self._records.put(key, record, min(ttl, self._remaining(record)))
        self._write(key, record, partial(self.shared.put, key, record, ttl, former))

    async def delete(self, key: bytes) -> None:
        """Forget *key* here; in the shared store it will be forgotten soon."""
        self._records.delete(key)
        self._write(key, None, partial(self.shared.delete, key))

    async def landed(self, key: bytes) -> None:
        """Wait until the shared store has what was put or deleted last, or takes too long."""
        write = self._on_its_way(key)
        if write is None:
            return
        await asyncio.wait([write.task], timeout=self.patience)
        if not write.task.done():
            raise StoreUnavailable("it is not in the shared store yet")
        if write.task.cancelled():
            raise StoreUnavailable("the store was interrupted")
        write.task.result()

    async def claim(self, lease: bytes, token: bytes, ttl: float) -> bytes:
        """Take a lease from the other processes."""
        return await self.shared.claim(lease, token, ttl)

    async def release(
        self, lease: bytes, token: bytes | None, mark: bytes | None = None, ttl: float = 0.0
    ) -> None:
        """Give up a lease."""
        await self.shared.release(lease, token, mark, ttl)

    def observe(self, tell: Tell) -> None:
        """Have what happens told with *tell*."""
        self.shared.observe(tell)

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the shared log."""
        self.shared.follow(reader)

    async def append(
        self,
        tags: Sequence[str],
        *,
        all_of: bool = False,
        soft_at: float | None = None,
        hasty: bool = False,
    ) -> int:
        """Append a purge to the shared log."""
        return await self.shared.append(tags, all_of=all_of, soft_at=soft_at, hasty=hasty)

    def behind(self) -> float:
        """Seconds since the shared log was read to its end."""
        return self.shared.behind()

    def stats(self) -> StoreStats:
        """Return what the copies, and the shared store, have counted."""
        return replace(self._records.stats("tiered"), server=self.shared.stats().server)

    async def close(self) -> None:
        """Let what is on its way to the shared store arrive, and release that."""
        here = [write.task for key in self._writes if (write := self._on_its_way(key))]
        if here:
            _, late = await asyncio.wait(here, timeout=CLOSE_TIMEOUT)
            for task in late:
                task.cancel()
        self._records.clear()
        await self.shared.close()

    def _remaining(self, record: Record) -> float:
        """Seconds for which a copy of *record* is of use."""
        if not isinstance(record, StoredResponse):
            return INDEX_TTL
        return record.stored_at + keep_for(record) - self._clock()

    def _on_its_way(self, key: bytes) -> _Write | None:
        """Return what this event loop has under way; nothing comes of what another began."""
        write = self._writes.get(key)
        return write if write and write.task.get_loop() is asyncio.get_running_loop() else None

    def _write(self, key: bytes, record: Record | None, work: _Work) -> None:
        """Do *work* on the shared store after what was begun there before for *key*."""
        write = self._on_its_way(key)
        if write is None or write.is_begun:
            write = self._begin(key, _Write(record, work), after=write)
        else:
            write.replace_by(record, work)
        for lookup in self._lookups.get(key, ()):
            lookup.write = write

    def _begin(self, key: bytes, write: _Write, after: _Write | None) -> _Write:
        write.task = asyncio.get_running_loop().create_task(write.carry_out(after))
        write.task.add_done_callback(partial(self._forget, key))
        self._writes[key] = write
        return write

    def _forget(self, key: bytes, task: Task[None]) -> None:
        write = self._writes.get(key)
        if write is not None and write.task is task:
            del self._writes[key]
        if not task.cancelled():
            task.exception()  # whoever wants to know of it asks `landed`
