"""Where a cache stores, and what can befall it there."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from redis.asyncio import Redis

from tests.proxy import PassOn, Proxy, answered, garbage, late, proxied, reset
from tests.redis_server import RedisServer, free_port, running_redis

LOADING: Final = b"-LOADING Redis is loading the dataset in memory\r\n"
SLOW: Final = 0.2
"""Seconds that a reply is late."""


@dataclass(frozen=True, slots=True)
class Place:
    """One server, which can be reached directly and by way of a proxy."""

    server: RedisServer
    proxy: Proxy
    admin: Redis


@asynccontextmanager
async def one_server() -> AsyncIterator[Place]:
    """Run a server of one's own with nothing in it."""
    with running_redis() as server:
        async with proxied(server.port) as proxy, Redis.from_url(server.url) as admin:
            yield Place(server, proxy, admin)


def _directly(place: Place) -> str:
    return place.server.url


def _by_proxy(place: Place) -> str:
    return place.proxy.url


Act = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that befalls the servers of a place, or the way to them."""

    title: str
    begin: Act
    end: Act | None = None
    """Nothing where it is over when it has begun."""
    url: Callable[[Any], str] = _directly
    """Where in that place a cache is told to store."""
    place: Callable[[], AbstractAsyncContextManager[Any]] = one_server

    @property
    def is_for_all(self) -> bool:
        """Whether no more is needed for it than one server, which all caches can do with."""
        return self.place is one_server


def on_replies(pass_on: PassOn) -> Act:
    """Return what lets that happen to what the server says."""

    async def begin(place: Place) -> None:
        place.proxy.on_reply = pass_on

    return begin


def on_requests(pass_on: PassOn) -> Act:
    """Return what lets that happen to what the server is asked."""

    async def begin(place: Place) -> None:
        place.proxy.on_request = pass_on

    return begin


async def heal(place: Place) -> None:
    """Let the proxy do nothing to what it passes on."""
    place.proxy.heal()


async def _refuse(place: Place) -> None:
    place.proxy.refuse()


async def _accept(place: Place) -> None:
    await place.proxy.listen()


async def _stop(place: Place) -> None:
    place.server.process.send_signal(signal.SIGSTOP)


async def _go_on(place: Place) -> None:
    place.server.process.send_signal(signal.SIGCONT)


async def _fill(place: Place) -> None:
    await place.admin.config_set("maxmemory-policy", "noeviction")
    await place.admin.config_set("maxmemory", 1)


async def _make_room(place: Place) -> None:
    await place.admin.config_set("maxmemory", 0)


async def _follow_nobody(place: Place) -> None:
    await place.admin.replicaof("127.0.0.1", free_port())


async def _lead(place: Place) -> None:
    await place.admin.replicaof("NO", "ONE")


async def _empty(place: Place) -> None:
    await place.admin.flushall()


async def _restart(place: Place) -> None:
    await asyncio.to_thread(place.server.stop)
    await asyncio.to_thread(place.server.start)
    await place.admin.connection_pool.disconnect()  # it would use one that is lost


ON_ONE_SERVER: Final = {
    "refused": Fault("connections refused", _refuse, _accept, _by_proxy),
    "hung": Fault("hung (`SIGSTOP`)", _stop, _go_on),
    "slow": Fault(f"{SLOW * 1e3:.0f} ms slow", on_replies(late(SLOW)), heal, _by_proxy),
    "reset": Fault("reset in the middle of replies", on_replies(reset), heal, _by_proxy),
    "garbage": Fault(
        "answers garbage",
        on_replies(garbage(Random(1))),  # noqa: S311 - nobody gains by guessing it
        heal,
        _by_proxy,
    ),
    "full": Fault("full (`noeviction`)", _fill, _make_room),
    "readonly": Fault("read-only (`REPLICAOF`)", _follow_nobody, _lead),
    "loading": Fault("loading", on_requests(answered(LOADING)), heal, _by_proxy),
    "flushed": Fault("`FLUSHALL`", _empty),
    "restarted": Fault("restarted, without its data", _restart),
}
