"""Whether a look-up takes longer where more is stored."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Final, NamedTuple

from asgi_cache.stores.memory import MemoryStore
from benchmarks.memory.responses import FIRST, record

ENTRIES: Final = (1_000, 10_000, 100_000, 1_000_000)
FEW: Final = 100
BATCH: Final = 100
"""Look-ups between two looks at the clock, which takes as long as one of them."""
BATCHES: Final = 4_000

MOST: Final = 1.25
"""How much longer the longest of the medians may be than the shortest, which is noise."""


class Times(NamedTuple):
    """Nanoseconds of a look-up, as the median over all batches, by the order of the keys."""

    entries: int
    few: float
    """The same few again and again, in random order: what the hash table costs."""
    stored: float
    """All in the order in which they were stored, as their memory is."""
    random: float
    """All in random order: what the processor pays for memory that it has not at hand."""


async def measure() -> list[Times]:
    """Fill a store step by step, and time look-ups at each step."""
    store, random = MemoryStore(1 << 32, clock=lambda: 1.7e9), Random(1)  # noqa: S311
    keys: list[bytes] = []
    found: list[Times] = []
    for entries in ENTRIES:
        for number in range(FIRST + len(keys), FIRST + entries):
            stored = record(number)
            keys.append(stored.key)
            await store.put(stored.key, stored, 1e6)
        found.append(await _times(store, keys, random))
    return found


async def _times(store: MemoryStore, keys: list[bytes], random: Random) -> Times:
    few = random.sample(keys, FEW)
    draw = (random.choice(keys) for _ in cycle([None]))
    gc.collect()
    gc.disable()
    try:
        orders: Iterable[Iterator[bytes]] = (cycle(few), cycle(keys), draw)
        return Times(len(keys), *[await _time(store, order) for order in orders])
    finally:
        gc.enable()


async def _time(store: MemoryStore, keys: Iterator[bytes]) -> float:
    """Time batches of look-ups; each key is a byte string of its own, as that of a request is."""
    get, times = store.get, []
    if await get(next(keys)) is None:
        raise SystemExit("A look-up is no hit: nothing is measured.")
    for _ in range(BATCHES):
        batch = [bytes(bytearray(key)) for key in islice(keys, BATCH)]
        began = perf_counter_ns()
        for key in batch:
            await get(key)
        times.append((perf_counter_ns() - began) / BATCH)
    return median(times)


def is_flat(times: Sequence[Times]) -> bool:
    """Whether it takes the same time however much is stored, caches of the processor aside."""
    few = [each.few for each in times]
    return max(few) <= MOST * min(few)
