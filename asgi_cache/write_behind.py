"""Write-behind: a write is acknowledged once it is safe in Redis, and persisted a moment later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar, Unpack

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from asgi_cache.backoff import doubling
from asgi_cache.cache import Cache
from asgi_cache.data import purged_with
from asgi_cache.data_cache import Keeping
from asgi_cache.errors import (
    BacklogFull,
    ConfigurationError,
    CorruptRecord,
    PurgeNotAcknowledged,
    StoreUnavailable,
)
from asgi_cache.flusher import Flusher, Flushing
from asgi_cache.purging import PurgeLog
from asgi_cache.quantities import parse_duration
from asgi_cache.rules import Duration
from asgi_cache.stores.base import Store
from asgi_cache.stores.packing import pack, unpack
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.redis_writes import TOKEN_BYTES, Entry, Writes
from asgi_cache.stores.sealing import seal_with
from asgi_cache.stores.tiered import TieredStore
from asgi_cache.stores.urls import open_store
from asgi_cache.tags import data_tag, named_tag
from asgi_cache.wording import Unfit

T = TypeVar("T")

BETWEEN_TRIES: Final = 0.005, 0.25
"""Seconds between two looks whether there is room for a write: at first, and in the end."""

_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Write:
    """A write that is to be persisted."""

    key: str
    value: Any
    id: int
    """Greater than those of all writes before it, of any key. It fits into a column of 64 bits."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A write that was given up."""

    key: str
    value: Any
    """What was to be written; `CorruptRecord` if that is nothing that this process can read."""
    id: int
    error: str
    """What `persist` raised the last time."""
    place: bytes
    """Where it is in the stream of those."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is left to do."""

    writes: int
    """How many are waiting to be persisted."""
    seconds: float
    """For how long the first of them has."""
    dead: int
    """How many were given up."""


Persist: TypeAlias = Callable[[Sequence[Write]], Awaitable[None]]
"""Takes writes, in their order, to where they belong. Some may have been given to it before."""


class _Persisting:
    """Reads what is in the stream, has it persisted, and purges what is old then."""

    def __init__(self, cache: Cache, stream: str, persist: Persist) -> None:
        self._cache = cache
        self._stream = stream
        self._persist = persist
        settings = cache.settings
        self._seal = seal_with(settings.signing_keys, settings.encryption_keys)

    async def persist(self, entries: Sequence[Entry]) -> None:
        """Have the app persist *entries*."""
        await self._persist(
            [Write(e.key, self.opened(e.key, e.body)[0], e.number) for e in entries]
        )

    async def conclude(self, entries: Sequence[Entry], *, given_up: bool) -> None:
        """Purge what was made of what was there before the writes were persisted.

        What was *given up* is no longer what is under its key.

        Raises:
            PurgeNotAcknowledged: It is to be done again.
        """
        names: set[str] = set()
        for entry in entries:
            with suppress(CorruptRecord):
                names.update(map(named_tag, self.opened(entry.key, entry.body)[1]))
        if given_up:
            names.update(data_tag(entry.key) for entry in entries)
        if names:
            await self._cache.data.purge(sorted(names))

    def readable(self, entry: Entry) -> Any:
        """Return the value of a write, or why it cannot be read."""
        try:
            return self.opened(entry.key, entry.body)[0]
        except CorruptRecord as error:
            return error

    def sealed(self, key: str, body: bytes) -> bytes:
        """Return *body* as it is kept in Redis."""
        return body if self._seal is None else self._seal.close(self._place(key), body)

    def opened(self, key: str, body: bytes) -> tuple[Any, tuple[str, ...]]:
        """Return the value of a write, and what it purges.

        Raises:
            CorruptRecord: It is nothing that this process can read.
        """
        if self._seal is not None:
            body = self._seal.open(self._place(key), body)
        packed, names = unpack(body)
        return self._cache.data.types.unpack(packed), names

    def _place(self, key: str) -> bytes:
        """Return what a seal is for: this key of this stream."""
        return blake2b(f"{self._stream}\0{key}".encode(), digest_size=16).digest()


