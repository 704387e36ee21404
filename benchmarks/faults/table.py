"""The results as a table for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.faults import contestants, judgement, trial
from benchmarks.faults.judgement import Verdict


class Row(NamedTuple):
    """One fault, and one cache."""

    fault: str
    cache: str
    verdict: Verdict


class Results(NamedTuple):
    """All that was found."""

    machine: str
    versions: Mapping[str, str]
    phases: Mapping[str, float]
    rows: Sequence[Row]


HEAD: Final = """\
# When Redis is in trouble

Made by `python -m benchmarks.faults` on {machine}.

| fault | cache | correct | errors | wrong | hits | p50, ms more | p99, ms more | to open, s | \
to recover, s | purges |
| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
"""

NOTES: Final = """
**How.** An app that takes {app:.0f} ms is served by uvicorn, in a process with the cache and in
another one without it; both are sent the same {rate} requests a second for {items} URLs at the same
time. Requests are sent when they are due, whether earlier ones were answered or not, and go away
after 10 s. Every {between:g} s the data changes, all that is stored is purged, and the purge is
waited for. The fault begins {before:g} s after the requests, is over after {during:g} s unless it
is over at once, and {after:g} s follow. The caches, {versions}, have their default settings. All is
on one machine; a cache reaches Redis by way of a proxy where the fault is the proxy's work.

- *Correct*: of what was asked from the fault on, the share of complete answers to the request that
  was sent, and not from before a purge that had been acknowledged when it was sent. The others are
  *errors* (500 and more, or no answer) and *wrong* answers; the app alone had {own} errors.
- *Hits*: answers that had been made before they were asked for, during the fault.
- *More*: than the app alone at the same time, during the fault.
- *To open*: from the fault until no more than {few:.0%} of the answers in any {bin:g} s until its
  end were slower than the app's own p99 and {tolerance:.0f} ms.
- *To recover*: from its end to the first hit on what was made after it.
- *Purges* that were acknowledged, of those that were asked for during the fault.
- The client sent 99 of 100 requests within {late:g} ms of when they were due, or sooner.
"""


def markdown(found: Results) -> str:
    """Return the table, and how it came about."""
    table = "".join(f"| {' | '.join(_cells(row))} |\n" for row in found.rows)
    return HEAD.format(machine=found.machine) + table + _notes(found)


def _cells(row: Row) -> tuple[str, ...]:
    verdict = row.verdict
    during, after = verdict.during, verdict.after
    asked = during.asked + after.asked
    correct = during.correct * during.asked + after.correct * after.asked
    return (
        row.fault,
        row.cache,
        f"{correct / asked:.2%}",
        f"{during.errors + after.errors}",
        f"{during.wrong + after.wrong}",
        f"{during.hits:.0%}",
        f"{during.p50_added:+g}",
        f"{during.p99_added:+g}",
        _seconds(verdict.to_open),
        _seconds(verdict.to_recover),
        f"{verdict.acknowledged} of {verdict.purges}",
    )


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:g}"


def _notes(found: Results) -> str:
    return NOTES.format(
        app=contestants.SECONDS * 1e3,
        rate=trial.RATE,
        items=trial.ITEMS,
        between=trial.BETWEEN,
        **found.phases,
        versions=", ".join(f"{name} {number}" for name, number in found.versions.items()),
        own=sum(sum(phase.alone_errors for phase in row.verdict[:3]) for row in found.rows),
        few=judgement.FEW,
        bin=judgement.BIN,
        tolerance=judgement.TOLERANCE * 1e3,
        late=max(row.verdict.client_late for row in found.rows),
    )
