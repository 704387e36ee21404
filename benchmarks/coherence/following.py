"""What following the log costs a process: processor time, as a share of one core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, Final, NamedTuple

from redis import Redis

from asgi_cache import CacheMiddleware
from asgi_cache.stores.redis import TAIL_IDLE
from asgi_cache.stores.redis_log import pack_purge
from asgi_cache.tags import named_tag
from benchmarks.coherence.children import child, said
from benchmarks.coherence.client import App, Client

SECONDS: Final = 3.0
TURNS: Final = 5
PER_SECOND: Final = 200
"""Requests, each a hit, where there is traffic."""
STORM: Final = 2000
"""Purges in a second."""
BURST: Final = 0.01
RULES: Final = {"/**": {"ttl": "1h", "early_refresh": 0, "tags": ["page"]}}


class Load(NamedTuple):
    """Percent of a core that one process used."""

    idle: float
    """Its last request was long ago."""
    after_use: float
    """Its last request was moments ago."""
    traffic: float
    traffic_in_memory: float
    """The same with a memory store, which has no log to follow."""
    storm: float
    """No requests, but purges elsewhere."""
    storm_and_traffic: float
    purges: float
    """How many there were in a second of the storm."""


def measure(url: str) -> Load:
    """Measure in turns, so that a machine which slows down slows all; medians of these."""
    with child(_live, url) as process, child(_live, "memory://") as in_memory:
        said(process)
        said(in_memory)
        traffic, after_use, without = _medians(
            lambda: (
                _share(process, "traffic"),
                _share(process, "idle"),
                _share(in_memory, "traffic"),
            )
        )
        time.sleep(TAIL_IDLE)
        idle = _share(process, "idle")
        with child(_storm, url) as purging:
            said(purging)
            both, storm = _medians(lambda: (_share(process, "traffic"), _share(process, "idle")))
            purging.send("stop")
            purges = said(purging)
    return Load(idle, after_use, traffic, without, storm, both, purges)


def _medians(turn: Callable[[], Sequence[float]]) -> list[float]:
    turns = [turn() for _ in range(TURNS)]
    return [median(each) for each in zip(*turns, strict=True)]


def _share(connection: Connection, what: str) -> float:
    connection.send(what)
    share: float = said(connection)
    return round(share * 100, 2)


async def _live(connection: Connection, url: str) -> None:
    """Do what is said for a while, and tell what share of a core that took."""
    cache = CacheMiddleware(App(), store=url, rules=RULES)
    ways = {"idle": _rest, "traffic": _ask_often}
    await _ask_often(cache, 1.0)
    connection.send("ready")
    while True:
        try:
            what = await asyncio.to_thread(connection.recv)
        except EOFError:
            break
        began, used = time.monotonic(), time.process_time()
        await ways[what](cache, SECONDS)
        connection.send((time.process_time() - used) / (time.monotonic() - began))
    await cache.cache.close()


async def _rest(cache: CacheMiddleware, seconds: float) -> None:
    del cache
    await asyncio.sleep(seconds)


async def _ask_often(cache: CacheMiddleware, seconds: float) -> None:
    began = time.monotonic()
    for number in range(round(seconds * PER_SECOND)):
        await asyncio.sleep(began + number / PER_SECOND - time.monotonic())
        await Client().ask(cache)


async def _storm(connection: Connection, url: str) -> None:
    """Append purges of what nobody has to the log, as many as there are to be in a second."""
    with Redis.from_url(url.partition("?")[0]) as client:
        ((_, entry),) = client.xrange("asgi-cache:log", count=1)
        append = _appending(client, entry[b"identity"])
        connection.send("ready")
        began = time.monotonic()
        sent = 0
        while not connection.poll():
            due = int((time.monotonic() - began) * STORM) - sent
            append(due)
            sent += due
            await asyncio.sleep(BURST)
        connection.send(round(sent / (time.monotonic() - began)))


def _appending(client: Redis, identity: bytes) -> Callable[[int], None]:
    numbers = count()

    def append(times: int) -> None:
        pipeline = client.pipeline(transaction=False)
        for _ in range(times):
            purge = pack_purge(
                [named_tag(f"of-others:{next(numbers)}")], all_of=False, soft_at=None
            )
            fields: dict[Any, Any] = {
                b"identity": identity,
                **dict(zip(purge[::2], purge[1::2], strict=True)),
            }
            pipeline.xadd("asgi-cache:log", fields, maxlen=10_000, approximate=True)
        pipeline.execute()

    return append
