"""The store that processes share: Redis, with one deadline for everything asked of it."""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from asgi_cache.errors import ConfigurationError, CorruptRecord, StoreUnavailable
from asgi_cache.stores.base import ONE_CACHE, LogReader, Record
from asgi_cache.stores.codec import decode, encode
from asgi_cache.stores.redis_client import exchange
from asgi_cache.stores.redis_log import LOG_TTL, RedisLog, pack_tags

T = TypeVar("T")

DEFAULT_TIMEOUT: Final = 0.05
"""Seconds that an operation may take, connecting included."""

APPEND_TIMEOUT: Final = 1.0
"""The same for a purge, which matters more than the moment it takes."""

_FAILURES: Final = (
    *(RedisError, OSError, RuntimeError),
    *(AttributeError, LookupError, TypeError, ValueError),
)
"""What redis-py raises for what a server or a network does.

A ``RuntimeError`` is how uvloop says that a connection was lost before it was written to;
the others come of connections that are lost at a bad moment, and of replies that are not
what was asked for.
"""


@dataclass(slots=True)
class _Batch:
    """The keys that were asked for since the event loop's last turn, and who waits for them."""

    waiting: dict[bytes, list[Future[Record | None]]] = field(
        default_factory=dict[bytes, list[Future[Record | None]]]
    )

    def join(self, key: bytes, loop: AbstractEventLoop) -> Future[Record | None]:
        """Return a future of this caller's own, so that its cancellation is its own too."""
        future: Future[Record | None] = loop.create_future()
        self.waiting.setdefault(key, []).append(future)
        return future

    def answer(self, key: bytes, record: Record | None) -> None:
        """Give *record* to all who wait for *key* still."""
        for future in self.waiting[key]:
            if not future.done():
                future.set_result(record)

    def fail(self, why: str) -> None:
        """Tell all who wait still that there is no answer."""
        for futures in self.waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(StoreUnavailable(why))


@dataclass(slots=True)
class _Link:
    """A client, and the process and the event loop that its connections belong to."""

    client: Redis
    process: int
    loop: AbstractEventLoop
    batch: _Batch | None = None
    tasks: set[Task[None]] = field(default_factory=set[Task[None]])

    @property
    def is_here(self) -> bool:
        """Whether it is of this process and of the event loop that runs."""
        return self.loop is asyncio.get_running_loop() and self.process == os.getpid()


