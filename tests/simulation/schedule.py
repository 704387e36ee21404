"""What happens in a run of the simulation, and when: a list that can be drawn, cut and printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from hypothesis import strategies as st

ACTIONS: Final = {"read": 60, "write": 8, "purge": 8, "cancel": 5}
"""What clients and operators do, and how often."""

FAULTS: Final = {
    "hang": 2,
    "refuse": 2,
    "sever": 3,
    "lose": 3,
    "slow": 2,
    "flush": 2,
    "lose_log": 3,
    "trim": 2,
    "evict": 3,
    "corrupt": 1,
    "kill": 2,
    "fail_over": 2,
    "close": 1,
}
"""What goes wrong, and how often."""

_SHAKY = ACTIONS | FAULTS


@dataclass(frozen=True, order=True)
class Action:
    """One thing that happens, the details of which *choice* decides."""

    at: float
    what: str
    choice: int


@dataclass(frozen=True)
class Schedule:
    """All that is decided in advance."""

    seed: int
    """Decides what the actions do not: latencies, and what the app does."""
    calm: bool
    """Nothing goes wrong, and no deadline is missed."""
    actions: tuple[Action, ...]


def draw_schedule(seed: int, kinds: Mapping[str, int] | None = None) -> Schedule:
    """Draw a schedule: mostly bursts, in which much happens at nearly the same time.

    What may happen, and how often, is *kinds*: what needs few of them is met sooner where the
    others are left out.
    """
    draw = Random(seed)
    calm = draw.random() < 0.3
    if kinds is None:
        kinds = ACTIONS if calm else _SHAKY
    else:
        calm = kinds.keys() <= ACTIONS.keys()
    span = draw.choice((0.5, 2.0, 2.0, 5.0))
    bursts = [draw.uniform(0, span) for _ in range(draw.randint(1, 6))]
    count = draw.randint(10, 60)
    drawn = draw.choices(list(kinds), list(kinds.values()), k=count)
    return Schedule(
        seed,
        calm,
        tuple(sorted(Action(_instant(draw, bursts), what, _choice(draw)) for what in drawn)),
    )


def _instant(draw: Random, bursts: list[float]) -> float:
    return round(draw.choice(bursts) + draw.expovariate(1 / draw.choice((0.002, 0.02, 0.2))), 4)


def _choice(draw: Random) -> int:
    return draw.randrange(10_000)


def schedules() -> st.SearchStrategy[Schedule]:
    """Return Hypothesis's way to draw schedules, which it shrinks when one is wrong."""

    def _schedule(seed, calm, drawn):
        kinds = sorted(ACTIONS) if calm else sorted(_SHAKY)
        actions = [Action(at / 1000, kinds[n % len(kinds)], choice) for at, n, choice in drawn]
        return Schedule(seed, calm, tuple(sorted(actions)))

    small = st.integers(0, 400)
    action = st.tuples(st.integers(0, 3000), st.integers(0, 100), small)
    return st.builds(_schedule, small, st.booleans(), st.lists(action, min_size=3, max_size=30))


def without(schedule: Schedule, start: int, count: int) -> Schedule:
    """Return *schedule* less *count* of its actions."""
    actions = schedule.actions[:start] + schedule.actions[start + count :]
    return Schedule(schedule.seed, schedule.calm, actions)


def minimised(schedule: Schedule, is_wrong) -> Schedule:
    """Return as short a part of *schedule* as *is_wrong* still holds of."""
    size = len(schedule.actions)
    while size:
        start = 0
        while start < len(schedule.actions):
            shorter = without(schedule, start, size)
            if is_wrong(shorter):
                schedule = shorter
            else:
                start += size
        size //= 2
    return schedule
