"""What each policy hits in each trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmarks.eviction.frequencies import Gdsf, TinyLfu
from benchmarks.eviction.ghosts import S3Fifo, TwoQueues
from benchmarks.eviction.queues import Clock, Fifo, Lru, Policy, Sieve, Unbounded
from benchmarks.eviction.traces import TRACES, Trace

POLICIES: Final[dict[str, type[Policy]]] = {
    "FIFO": Fifo,
    "LRU": Lru,
    "CLOCK": Clock,
    "SIEVE": Sieve,
    "S3-FIFO": S3Fifo,
    "2Q": TwoQueues,
    "W-TinyLFU": TinyLfu,
    "GDSF": Gdsf,
}
NO_BOUND: Final = "no bound"
SHARES: Final = (0.01, 0.10, 0.25)
"""Budgets, as parts of the bytes of all objects in the trace."""


class Ratios(NamedTuple):
    """Which part of the requests, and of the bytes asked for, was found."""

    objects: float
    bytes: float


class Cell(NamedTuple):
    """What a policy hits in a trace with a budget: the mean of all seeds, and how they differ."""

    mean: Ratios
    spread: Ratios


class Described(NamedTuple):
    """What a trace is made of; which part of its objects is asked for a single time."""

    requests: int
    objects: int
    bytes: int
    asked_once: float


def footprint(trace: Trace) -> int:
    """Return the bytes of all objects in *trace*."""
    return sum(size for _, size in set(trace))


def describe(trace: Trace) -> Described:
    """Count what is in *trace*."""
    asked = Counter(key for key, _ in trace)
    once = sum(times == 1 for times in asked.values())
    return Described(len(trace), len(asked), footprint(trace), once / len(asked))


def replay(policy: Policy, trace: Trace, budget: int) -> Ratios:
    """Ask for all of *trace*, and put what is not found and can fit."""
    get, put = policy.get, policy.put
    hits = hit_bytes = all_bytes = 0
    for key, size in trace:
        all_bytes += size
        if get(key):
            hits += 1
            hit_bytes += size
        elif size <= budget:
            put(key, size)
    return Ratios(hits / len(trace), hit_bytes / all_bytes)


def replay_seeds(name: str, seeds: Sequence[int]) -> dict[str, list[Cell]]:
    """Replay a trace with each policy at each share, once for each seed."""
    runs = [_replay_all(TRACES[name][0](seed)) for seed in seeds]
    return {
        policy: [_cell(of_seeds) for of_seeds in zip(*(run[policy] for run in runs), strict=True)]
        for policy in (*POLICIES, NO_BOUND)
    }


def _replay_all(trace: Trace) -> dict[str, list[Ratios]]:
    whole = footprint(trace)
    budgets = [int(whole * share) for share in SHARES]
    found = {
        name: [replay(policy(budget), trace, budget) for budget in budgets]
        for name, policy in POLICIES.items()
    }
    return found | {NO_BOUND: [replay(Unbounded(whole), trace, whole)] * len(SHARES)}


def _cell(of_seeds: Sequence[Ratios]) -> Cell:
    columns = list(zip(*of_seeds, strict=True))
    return Cell(
        Ratios(*(sum(column) / len(column) for column in columns)),
        Ratios(*(max(column) - min(column) for column in columns)),
    )
