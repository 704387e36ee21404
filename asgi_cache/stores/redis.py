"""The store that processes share: Redis, with one deadline for everything asked of it."""

from __future__ import annotations

import asyncio
import os
import time
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from asgi_cache.errors import ConfigurationError, CorruptRecord, Forged, StoreUnavailable
from asgi_cache.observe.events import Tell
from asgi_cache.observe.observer import Observer
from asgi_cache.observe.stats import StoreStats
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import ONE_CACHE, Held, LogReader, Page, Purge, Record, Store
from asgi_cache.stores.breaker import Breaker, State
from asgi_cache.stores.codec import PREFIX_BYTES, decode, encode
from asgi_cache.stores.compression import CompressedResponse, Unreadable, compressed
from asgi_cache.stores.guard import Guard
from asgi_cache.stores.redis_client import Command, in_milliseconds, within
from asgi_cache.stores.redis_lease import claim, release
from asgi_cache.stores.redis_link import INTERRUPTED, Batch, Link, end_batch
from asgi_cache.stores.redis_log import LOG_TTL, RedisLog
from asgi_cache.stores.redis_memory import Memory
from asgi_cache.stores.redis_purges import Purges
from asgi_cache.stores.redis_recent import Recent
from asgi_cache.stores.redis_renewal import SMALLEST, renew
from asgi_cache.stores.redis_scan import NO_KEY, SCAN_TIMEOUT, Walk, check_cursor
from asgi_cache.stores.redis_servers import Servers, carried_out, decodes, servers_of
from asgi_cache.stores.sealing import Seal
from asgi_cache.stores.unacknowledged import NOWHERE

T = TypeVar("T")

DEFAULT_TIMEOUT: Final = 0.05
"""Seconds that an operation may take, connecting included."""

LAG: Final = 0.1
"""Seconds for which a process may act on what it knows of the log without asking Redis."""

LARGE: Final = 64 * 1024
"""Bytes of a record that nobody else is to wait for."""

TAIL_BLOCK: Final = 1.0
"""Seconds that one command waits for a purge."""

TAIL_PAUSE: Final = 0.002
"""Seconds between two readings of the log, which bounds what a storm of purges costs."""

TAIL_IDLE: Final = 10.0
"""Seconds after the last use of this process's own copies that purges are waited for."""


