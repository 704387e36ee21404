"""What each policy costs in CPython: the time of a hit and of a miss, and memory."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Final, NamedTuple

from benchmarks.eviction.queues import Key, Policy
from benchmarks.eviction.replay import POLICIES, footprint, replay
from benchmarks.eviction.traces import Trace, zipf

FEW: Final = 1_000
"""Objects that fit into the processor's own cache, so that the work of a get is what is timed."""
OBJECTS: Final = 10_000
SIZE: Final = 2_000
REPEATS: Final = 25
REPLAYS: Final = 5
HITS: Final = 3
"""As many as any policy but GDSF and W-TinyLFU counts."""
SHARE: Final = 0.10
LOOKUP: Final = "dict.get"


class Cost(NamedTuple):
    """Nanoseconds of processor time, and bytes for each object that is held."""

    hit: float
    miss: float = 0
    """A get that finds nothing, and the put that has to evict."""
    longest: float = 0
    """A put that has to evict where everything was asked for of late."""
    request: float = 0
    """Each request of a trace, hits and misses."""
    memory: float = 0
    """Keys and ghosts are counted, the objects themselves are not."""


def measure() -> dict[str, Cost]:
    """Measure all policies in turns, so that a machine which slows down slows them all."""
    with _without_collections():
        hits, misses, longest = _hits(), _misses(), _longest_puts()
        trace = zipf(1)
        requests = _requests(trace)
    found = {LOOKUP: Cost(hits.pop(LOOKUP))}
    for name, policy in POLICIES.items():
        memory = _memory(policy, trace)
        found[name] = Cost(hits[name], misses[name], longest[name], requests[name], memory)
    return found


def _hits() -> dict[str, float]:
    """Time gets of what is held, in no order, best of the repeats."""
    keys = [number.to_bytes(16, "big") for number in range(FEW)]
    gets: dict[str, Callable[[Key], object]] = {LOOKUP: dict.fromkeys(keys, SIZE).get}
    for name, policy in POLICIES.items():
        gets[name] = _filled(policy(2 * FEW * SIZE), keys).get
    Random(1).shuffle(keys)  # noqa: S311 - the same order in every run
    if not all(get(key) for get in gets.values() for key in keys):
        raise SystemExit("Not every get was a hit: nothing was measured.")
    asked = keys * (OBJECTS // FEW)
    turns = [{name: _time_gets(get, asked) for name, get in gets.items()} for _ in range(REPEATS)]
    return _best(turns, len(asked))


def _time_gets(get: Callable[[Key], object], keys: list[Key]) -> float:
    began = time.process_time()
    for key in keys:
        get(key)
    return time.process_time() - began


def _misses() -> dict[str, float]:
    """Time gets and puts of what is new, with a full cache, best of the repeats."""
    numbers = count()
    full = {name: policy(OBJECTS * SIZE) for name, policy in POLICIES.items()}
    turns = []
    for _ in range(REPEATS):
        keys = [next(numbers).to_bytes(16, "big") for _ in range(2 * OBJECTS)]
        turns.append({name: _time_misses(policy, keys) for name, policy in full.items()})
    return _best(turns[1:], 2 * OBJECTS)


def _time_misses(policy: Policy, keys: list[Key]) -> float:
    get, put = policy.get, policy.put
    began = time.process_time()
    for key in keys:
        if not get(key):
            put(key, SIZE)
    return time.process_time() - began


def _longest_puts() -> dict[str, float]:
    """Time the put that has the longest way to something it can evict, best of some repeats."""
    turns = [
        {name: _time_longest_put(policy(OBJECTS * SIZE)) for name, policy in POLICIES.items()}
        for _ in range(REPLAYS)
    ]
    return _best(turns, 1)


def _time_longest_put(policy: Policy) -> float:
    """Time a put after everything was asked for; twice, as the first may only move it elsewhere."""
    keys = [number.to_bytes(16, "big") for number in range(OBJECTS + 2)]
    _filled(policy, keys[:OBJECTS])
    longest = 0.0
    for new in keys[OBJECTS:]:
        for _ in range(HITS):
            _time_gets(policy.get, keys)
        longest = max(longest, _time_misses(policy, [new]))
    return longest


def _requests(trace: Trace) -> dict[str, float]:
    """Time whole replays, best of several."""
    budget = int(footprint(trace) * SHARE)
    turns = [
        {name: _time_replay(policy(budget), trace, budget) for name, policy in POLICIES.items()}
        for _ in range(REPLAYS)
    ]
    return _best(turns, len(trace))


def _time_replay(policy: Policy, trace: Trace, budget: int) -> float:
    began = time.process_time()
    replay(policy, trace, budget)
    return time.process_time() - began


def _memory(kind: type[Policy], trace: Trace) -> float:
    """Return the bytes that are allocated after a replay, for each object that is then held.

    Each request has a key of its own, as it has in life; those that are not kept are gone.
    """
    budget = int(footprint(trace) * SHARE)
    tracemalloc.start()
    try:
        policy = kind(budget)
        for key, size in trace:
            fresh = bytes(bytearray(key))
            if not policy.get(fresh):
                policy.put(fresh, size)
        return tracemalloc.get_traced_memory()[0] / len(policy)
    finally:
        tracemalloc.stop()


def _filled(policy: Policy, keys: list[Key]) -> Policy:
    for key in keys:
        policy.put(key, SIZE)
    return policy


def _best(turns: list[dict[str, float]], times: int) -> dict[str, float]:
    """Return the nanoseconds of one, of so many in each turn."""
    return {name: min(turn[name] for turn in turns) / times * 1e9 for name in turns[0]}


@contextmanager
def _without_collections() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
