"""What is aimed at, and whether it was reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.speed.commands import Commands
from benchmarks.speed.contestants import SIZES
from benchmarks.speed.measure import Repeated, Row

SMALL, LARGE = SIZES
AT_LEAST: Final[Mapping[tuple[str, int], float]] = {
    ("local-hit", SMALL): 0.92,
    ("local-hit", LARGE): 0.92,
    ("redis-hit", SMALL): 0.75,
    ("redis-hit", LARGE): 0.60,
}
"""Requests per second, as a part of what the contestant beside it makes."""

AT_MOST: Final[Mapping[tuple[str, int], float]] = {
    ("local-hit", SMALL): 1.06,
    ("local-hit", LARGE): 1.06,
    ("redis-hit", SMALL): 1.35,
    ("miss", SMALL): 1.20,
    ("miss", LARGE): 1.20,
    ("redis-miss", SMALL): 1.20,
    ("redis-miss", LARGE): 1.20,
    ("not-eligible", SMALL): 1.01,
    ("not-eligible", LARGE): 1.01,
}
"""Instructions, as a multiple of what the contestant beside it needs."""

COMMANDS: Final[Mapping[str, float]] = {
    "local-hit": 0.0,
    "local-many": 0.0,
    "redis-hit": 1 / 8,
    "redis-many": 1 / 8,
}
"""That Redis is sent for each request."""
BY_THE_CLOCK: Final = 0.005
"""Commands per request that count as none: the log is read so many times a second."""

QUIET: Final = 0.1
"""How far a turn of a contestant beside itself may be from 1 on a machine without other work."""

SPREAD: Final = 0.01
"""Of instructions, from one process to another."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One target, and what was measured."""

    what: str
    target: str
    measured: str
    passed: bool


def judge(
    rows: Sequence[Row], commands: Sequence[Commands], repeated: Sequence[Repeated]
) -> list[Judged]:
    """Set each target beside its figure; one without a figure is missed."""
    return [
        *(_of_quiet(row) for row in rows if row.name == row.beside),
        *(judged for row in rows for judged in _of_row(row)),
        *(_of_commands(name, commands) for name in COMMANDS if commands),
        *(_of_repeated(each) for each in repeated),
    ]


def _of_quiet(row: Row) -> Judged:
    ratio = row.throughput.ratio if row.throughput else None
    return Judged(
        f"The machine is quiet: `{row.name}` beside itself, {row.size // 1024} KB, all turns",
        f"{1 - QUIET:g} – {1 + QUIET:g}",
        f"{ratio.low:.3f} – {ratio.high:.3f}" if ratio else "none",
        ratio is not None and ratio.low >= 1 - QUIET and ratio.high <= 1 + QUIET,
    )


def _of_row(row: Row) -> Iterator[Judged]:
    what, of = f"`{row.name}`, {row.size // 1024} KB", (row.name, row.size)
    if of in AT_LEAST:
        ratio, limit = row.throughput.ratio.median if row.throughput else None, AT_LEAST[of]
        yield Judged(
            f"{what}: requests/s of `{row.beside}`",
            f"≥ {limit:.2f}",
            _shown(ratio),
            ratio is not None and ratio >= limit,
        )
    if of in AT_MOST:
        ratio, limit = row.instructions_ratio, AT_MOST[of]
        yield Judged(
            f"{what}: instructions of `{row.beside}`",
            f"≤ {limit:.2f}",
            _shown(ratio),
            ratio is not None and ratio <= limit,
        )


def _shown(ratio: float | None) -> str:
    return "none" if ratio is None else f"{ratio:.3f}"


def _of_commands(name: str, commands: Sequence[Commands]) -> Judged:
    limit = COMMANDS[name]
    sent = {each.name: each.per_request for each in commands}.get(name)
    return Judged(
        f"`{name}`: commands to Redis for each request",
        f"≤ {limit:g}" if limit else "0",
        _shown(sent),
        sent is not None and sent <= max(limit, BY_THE_CLOCK),
    )


def _of_repeated(repeated: Repeated) -> Judged:
    return Judged(
        f"`{repeated.name}`: instructions, from one process to another",
        f"within {SPREAD:.0%}",
        f"{repeated.spread:.2%}",
        repeated.spread <= SPREAD,
    )
