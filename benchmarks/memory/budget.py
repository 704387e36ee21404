"""How much memory a store with a budget takes when it is offered more than it can keep."""

from __future__ import annotations

from typing import Final, NamedTuple

from asgi_cache.stores.memory import MemoryStore
from benchmarks.memory.apart import resident, resident_now
from benchmarks.memory.responses import FIRST, LARGER, record

BUDGET: Final = 1024**3
OFFERED: Final = 1_000_000
WARM_UP: Final = 3_000
EVERY: Final = 5_000
"""Responses between two looks at the memory."""

LEAST: Final = 0.9
"""The part of the budget that has to be used in the end, so that it is not given for nothing."""


class State(NamedTuple):
    """How things stand after so many were offered."""

    offered: int
    kept: int
    grown: float
    """How much the process has grown, as a part of the budget."""


class Budget(NamedTuple):
    """How things stand at one time after another."""

    full: State
    """When the first had to go."""
    offered: State
    """After a million."""
    churned: State
    """After another million."""
    shifted: State
    """After a third, of larger ones."""
    most: float
    """The largest part of the budget before that."""

    @property
    def is_kept(self) -> bool:
        """Whether the process never grew by more than the budget, and by most of it."""
        return self.most <= 1.0 and min(self.full.grown, self.offered.grown) >= LEAST


async def measure() -> Budget:
    """Offer a store of 1 GiB three million small responses."""
    await _offer(MemoryStore(BUDGET), range(FIRST - WARM_UP, FIRST))
    before, store = resident(), MemoryStore(BUDGET, clock=lambda: 1.7e9)
    states: list[State] = []
    full: State | None = None
    for first in [
        *range(FIRST, FIRST + 2 * OFFERED, EVERY),
        *range(LARGER, LARGER + OFFERED, EVERY),
    ]:
        await _offer(store, range(first, first + EVERY))
        grown = (resident_now() - before) / BUDGET
        states.append(State((len(states) + 1) * EVERY, store.entries, grown))
        if store.evictions and full is None:
            full = states[-1]
    if full is None:
        raise SystemExit("The store was never full: nothing was measured.")
    offered, churned, shifted = states[OFFERED // EVERY - 1 :: OFFERED // EVERY]
    most = max(state.grown for state in states[: churned.offered // EVERY])
    return Budget(full, offered, churned, shifted, most)


async def _offer(store: MemoryStore, numbers: range) -> None:
    for number in numbers:
        stored = record(number)
        await store.put(stored.key, stored, 1e6)
