"""Redis Sentinel: how the server is found that is the primary now."""

from __future__ import annotations

import asyncio
import time
from asyncio import Future, Task
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final, NamedTuple, cast

from redis.asyncio import Redis, Sentinel
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import NoPermissionError

from asgi_cache.stores.redis_client import (
    FAILURES,
    MAX_CONNECTIONS,
    Address,
    Pool,
    exchange,
    plain,
)

SENTINEL_TIMEOUT: Final = 0.5
"""Seconds that one Sentinel may take to answer."""

PAUSE: Final = 1.0
"""Seconds after which the Sentinels are asked again, while connections are in use."""


class Primary(NamedTuple):
    """A server that was made the primary, by how many failovers there had been."""

    epoch: int
    address: Address | None


def make_sentinel_client(
    scheme: str,
    sentinels: Sequence[Address],
    service: str,
    *,
    sentinel_username: str | None = None,
    sentinel_password: str | None = None,
    **options: Any,
) -> Redis:
    """Make a client of the primary of *service*; the Sentinels have credentials of their own."""
    is_tls = scheme.startswith("rediss")
    options.setdefault("max_connections", MAX_CONNECTIONS)
    theirs = {name: value for name, value in options.items() if name.startswith("ssl_")}
    theirs |= {"username": sentinel_username, "password": sentinel_password, "ssl": is_tls}
    theirs |= plain()
    theirs |= {"socket_timeout": SENTINEL_TIMEOUT, "socket_connect_timeout": SENTINEL_TIMEOUT}
    pool = PrimaryPool(
        service,
        cast("Any", Sentinel)(sentinels, sentinel_kwargs=theirs),
        connection_class=TLSPrimaryConnection if is_tls else PrimaryConnection,
        **options,
        **plain(),
    )
    return Redis.from_pool(pool)


class PrimaryConnection(SentinelManagedConnection):
    """A connection to the primary, which is left when another server has become that."""

    async def connect(self) -> None:
        """Connect, unless it is connected and that server is the primary still."""
        self.connection_pool.look_again()
        if self.is_connected and (self.host, self.port) != self.connection_pool.master_address:
            await self.disconnect(nowait=True)
        await super().connect()  # type: ignore[no-untyped-call]

    async def connect_to(self, address: Address) -> None:
        """Connect to *address*, and have the server confirm that it is the primary.

        A Sentinel can be late to know, and a replica answers reads all the same: from a log
        of which the last purges are missing.
        """
        await super().connect_to(address)  # type: ignore[no-untyped-call]
        await self.send_command("ROLE", check_health=False)
        try:
            role, *_ = await self.read_response()
        except NoPermissionError:  # it is not for everybody; a replica refuses writes at least
            return
        if role != b"master":
            await self.disconnect(nowait=True)
            raise NoConnection("the server is not the primary any more, or not yet")


class TLSPrimaryConnection(PrimaryConnection, SentinelManagedSSLConnection):
    """The same over TLS."""


class PrimaryPool(Pool, SentinelConnectionPool):
    """Connections to the primary.

    While they are in use the Sentinels are asked again and again: a primary that was replaced
    while it was there hears of it only seconds later, and takes writes until then.
    """

    def __init__(
        self,
        service: str,
        sentinels: Sentinel,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        """Take the *sentinels* that watch *service*."""
        super().__init__(service, sentinels, **settings)  # type: ignore[no-untyped-call]
        self._monotonic = monotonic
        self._epoch = -1
        self._search: Task[None] | None = None
        self._answered: Future[None] | None = None
        self._searched_at = -inf

    async def get_master_address(self) -> Address:
        """Ask the Sentinels, with all others who would; the first good answer is enough.

        Raises:
            MasterNotFoundError: There was none, and never had been.
        """
        await asyncio.shield(self._begin_search())
        if self.master_address is None:
            raise MasterNotFoundError(f"no Sentinel knows the primary of {self.service_name!r}")
        return self.master_address

    def look_again(self) -> None:
        """Ask the Sentinels if it is time; nobody waits for it."""
        if self._monotonic() >= self._searched_at + PAUSE:
            self._begin_search()

    async def aclose(self) -> None:
        """Close the connections to the Sentinels too."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])
        closing = super().aclose(), self.sentinel_manager.aclose()
        await asyncio.gather(*closing, return_exceptions=True)

    def _begin_search(self) -> Future[None]:
        """Return what is done as soon as there is an answer, or can be none."""
        if self._answered is None or self._search is None or self._search.done():
            loop = asyncio.get_running_loop()
            self._answered = loop.create_future()
            self._search = loop.create_task(self._find(self._answered))
        return self._answered

    async def _find(self, answered: Future[None]) -> None:
        """Ask all Sentinels at once, so that one which hangs does not take the others' time.

        What is known is not given up for what is older, unless all agree that it is: Sentinels
        that were set up anew begin to count anew.
        """
        try:
            async with asyncio.TaskGroup() as group:
                asking = [
                    group.create_task(self._ask(sentinel, answered))
                    for sentinel in self.sentinel_manager.sentinels
                ]
            latest = max(question.result() for question in asking)
            if all(question.result().address for question in asking):
                self._adopt(latest)
        finally:
            self._searched_at = self._monotonic()
            if not answered.done():
                answered.set_result(None)

    async def _ask(self, sentinel: Redis, answered: Future[None]) -> Primary:
        """Ask one Sentinel, and take its answer if it is no older than what is known."""
        primary = await self._primary_by(sentinel)
        if primary.address is not None and primary.epoch >= self._epoch:
            self._adopt(primary)
            if not answered.done():
                answered.set_result(None)
        return primary

    async def _primary_by(self, sentinel: Redis) -> Primary:
        """Return the primary by what *sentinel* says, if it says anything.

        What it tells of the primary's state is of the former one until a failover is over, but
        for the address that clients are to ask for.
        """
        which = self.service_name.encode()
        state = (b"SENTINEL", b"MASTER", which)
        where = (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", which)
        try:
            fields, (host, port) = await exchange(sentinel, [state, where])
            epoch = fields[fields.index(b"config-epoch") + 1]
            return Primary(int(epoch), (host.decode(), int(port)))
        except FAILURES:
            return Primary(-1, None)

    def _adopt(self, primary: Primary) -> None:
        self._epoch = primary.epoch
        self.master_address: Address | None = primary.address