class RedisStore(Store):
    """Keeps records in Redis; all that one turn of the event loop asks for is one round trip.

    Each round trip reads the news of the purge log too, so that a purge which was
    acknowledged anywhere before `get` is known when it returns.
    """

    def __init__(
        self,
        client: Redis | RedisCluster | Callable[[], Redis | RedisCluster],
        *,
        namespace: str,
        timeout: float = DEFAULT_TIMEOUT,
        lag: float = LAG,
        compress: int | None = None,
        seal: Seal | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a *client* that the user owns, or what makes one that this store owns.

        *lag* is what the processes on one server have agreed on (`Store.lag`). *compress* is
        the least size in bytes of a body that is compressed; ``None``: none is. With a *seal*
        no record is believed that has none.

        Raises:
            ConfigurationError: The client returns text, which records are not.
        """
        if isinstance(client, Redis | RedisCluster) and decodes(client):
            raise ConfigurationError(
                "store: the Redis client decodes responses; make it with decode_responses=False"
            )
        self._client = client
        self._guard = Guard(timeout, monotonic)
        self._breaker = self._guard.breaker
        self._lag = lag
        self._compress = compress
        self._seal = seal
        self._prefix_bytes = PREFIX_BYTES + (0 if seal is None else seal.overhead)
        self._monotonic = monotonic
        self._prefix = f"{namespace}:r:".encode()
        self._lease_prefix = f"{namespace}:l:".encode()
        self._log = RedisLog(f"{namespace}:log".encode(), monotonic)
        self._link: Link | None = None
        self._recent = Recent(self._record_in)
        self._memory = Memory(timeout, monotonic)
        self._purges = Purges(self._log, self._guard, monotonic)
        self._followed = False
        self._tell: Tell = Observer().tell
        self._wanted_until = 0.0
        self.corrupt: int = 0
        """How many records were there but were not what had been stored."""
        self.forged: int = 0
        """How many of them were not sealed with one of our keys."""

    @property
    def is_current(self) -> bool:
        """Whether what this process holds may be served without asking Redis: never."""
        return False

    @property
    def lag(self) -> float:
        """Seconds for which some process may act on what it knew of the log."""
        return self._lag

    @property
    def patience(self) -> float:
        """Seconds that one request may wait for it in all: the deadline of one operation."""
        return self._guard.timeout

    @property
    def breaker(self) -> Breaker:
        """The circuit breaker before the server."""
        return self._breaker

    @property
    def state(self) -> State:
        """Of the circuit breaker."""
        return self._breaker.state

    @property
    def unacknowledged(self) -> int:
        """How many purges wait for the log to take them."""
        return len(self._purges.waiting)

    def look(self, key: bytes) -> Future[Held | None]:
        """Begin to get the record under *key*, with all else that is asked for meanwhile."""
        link = self._link
        if link is None or not link.is_here or not self._breaker.is_closed:
            link = self._admitted()
        return (link.batch or self._batch(link)).join(key, link.loop)

    async def get(self, key: bytes, *, latest: bool = False) -> Record | None:
        """Return the record under *key*, once the reader knows the purges before this call."""
        del latest
        held = await self.look(key)
        return None if held is None else held.record

    async def scan(self, cursor: str, count: int) -> Page:
        """Look at about *count* keys of the server, and return the responses among them."""
        check_cursor(cursor)
        await self.get(NO_KEY)  # so that the log is known
        walk = Walk(self._prefix, None if self._seal is None else self._record_in)
        return await self.reach(lambda servers: walk.page(servers, cursor, count), SCAN_TIMEOUT)

    async def put(
        self, key: bytes, record: Record, ttl: float, former: StoredResponse | None = None
    ) -> None:
        """Store *record* for *ttl* seconds, but for no longer than the log is kept."""
        record = await compressed(record, self._compress)
        if former is not None and isinstance(record, CompressedResponse):
            former = record.body_for(former)
        servers, name, kept = self._admitted().servers, self._name(key), self._log.kept()
        data, milliseconds = self._encoded(record), in_milliseconds(min(ttl, LOG_TTL))
        if former is not None and self._is_worth_renewing(former):
            prefix, length = self._encoded(former)[: self._prefix_bytes], len(former.body)
            head = data[:-length]
            work = partial(renew, servers, name, prefix, head, length, milliseconds, kept)
            if await self._guard.run(work):
                return
        command = (b"SET", name, data, b"PX", milliseconds)
        if len(data) < LARGE:
            await self._send(command, kept)
        else:
            await self._guard.run(partial(carried_out, servers, [command, kept]))

    async def delete(self, key: bytes) -> None:
        """Forget *key*; its memory is freed behind the scenes."""
        await self._send((b"UNLINK", self._name(key)))

    async def claim(self, lease: bytes, token: bytes, ttl: float) -> bytes:
        """Take a lease or prolong it; the token that holds it now."""
        return await claim(self._send, self._lease_name(lease), token, ttl)

    async def release(
        self, lease: bytes, token: bytes | None, mark: bytes | None = None, ttl: float = 0.0
    ) -> None:
        """Give up a lease that is held still, or leave *mark* in its place."""
        await release(self._send, self._lease_name(lease), token, mark, ttl)

    def observe(self, tell: Tell) -> None:
        """Have what happens told with *tell*."""
        self._tell = self._breaker.tell = self._purges.tell = tell

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the log, beginning with the next operation."""
        if self._followed:
            raise ConfigurationError(ONE_CACHE)
        self._followed = True
        self._log.reader = reader
        self._purges.follow(reader)

    async def append(
        self,
        tags: Sequence[str],
        *,
        all_of: bool = False,
        soft_at: float | None = None,
        hasty: bool = False,
    ) -> int:
        """Append a purge; the reader knows of it when this returns."""
        purge = Purge(NOWHERE, tuple(tags), all_of, soft_at)
        return await self._purges.append(self._linked(), purge, hasty=hasty)

    def behind(self) -> float:
        """Seconds since the reader knew, for certain, all purges that had been acknowledged."""
        return self._monotonic() - self._log.known_at

    def keep_up(self) -> None:
        """Read the log now, and follow it closely for a while."""
        link = self._linked()
        if not self._breaker.is_closed:
            self._purges.try_again(link)
            return
        self._wanted_until = self._monotonic() + TAIL_IDLE
        if link.sync is None or link.sync.done():
            link.sync = link.begin(self._synchronise(link))
        if (link.tail is None or link.tail.done()) and link.servers.can_spare_a_connection:
            link.tail = link.begin(self._follow_closely(link))

    async def _synchronise(self, link: Link) -> None:
        with suppress(StoreUnavailable):
            await self._guard.run(partial(self._purges.catch_up, link.servers))

    async def _follow_closely(self, link: Link) -> None:
        """Wait for each purge, so that it is known here a moment after it was made elsewhere.

        Nothing depends on it: what it does not learn is learnt at the latest after the lag.
        """
        while self._monotonic() < self._wanted_until and self._breaker.is_closed:
            pause = TAIL_PAUSE
            try:
                await within(TAIL_BLOCK * 2, self._log.news(link.servers, TAIL_BLOCK))
            except StoreUnavailable:
                pause = TAIL_BLOCK  # a server that is in trouble is not asked without a break
            await asyncio.sleep(pause)

    async def reach(self, work: Callable[[Servers], Awaitable[T]], seconds: float) -> T:
        """Do *work*, which concerns no record, with this store's servers within *seconds*.

        It may be done again if a connection breaks.
        """
        return await self._guard.run(partial(work, self._admitted().servers), seconds)

    def stats(self) -> StoreStats:
        """Return what this process has seen of the server."""
        memory = self._memory.latest(self._link if self._breaker.is_closed else None)
        server = self._guard.stats(self.corrupt, self.forged, self.unacknowledged, memory)
        return StoreStats("redis", server=server)

    async def close(self) -> None:
        """Wait for what is under way, then close the connections, unless they are the user's."""
        if self._purges.waiting:
            self._linked()  # they are tried once more, even if nothing has been asked for here
        link, self._link = self._link, None
        if link is None:
            return
        if not link.is_here:
            link.leave()
            return
        try:
            await link.finish()
            await self._purges.try_once_more(link.servers)
        finally:
            self._purges.tell_of_losses()
            await link.ending.aclose()

    def _admitted(self) -> Link:
        """Return the link, if the server is to be asked.

        Raises:
            CircuitOpen: It is not.
        """
        link = self._linked()
        if not self._breaker.is_closed:
            self._purges.try_again(link)
            self._guard.admit()
        return link

    def _linked(self) -> Link:
        """Return the link of this process and event loop; a client works in no other."""
        link = self._link  # which another thread's event loop may take meanwhile
        if link is None or not link.is_here:
            link = self._link = self._new_link(link)
            self._purges.begin_anew(link)
        return link

    def _new_link(self, former: Link | None) -> Link:
        if former is not None:
            former.leave()
        self._breaker.abandon_probe()
        if isinstance(self._client, Redis | RedisCluster):
            servers = servers_of(self._client, is_ours=False, monotonic=self._monotonic)
        else:
            servers = servers_of(self._client(), is_ours=True, monotonic=self._monotonic)
        return Link(servers, os.getpid(), asyncio.get_running_loop())

    async def _send(self, *commands: Command) -> list[Any]:
        """Have *commands* executed with all else that is asked for meanwhile; their replies."""
        link = self._admitted()
        return await self._batch(link).add(commands, link.loop)

    def _batch(self, link: Link) -> Batch:
        """Return the batch that is sent at the event loop's next turn."""
        if link.batch is None:
            link.batch = batch = Batch()
            task = link.begin(self._flush(link, batch))
            task.add_done_callback(partial(end_batch, link, batch))
        return link.batch

    async def _flush(self, link: Link, batch: Batch) -> None:
        """Send *batch*, which nobody can join any more, and give out what it brought."""
        link.batch = None
        try:
            await self._guard.run(partial(self._carry_out, link.servers, batch))
        except StoreUnavailable as error:
            batch.fail(error)
        except BaseException:
            batch.fail(StoreUnavailable(INTERRUPTED))
            raise

    async def _carry_out(self, servers: Servers, batch: Batch) -> None:
        keys = list(batch.waiting)
        if not keys:
            replies, _ = await servers.ask(batch.commands)
            batch.reply(replies)
            return
        await self._purges.come_first(servers)
        question, log = self._log.ask()
        (*replies, newer), found = await servers.ask(
            [*batch.commands, log], [*map(self._name, keys)]
        )
        batch.reply(replies)
        if isinstance(newer, ResponseError):
            raise newer
        await self._log.settle(servers, question, newer)
        for key, value in zip(keys, found, strict=True):
            if isinstance(value, ResponseError):
                batch.refuse(key, value)
            else:
                batch.answer(key, self._decoded(key, value))

    def _decoded(self, key: bytes, value: bytes | None) -> Held | None:
        try:
            return None if value is None else self._recent.decode(key, value)
        except CorruptRecord as error:
            self.corrupt += 1
            if isinstance(error, Forged):
                self.forged += 1
                self._tell("record-forged", why=str(error))
            return None
        except Unreadable:
            return None

    def _record_in(self, key: bytes, data: bytes) -> Record:
        return decode(key, data if self._seal is None else self._seal.open(key, data))

    def _encoded(self, record: Record) -> bytes:
        data = encode(record)
        return data if self._seal is None else self._seal.close(record.key, data)

    def _is_worth_renewing(self, former: StoredResponse) -> bool:
        is_recognised = self._seal is None or not self._seal.hides_the_record
        return is_recognised and len(former.body) >= SMALLEST

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()

    def _lease_name(self, lease: bytes) -> bytes:
        return self._lease_prefix + lease.hex().encode()
