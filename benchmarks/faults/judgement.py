"""What a trial shows: how good the answers were, and when they were as before again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, NamedTuple

from benchmarks.faults.trial import Asked, Phases, Record

BIN: Final = 0.1
"""Seconds of answers that are looked at together."""
TOLERANCE: Final = 0.01
"""Seconds beyond the app's own p99 from which on an answer counts as slow."""
FEW: Final = 0.1
"""The share of slow answers that a busy machine may be to blame for."""


class Phase(NamedTuple):
    """The answers to what was asked in one phase; times in milliseconds."""

    asked: int
    correct: float
    """The share of answers that were."""
    wrong: int
    """Answers from before a purge that had been acknowledged, or to something else."""
    errors: int
    alone_errors: int
    """Those of the app alone."""
    hits: float
    p50: float
    p99: float
    p50_added: float
    p99_added: float


class Verdict(NamedTuple):
    """What became of one cache in one fault."""

    before: Phase
    during: Phase
    after: Phase
    to_open: float | None
    """Seconds from the fault until answers took no longer than the app's; nothing: never."""
    to_recover: float | None
    """Seconds from its end to the first hit on what was made after it; nothing: never."""
    purges: int
    acknowledged: int
    """How many of the purges that were asked for during the fault."""
    client_late: float
    """Milliseconds after they were due that 99 of 100 requests had been sent."""


def judge(record: Record, phases: Phases) -> Verdict:
    """Return what a trial shows."""
    from_fault = max(record.healed_at, record.fault_at + phases.during)
    spans = (
        (record.began_at, record.fault_at),
        (record.fault_at, from_fault),
        (from_fault, record.ended_at),
    )
    before, during, after = (_phase(record, *span) for span in spans)
    purges = [each for each in record.purges if record.fault_at <= each.at < from_fault]
    return Verdict(
        before,
        during,
        after,
        _to_open(record, from_fault),
        _to_recover(record),
        len(purges),
        sum(each.is_acknowledged for each in purges),
        round(_percentile(record.late, 99) * 1e3, 1),
    )


def _phase(record: Record, start: float, end: float) -> Phase:
    cached, alone = (_between(each, start, end) for each in (record.cached, record.alone))
    ours, theirs = _times(cached), _times(alone)
    errors = sum(each.is_error for each in cached)
    correct = sum(each.is_correct for each in cached)
    return Phase(
        asked=len(cached),
        correct=round(correct / len(cached), 4),
        wrong=len(cached) - correct - errors,
        errors=errors,
        alone_errors=sum(each.is_error for each in alone),
        hits=round(sum(each.is_hit for each in cached) / len(cached), 3),
        p50=_milliseconds(median(ours)),
        p99=_milliseconds(_percentile(ours, 99)),
        p50_added=_milliseconds(median(ours) - median(theirs)),
        p99_added=_milliseconds(_percentile(ours, 99) - _percentile(theirs, 99)),
    )


def _between(asked: Iterable[Asked], start: float, end: float) -> list[Asked]:
    return [each for each in asked if start <= each.at < end]


def _times(asked: Iterable[Asked]) -> list[float]:
    return [each.took for each in asked]


def _percentile(values: Iterable[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1e3, 1) + 0.0  # which is not negative


def _to_open(record: Record, end: float) -> float | None:
    """Return when the last bin of the fault ended in which more than a few were slow."""
    own = _percentile(_times(_between(record.alone, record.fault_at, end)), 99)
    opened_at = record.fault_at
    at = record.fault_at
    while at < end:
        asked = _between(record.cached, at, at + BIN)
        at += BIN
        if _share_of_slow(asked, own + TOLERANCE) > FEW:
            opened_at = at
    return None if opened_at >= end - BIN else round(opened_at - record.fault_at, 1)


def _share_of_slow(asked: Sequence[Asked], limit: float) -> float:
    slow = sum(each.took > limit or each.is_error for each in asked)
    return slow / len(asked) if asked else 0.0


def _to_recover(record: Record) -> float | None:
    """Return when the first hit was asked for on what was made after the fault."""
    hits = [each.at for each in record.cached if each.is_hit and each.made_at > record.healed_at]
    return round(min(hits) - record.healed_at, 2) if hits else None