class WriteBehind:
    """Takes writes for *persist*, which is given them in batches by one process at a time.

    Processes with the same *stream* share its writes. They are in the cache's Redis, or in
    *store*: a URL or a client. *batch* is the most that `persist` is given at once, with *coalesce*
    only the last one of each key; what it fails at in *attempts* tries, though it succeeds at
    others, becomes a dead letter. At most *backlog* writes are waiting; one that finds them
    there waits itself for up to *wait*. *lease* is for how long nobody takes the place of
    a process that was killed. One that is told to stop has *grace* to persist what is left.

    Raises:
        ConfigurationError: An argument cannot be used; there is no Redis, say.
    """

    def __init__(  # noqa: PLR0913 - all but two by keyword
        self,
        cache: Cache,
        persist: Persist,
        *,
        stream: str = "writes",
        store: str | Redis | RedisCluster | None = None,
        batch: int = 100,
        attempts: int = 5,
        coalesce: bool = False,
        backlog: int = 100_000,
        wait: Duration = 1.0,
        lease: Duration = 10.0,
        grace: Duration = 10.0,
    ) -> None:
        for name, count in (("batch", batch), ("attempts", attempts), ("backlog", backlog)):
            if count < 1:
                raise ConfigurationError(f"WriteBehind: {name}={count!r} is less than 1")
        self._cache = cache
        self._stream = stream
        self._persisting = _Persisting(cache, stream, persist)
        self._backlog = backlog
        self._wait = _seconds("wait", wait)
        self._grace = _seconds("grace", grace)
        namespace = cache.settings.namespace
        self._own_store: Store | None = None
        if store is not None:
            self._own_store = open_store(store, namespace)
            self._own_store.follow(PurgeLog())
        redis = _redis_of(self._own_store or cache.store)
        self._writes = Writes(redis, namespace, stream)
        self._how = Flushing(batch, attempts, coalesce, _seconds("lease", lease))
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def write(
        self,
        key: str,
        value: object,
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        purge: Sequence[str] = (),
    ) -> None:
        """Have *value* persisted under *key* soon; it is what readers find from now on.

        When this returns, the write is in the stream, and the cache is as after `Cache.put`.
        What *tags* and *purge* name is purged once more when it has been persisted.

        Raises:
            BacklogFull: Too many writes are waiting; this one was not taken.
            StoreUnavailable: The stream did not take it in time. If a reply was lost, it may
                be persisted all the same.
            PurgeNotAcknowledged: It will be persisted, but other processes may go on serving
                what was there before, as after `Cache.purge`.
            UnsupportedValue: It is of a type that cannot be stored.
        """
        data = self._cache.data
        target = data.target(key, data.rule(ttl))
        body = self._persisting.sealed(key, pack([data.types.pack(value), [*tags, *purge]]))
        is_taken = False

        async def append() -> object:
            nonlocal is_taken
            await self._append(key, body)
            is_taken = True
            return value

        try:
            await data.write(target, append, tags, purged_with(key, (*tags, *purge)))
        except PurgeNotAcknowledged:
            raise
        except StoreUnavailable:
            if not is_taken:  # else it is only the cache that does not have it
                raise

    async def pending(self, key: str, default: T | None = None) -> Any | T | None:
        """Return the last value written to *key* that was not persisted yet; or *default*.

        Raises:
            StoreUnavailable: Nobody knows, as the stream is out of reach.
            CorruptRecord: There is one, but this process cannot read it.
        """
        body = await self._writes.latest(key)
        return default if body is None else self._persisting.opened(key, body)[0]

    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], Awaitable[T]],
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        **keeping: Unpack[Keeping],
    ) -> T:
        """Return the value under *key*, as `Cache.get_or_set`, but nothing older than its writes.

        What was not persisted yet comes from the stream, and only all else from *factory*.
        """

        async def make() -> T:
            pending: Any = await self.pending(key, _NOTHING)
            return await factory() if pending is _NOTHING else pending

        return await self._cache.get_or_set(key, make, ttl=ttl, tags=tags, **keeping)

    async def backlog(self) -> Backlog:
        """Return how many writes are waiting, and for how long."""
        first = await self._writes.first(1)
        waiting, dead = await self._writes.lengths()
        seconds = max(0.0, time.time() - first[0].written_at) if first else 0.0
        return Backlog(waiting, seconds, dead)

    async def dead_letters(self, count: int = 100) -> list[DeadLetter]:
        """Return the oldest *count* writes that were given up."""
        return [
            DeadLetter(
                e.entry.key,
                self._persisting.readable(e.entry),
                e.entry.number,
                e.error,
                e.stream_id,
            )
            for e in await self._writes.dead(count)
        ]

    async def discard(self, letter: DeadLetter) -> None:
        """Forget a write that was given up."""
        await self._writes.discard(letter.place)

    async def run(self) -> None:
        """Persist writes, or stand by while another process does, until `stop` or cancelled."""
        flusher = Flusher(self._writes, self._persisting, self._how, self._stop)
        flushing = asyncio.create_task(flusher.run())
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((flushing, stopped), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((flushing,), timeout=self._grace)
        finally:
            for task in (flushing, stopped):
                task.cancel()
            await asyncio.gather(flushing, stopped, return_exceptions=True)
            self._stop = asyncio.Event()  # it may run again, in another event loop too
            with suppress(StoreUnavailable):
                await flusher.release()
        if not flushing.cancelled():
            flushing.result()

    def stop(self) -> None:
        """Have `run` return when all is persisted that there is, or after *grace*."""
        self._stop.set()

    async def close(self) -> None:
        """Close the connections to a *store* of its own."""
        if self._own_store is not None:
            await self._own_store.close()

    async def __aenter__(self) -> Self:
        """Begin to `run` in the background."""
        self._running = asyncio.create_task(self.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and wait for it."""
        self.stop()
        if self._running is not None:
            await self._running
        await self.close()

    async def _append(self, key: str, body: bytes) -> None:
        """Add a write to the stream, as soon as there is room.

        Raises:
            BacklogFull: There was none in time.
        """
        token, clock = token_bytes(TOKEN_BYTES), time.monotonic
        until = clock() + self._wait
        for pause in doubling(*BETWEEN_TRIES):
            if await self._writes.add(key, token, body, self._backlog):
                return
            if clock() + pause > until:
                break
            await asyncio.sleep(pause)
        raise BacklogFull(f"{self._backlog} writes of {self._stream!r} are waiting")


def _redis_of(store: Store) -> RedisStore:
    shared = store.shared if isinstance(store, TieredStore) else store
    if not isinstance(shared, RedisStore):
        raise ConfigurationError(
            "WriteBehind: writes wait in Redis: give the cache a store such as "
            "'redis://localhost:6379/0', or WriteBehind a store of its own"
        )
    return shared


def _seconds(name: str, value: Duration) -> float:
    try:
        seconds = parse_duration(value, {})
    except Unfit as error:
        raise ConfigurationError(f"WriteBehind: {name}={value!r} {error.why}") from None
    if seconds <= 0 and name == "lease":
        raise ConfigurationError(f"WriteBehind: {name}={value!r} must be more than 0")
    return seconds