class RedisStore:
    """Keeps records in Redis; all that one turn of the event loop asks for is one round trip.

    Each round trip reads the news of the purge log too, so that a purge which was
    acknowledged anywhere before `get` is known when it returns.
    """

    def __init__(
        self,
        client: Redis | Callable[[], Redis],
        *,
        namespace: str,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Take a *client* that the user owns, or what makes one that this store owns.

        Raises:
            ConfigurationError: The client returns text, which records are not.
        """
        if isinstance(client, Redis) and _decodes(client):
            raise ConfigurationError(
                "store: the Redis client decodes responses; make it with decode_responses=False"
            )
        self._client = client
        self._timeout = timeout
        self._prefix = f"{namespace}:r:".encode()
        self._log = RedisLog(f"{namespace}:log".encode())
        self._link: _Link | None = None
        self._inherited: list[_Link] = []
        self._followed = False
        self._closed = False
        self.corrupt: int = 0
        """How many records were there but were not what had been stored."""

    async def get(self, key: bytes) -> Record | None:
        """Return the record under *key*, once the reader knows the purges before this call."""
        link = self._linked()
        if link.batch is None:
            link.batch = self._begin_batch(link)
        return await link.batch.join(key, link.loop)

    async def put(self, key: bytes, record: Record, ttl: float) -> None:
        """Store *record* for *ttl* seconds, but for no longer than the log is kept."""
        pipeline = self._linked().client.pipeline(transaction=False)
        milliseconds = max(1, round(min(ttl, LOG_TTL) * 1000))
        pipeline.set(self._name(key), encode(record), px=milliseconds)
        self._log.keep(pipeline)
        await _within(self._timeout, pipeline.execute())

    async def delete(self, key: bytes) -> None:
        """Forget *key*; its memory is freed behind the scenes."""
        await _within(self._timeout, self._linked().client.unlink(self._name(key)))

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the log, beginning with the next operation."""
        if self._followed:
            raise ConfigurationError(ONE_CACHE)
        self._followed = True
        self._log.reader = reader

    async def append(self, tags: Sequence[str]) -> int:
        """Append a purge of *tags*; the reader knows of it when this returns.

        It is not repeated when its reply is lost, as nobody can tell what became of it.
        """
        packed = pack_tags(tags)
        return await _within(APPEND_TIMEOUT, self._log.append(self._linked().client, packed))

    async def close(self) -> None:
        """Wait for what is under way, then close the connections, unless they are the user's."""
        link, self._link, self._closed = self._link, None, True
        if link is None or not link.is_here:
            return
        await asyncio.gather(*link.tasks, return_exceptions=True)
        if not isinstance(self._client, Redis):
            with suppress(StoreUnavailable):
                await _within(APPEND_TIMEOUT, link.client.aclose())

    def _linked(self) -> _Link:
        """Return the link of this process and event loop; a client works in no other."""
        if self._link is None or not self._link.is_here:
            self._link = self._new_link(self._link)
        return self._link

    def _new_link(self, former: _Link | None) -> _Link:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if former is not None and former.process != os.getpid():
            # Collecting them would take the parent's connections out of the parent's loop.
            self._inherited.append(former)
        client = self._client if isinstance(self._client, Redis) else self._client()
        return _Link(client, os.getpid(), asyncio.get_running_loop())

    def _begin_batch(self, link: _Link) -> _Batch:
        """Make a batch that is sent at the event loop's next turn."""
        batch = _Batch()
        task = link.loop.create_task(self._flush(link, batch))
        link.tasks.add(task)
        task.add_done_callback(partial(_end_batch, link, batch))
        return batch

    async def _flush(self, link: _Link, batch: _Batch) -> None:
        """Send *batch*, which nobody can join any more, and give out what it brought."""
        link.batch = None
        keys = list(batch.waiting)
        try:
            values = await _within(self._timeout, self._fetch(link.client, keys))
        except StoreUnavailable as error:
            batch.fail(str(error))
            return
        for key, value in zip(keys, values, strict=True):
            batch.answer(key, self._decoded(key, value))

    async def _fetch(self, client: Redis, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        question, commands = self._log.ask()
        lookup = (b"MGET", *map(self._name, keys))
        newer, oldest, found = await exchange(client, [*commands, lookup])
        values: list[bytes | None] = found
        if len(values) != len(keys):
            raise ValueError("the reply is to another question")
        await self._log.settle(client, question, newer, oldest)
        return values

    def _decoded(self, key: bytes, value: bytes | None) -> Record | None:
        try:
            return None if value is None else decode(key, value)
        except CorruptRecord:
            self.corrupt += 1
            return None

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()


def _decodes(client: Redis) -> bool:
    return bool(client.connection_pool.connection_kwargs.get("decode_responses"))


def _end_batch(link: _Link, batch: _Batch, task: Task[None]) -> None:
    """Leave nobody waiting, even for a task that was cancelled before it began."""
    link.tasks.discard(task)
    if link.batch is batch:
        link.batch = None
    batch.fail("the store was interrupted")


async def _within(seconds: float, operation: Awaitable[T]) -> T:
    """Await *operation*, for *seconds* at most.

    Raises:
        StoreUnavailable: It failed or took longer. The cause is not attached to it, since
            it can quote a command, and the command that authenticates quotes a password.
    """
    try:
        async with asyncio.timeout(seconds):
            return await operation
    except TimeoutError:
        why = f"Redis did not answer within {seconds:g} s"
    except _FAILURES as error:
        why = f"Redis failed: {_describe(error)}"
    raise StoreUnavailable(why)


def _describe(error: Exception) -> str:
    """Name the error, and what the operating system says of it, but nothing that it quotes."""
    cause = error if isinstance(error, OSError) else error.__context__
    said = cause.strerror if isinstance(cause, OSError) else None
    return f"{type(error).__name__} ({said})" if said else type(error).__name__
