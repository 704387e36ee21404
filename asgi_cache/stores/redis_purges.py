"""How purges get into the log: at once, or as soon as the server that has it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from redis.exceptions import ResponseError

from asgi_cache.backoff import doubling
from asgi_cache.errors import PurgeNotAcknowledged, StoreUnavailable
from asgi_cache.observe.events import Tell
from asgi_cache.observe.observer import Observer
from asgi_cache.stores.base import LogReader, Purge
from asgi_cache.stores.breaker import LONGEST_PAUSE
from asgi_cache.stores.guard import Guard
from asgi_cache.stores.redis_client import within
from asgi_cache.stores.redis_link import Link
from asgi_cache.stores.redis_log import RedisLog, pack_purge
from asgi_cache.stores.redis_servers import Servers
from asgi_cache.stores.unacknowledged import Unacknowledged

TIMEOUT: Final = 1.0
"""Seconds that a purge may take, which matters more than the moment it takes."""

TOGETHER: Final = 50
"""Purges that are repeated at once, so that each time at least some of many are taken."""

FIRST_REPEAT: Final = 0.05
"""Seconds before a purge is repeated that failed while the server is thought to be there."""


class Purges:
    """Appends purges to *log*, keeps those that it did not take, and tries again.

    It is also what finds out whether a server answers again that was left alone, since one
    is there again only when it has taken what waits for it.
    """

    def __init__(
        self, log: RedisLog, guard: Guard, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.waiting: Unacknowledged = Unacknowledged()
        self._log = log
        self._guard = guard
        self._monotonic = monotonic
        self._is_log_taking = True
        """Else the server has refused a purge, and look-ups need not wait for the next try."""
        self.tell: Tell = Observer().tell

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* what is to be withheld."""
        self.waiting.withhold = reader.withhold

    async def append(self, link: Link, purge: Purge, *, hasty: bool) -> int:
        """Append *purge*; the reader knows of it when this returns the log's position.

        Nobody can tell what became of one whose reply is lost, so that it is repeated. Whoever
        is cancelled while it waits for this has asked for the purge all the same.

        Raises:
            PurgeNotAcknowledged: The log does not have it in time.
            ValueError: It cannot be written, and must not be waited with.
        """
        pack_purge(purge)
        taking = link.begin(self._take(link, purge, hasty=hasty))
        await asyncio.wait([taking])
        position = None if taking.cancelled() else taking.result()
        if position is None:
            self.tell("purge-waits", waiting=len(self.waiting))
            raise PurgeNotAcknowledged("the purge log was not reached; the purge is repeated")
        return position

    async def _take(self, link: Link, purge: Purge, *, hasty: bool) -> int | None:
        """Return the log's position when it has *purge*; nothing if it will be repeated still."""
        deadline = self._monotonic() + TIMEOUT
        if self.waiting:
            number = self.waiting.add(purge)
            if not hasty:  # whatever repeats the others may be at rest for longer than this has
                with suppress(StoreUnavailable):
                    await self._guard.run(partial(self.catch_up, link.servers), TIMEOUT)
        else:
            attempt = partial(self._log.append, link.servers, [purge])
            try:
                return await self._guard.run(attempt, self._guard.timeout if hasty else TIMEOUT)
            except StoreUnavailable:
                number = self.waiting.add(purge)
            except BaseException:  # the event loop ends, and with it what could try again
                self.waiting.add(purge)
                raise
        self.try_again(link)
        is_waited_for = not hasty and not self.waiting.is_acknowledged(number)
        if is_waited_for and link.recovery is not None:
            await asyncio.wait([link.recovery], timeout=deadline - self._monotonic())
        return self._log.reader.position if self.waiting.is_acknowledged(number) else None

    async def come_first(self, servers: Servers) -> None:
        """Have the log take what waits for it before anything else is asked of *servers*."""
        if self.waiting and self._is_log_taking:
            with suppress(ResponseError):  # what they name is withheld all the same
                await self.catch_up(servers)

    async def catch_up(self, servers: Servers) -> None:
        """Have the log take what it does not have yet, and read it to its end."""
        while self.waiting:
            last, purges = self.waiting.first(TOGETHER)
            try:
                await self._log.append(servers, purges)
            except ResponseError:
                self._is_log_taking = False
                raise
            self._is_log_taking = True
            self.waiting.acknowledge(last)
            if not self.waiting:
                self.tell("purges-delivered")
        await self._log.catch_up(servers)

    async def _comes_back(self, servers: Servers) -> None:
        """Have the log take what waits, and see that it answers as quickly as a request needs."""
        await self.catch_up(servers)
        await within(self._guard.timeout, self._log.catch_up(servers))

    def try_again(self, link: Link) -> None:
        """See to it that a server which failed is tried again, when it is time."""
        is_needed = self.waiting or self._guard.breaker.is_due
        if is_needed and not link.is_closing and (link.recovery is None or link.recovery.done()):
            link.recovery = link.begin(self._recover(link))

    def begin_anew(self, link: Link) -> None:
        """Try again over a new *link*: what tried before has ended with the former one."""
        self._is_log_taking = True
        self.try_again(link)

    async def try_once_more(self, servers: Servers) -> None:
        """Try without asking whether it is time, as there will be no other time."""
        if self.waiting:
            with suppress(StoreUnavailable):
                await within(self._guard.timeout, self.catch_up(servers))

    def tell_of_losses(self) -> None:
        """Log what is lost unless the store is used again."""
        if self.waiting:
            self.tell("purges-lost", waiting=len(self.waiting))

    async def _recover(self, link: Link) -> None:
        """Try once; or, while purges wait, until they were taken."""
        breaker, catch_up = self._guard.breaker, partial(self.catch_up, link.servers)
        for pause in doubling(FIRST_REPEAT, LONGEST_PAUSE):
            await asyncio.sleep(pause if breaker.is_closed else breaker.remaining)
            try:
                if breaker.is_closed:
                    await self._guard.run(catch_up, TIMEOUT)
                else:
                    await self._guard.probe(partial(self._comes_back, link.servers), TIMEOUT)
            except StoreUnavailable:
                pass
            except Exception as error:  # noqa: BLE001 - as long as they are repeated
                self.tell("purges-stuck", error)
            if not self.waiting:
                return
