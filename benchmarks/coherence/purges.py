"""How long a process goes on serving its own copy of what was purged in another one.

One process purges, two others are asked for the same every millisecond: one that waits for
purges, and one that may have one connection only, and so reads the log when 40 ms have passed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from asgi_cache import Cache, CacheMiddleware
from benchmarks.coherence.children import child, said, spawning
from benchmarks.coherence.client import App, Client
from benchmarks.coherence.spread import Spread

PURGES: Final = 600
PAUSE: Final = 0.001
"""Seconds between two requests for the same."""
BETWEEN: Final = (0.11, 0.2)
"""Seconds between two purges, so spread that they are in step with nothing."""
RULES: Final = {"/**": {"ttl": "1h", "early_refresh": 0, "tags": ["page"]}}


class Staleness(NamedTuple):
    """What one process did after the purges of another."""

    lasted: Spread
    """From the acknowledgement of a purge to the end of the last answer from before it."""
    affected: float
    """The share of purges after which there was such an answer at all."""
    answers: int
    """How many answers were looked at."""


def measure(url: str) -> dict[str, Staleness]:
    """Purge often, and see what both of the other processes serve."""
    version = spawning.Value("q", 0)
    with ExitStack() as stack:
        watching = {
            name: stack.enter_context(child(_serve, url + options, version))
            for name, options in (("waits", ""), ("asks", "&max_connections=1"))
        }
        for connection in watching.values():
            said(connection)
        acknowledged = asyncio.run(_purge_often(url, version))
        for connection in watching.values():
            connection.send("stop")
        return {name: _judged(acknowledged, *said(each)) for name, each in watching.items()}


async def _purge_often(url: str, version: Any) -> list[float]:
    """Purge after each change; when each purge was acknowledged."""
    cache, acknowledged = Cache(store=url, rules=RULES), [time.monotonic()]
    for number in range(1, PURGES + 1):
        await asyncio.sleep(random.uniform(*BETWEEN))  # noqa: S311 - nobody guesses it
        version.value = number
        await cache.purge(tags="page")
        acknowledged.append(time.monotonic())
    await asyncio.sleep(BETWEEN[1])
    await cache.close()
    return acknowledged


async def _serve(connection: Connection, url: str, version: Any) -> None:
    """Ask for the same again and again; when each version was the answer for the last time."""
    app = App()
    app.body = lambda: b"%d" % version.value
    cache = CacheMiddleware(app, store=url, rules=RULES)
    last: dict[int, float] = {}
    answers = 0
    while not connection.poll():
        client = await Client().ask(cache)
        last[int(client.body)] = client.done_at
        answers += 1
        if answers == 10:
            connection.send("ready")
        await asyncio.sleep(PAUSE)
    connection.send((last, answers))
    await cache.cache.close()


def _judged(acknowledged: list[float], last: Mapping[int, float], answers: int) -> Staleness:
    lasted = []
    for number in range(1, len(acknowledged)):
        ended = max(at for version, at in last.items() if version < number)
        lasted.append(max(0.0, ended - acknowledged[number]))
    affected = sum(each > 0 for each in lasted) / len(lasted)
    return Staleness(Spread.of(lasted), round(affected, 3), answers)
