"""What it costs to purge a tag that a hundred thousand stored responses carry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from asgi_cache import CacheMiddleware
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.redis import RedisStore
from benchmarks.coherence.client import App, Client
from benchmarks.coherence.spread import Spread

RESPONSES: Final = 100_000
AT_ONCE: Final = 500
PURGES: Final = 200
RULES: Final = {"/**": {"ttl": "1h", "early_refresh": 0, "tags": ["everywhere"]}}


class Cost(NamedTuple):
    """Of one purge."""

    took: Spread
    commands: dict[str, float]
    """What Redis was asked for, for each purge."""


class TagCost(NamedTuple):
    """Of a purge when the tag is on one stored response, and when it is on all of them."""

    of_one: Cost
    of_many: Cost
    stored: int
    """Keys in Redis."""
    voided: bool
    """The responses that were looked at could be served before the purge, and not after it."""


async def measure(url: str) -> TagCost:
    """Purge both, after having stored the many."""
    cache = CacheMiddleware(App(), store=url + "&local=0", rules=RULES)
    store = cache.cache.store
    if not isinstance(store, RedisStore):
        raise TypeError("the store is not on Redis alone")
    async with Redis.from_url(url.partition("?")[0]) as client:
        await client.flushall()
        of_one = await _purged(cache, client)
        await _store(cache, client, store)
        stored = await client.dbsize()
        was_good = await _is_good(cache)
        of_many = await _purged(cache, client)
        voided = was_good and not await _is_good(cache)
    await cache.cache.close()
    return TagCost(of_one, of_many, stored, voided)


async def _store(cache: CacheMiddleware, client: Redis, store: RedisStore) -> None:
    """Store one response by a request, and so many others like it, under keys of their own."""
    await client.delete(*await client.keys("*:r:*") or ["none"])
    await Client("/some").ask(cache)
    (name,) = await client.keys("*:r:*")
    like = await store.get(bytes.fromhex(bytes(name).rpartition(b":")[2].decode()))
    if not isinstance(like, StoredResponse):
        raise TypeError("what was just stored is not there")
    for first in range(1, RESPONSES, AT_ONCE):
        several = range(first, min(first + AT_ONCE, RESPONSES))
        keys = (number.to_bytes(16, "big") for number in several)
        await asyncio.gather(*(store.put(key, replace(like, key=key), 3600.0) for key in keys))


async def _is_good(cache: CacheMiddleware) -> bool:
    client = await Client("/some").ask(cache)
    return b"hit" in client.fields[b"cache-status"].split(b"; ")


async def _purged(cache: CacheMiddleware, client: Redis) -> Cost:
    """Purge often; nothing is stored in between, and a purge does not look."""
    await cache.cache.purge(tags="other")  # connects
    await client.config_resetstat()
    took = []
    for _ in range(PURGES):
        began = time.monotonic()
        await cache.cache.purge(tags="everywhere")
        took.append(time.monotonic() - began)
    return Cost(Spread.of(took), _each(await client.info("commandstats")))


def _each(stats: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return how often each command was used for one purge."""
    used = {name.removeprefix("cmdstat_"): stats[name]["calls"] / PURGES for name in stats}
    return {name: times for name, times in sorted(used.items()) if times >= 1}
