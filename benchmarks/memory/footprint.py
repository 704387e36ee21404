"""What a small response takes, of this process and of Redis, besides its body."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from redis import Redis

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from asgi_cache.stores.tiered import TieredStore
from benchmarks.memory.apart import resident
from benchmarks.memory.responses import FIRST, RULES, app, ask, response

RESPONSES: Final = 100_000
WARM_UP: Final = 3_000
"""Responses before the first measurement, after which a process has what it always needs."""
SAMPLE: Final = 5_000
"""Keys that Redis is asked about one by one."""

TARGET_HERE: Final = 1.3 * 1024
TARGET_REDIS: Final = 350.0

NUMBERS: Final = range(FIRST, FIRST + RESPONSES)


class Footprint(NamedTuple):
    """Bytes for each response."""

    body: float
    """Its own body, which is no overhead."""
    taken: float
    """What is left of the difference in memory when the bodies are taken off."""
    counted: float = 0.0
    """The same of what the store counts it as, or of what Redis says a key takes."""


class Length(NamedTuple):
    """What a record and a name in Redis are made of, in bytes, on average."""

    record: float
    name: float


def here() -> Footprint:
    """Ask for all, with a memory store that has room for them."""
    return asyncio.run(_here("memory://?max=4gb", NUMBERS))


def copies_of(url: str) -> Footprint:
    """Ask for all that another process has stored in Redis, and keep copies of it."""
    return asyncio.run(_here(f"{url}&local=4gb", NUMBERS))


async def _here(url: str, numbers: range) -> Footprint:
    cached = CacheMiddleware(app, cache=(cache := Cache(store=url, rules=RULES)))
    await _ask_for(cached, range(FIRST - WARM_UP, FIRST))
    before, counted_before = resident(), _counted(cache)
    await _ask_for(cached, numbers)
    await asyncio.sleep(1)
    taken = (resident() - before) / len(numbers)
    counted = (_counted(cache) - counted_before) / len(numbers)
    body = mean_body(numbers)
    await cache.close()
    return Footprint(body, taken - body, counted - body)


def _counted(cache: Cache) -> int:
    match cache.store:
        case MemoryStore() as store:
            return store.bytes
        case TieredStore() as store:
            return store.bytes_held
        case other:
            raise TypeError(other)


async def _ask_for(cached: CacheMiddleware, numbers: range) -> None:
    for number in numbers:
        await ask(cached, number)


def mean_body(numbers: range) -> float:
    """Return how many bytes a body has, on average."""
    return sum(len(response(number).body) for number in numbers) / len(numbers)


def in_redis(url: str, port: int) -> tuple[Footprint, Length]:
    """Ask for all, and see how much more of Redis is used when they have been stored."""
    with Redis(port=port) as admin:
        asyncio.run(_store(url, range(FIRST - WARM_UP, FIRST)))
        before, keys_before = _used(admin), admin.dbsize()
        asyncio.run(_store(url, NUMBERS))
        taken = (_used(admin) - before) / len(NUMBERS)
        if admin.dbsize() - keys_before != len(NUMBERS):
            raise SystemExit("Not every response is in Redis: nothing was measured.")
        body = mean_body(NUMBERS)
        return _measured(admin, body, taken)


async def _store(url: str, numbers: range) -> None:
    """Have a process store them that leaves nothing else behind, not even its connections."""
    cached = CacheMiddleware(app, cache=(cache := Cache(store=url, rules=RULES)))
    await cache.purge(tags="none")  # so that a position in the log is one as in life
    await _ask_for(cached, numbers)
    await cache.close()
    await asyncio.sleep(1)


def _used(admin: Redis) -> int:
    return int(admin.info("memory")["used_memory"])


def _measured(admin: Redis, body: float, taken: float) -> tuple[Footprint, Length]:
    names = [name for name, _ in zip(admin.scan_iter("*:r:*", 1000), range(SAMPLE), strict=False)]
    usage = [admin.memory_usage(name, samples=0) or 0 for name in names]
    lengths = [admin.strlen(name) for name in names]
    length = Length(sum(lengths) / len(names) - body, sum(map(len, names)) / len(names))
    return Footprint(body, taken - body, sum(usage) / len(names) - body), length
