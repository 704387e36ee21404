"""The results as a table for readers."""

from __future__ import annotations

from typing import Final, NamedTuple

from benchmarks.coherence import flights, following, purges, tags, unshared
from benchmarks.coherence.spread import Spread


class Results(NamedTuple):
    """All that was measured."""

    machine: str
    purges: dict[str, purges.Staleness]
    flight_within: flights.WakeUp
    flight_across: flights.WakeUp
    tags: tags.TagCost
    unshared: unshared.Unshared
    load: following.Load


HEAD: Final = """\
# How fast processes agree

Made by `python -m benchmarks.coherence` on {machine}.

| what | target | measured |
| --- | --- | --- |
"""

NOTES: Final = """
**How.** Each process is a real one with an event loop, a cache and connections of its own, on one
`redis-server` on the same machine; its app is called without HTTP in between, and all look at the
one monotonic clock of the system. The store's settings are the defaults, but for a `timeout` of
5 s, which no delay of the machine exceeds.

- *Old answers*: {purges} purges, {low:.0f} to {high:.0f} ms apart, each after a change of what the
  app answers. Two other processes ask for it every millisecond. From when `purge` has returned to
  the end of the last answer from before; 0 if there was none. A process that may have one
  connection only (`max_connections=1`) has none to wait for purges with, and reads the log when its
  copies are asked for and 40 ms have passed.
- *Wake-up*: {rounds} rounds, an app that takes 300 ms. From the end of the leader's answer to the
  end of each of the others'. Across processes, 125 clients ask in each of four, and those count
  that are not in the leader's.
- *Purge of a tag*: {tag_purges} purges one after another, with {responses:,} responses in Redis
  that carry the tag (one made by a request, the others written by the store with its tags).
- *Nothing to share*: a `private` response that takes 100 ms, {turns} rounds in turns with the bare
  app, after one that finds out that it is private. Median of the ratios of neighbouring rounds.
- *Processor time* of one process, its event loop and its client included: medians of {load_turns}
  turns of {seconds:.0f} s each. A process follows the log for 10 s after its last request. The
  purges of the storm are appended to the log by a script that does nothing else.
"""


def markdown(found: Results) -> str:
    """Return the table, and how it came about."""
    rows = [
        *_purge_rows(found),
        *_flight_rows(found),
        *_tag_rows(found.tags),
        *_unshared_rows(found.unshared),
        *_load_rows(found.load),
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return HEAD.format(machine=found.machine) + table + _notes()


def _notes() -> str:
    low, high = purges.BETWEEN
    return NOTES.format(
        purges=purges.PURGES,
        low=low * 1e3,
        high=high * 1e3,
        rounds=flights.ROUNDS,
        tag_purges=tags.PURGES,
        responses=tags.RESPONSES,
        turns=unshared.ROUNDS,
        seconds=following.SECONDS,
        load_turns=following.TURNS,
    )


def _times(spread: Spread) -> str:
    return f"median {spread.median:g} ms, p99 {spread.p99:g} ms, max {spread.max:g} ms"


def _purge_rows(found: Results) -> list[tuple[str, str, str]]:
    titles = {"waits": "it waits for purges", "asks": "it has one connection only"}
    return [
        (
            f"Old answers of another process after a purge, {titles[name]}",
            "max 100 ms",
            f"{_times(each.lasted)}; none after {1 - each.affected:.0%} of the purges",
        )
        for name, each in found.purges.items()
    ]


def _flight_rows(found: Results) -> list[tuple[str, str, str]]:
    return [
        (
            f"Wake-up of {flights.FOLLOWERS} followers in the leader's process",
            "median < 5 ms",
            _flight(found.flight_within),
        ),
        (
            f"Wake-up across {flights.PROCESSES} processes",
            "median < 40 ms",
            _flight(found.flight_across),
        ),
    ]


def _flight(wake_up: flights.WakeUp) -> str:
    return f"{_times(wake_up.waited)}; {wake_up.runs:g} runs a round"


def _tag_rows(cost: tags.TagCost) -> list[tuple[str, str, str]]:
    appended = cost.of_many.commands.get("xadd", 0)
    used = ", ".join(f"{times:g} {name}" for name, times in cost.of_many.commands.items())
    return [
        (f"Purge of a tag on {cost.stored - 1:,} responses", "< 5 ms", _times(cost.of_many.took)),
        ("The same, on one response", "", _times(cost.of_one.took)),
        ("Commands of such a purge", "1 XADD", f"{appended:g} XADD ({used})"),
    ]


def _unshared_rows(found: unshared.Unshared) -> list[tuple[str, str, str]]:
    times = f"{found.with_cache:g} ms / {found.without:g} ms"
    return [
        (
            f"{unshared.TIMES} requests at once, nothing to share: time with the cache / without",
            "≤ 1.1",
            f"{found.ratio:g} ({times}), {found.together} at once",
        )
    ]


def _load_rows(load: following.Load) -> list[tuple[str, str, str]]:
    rate = following.PER_SECOND
    return [
        (what, "", f"{percent:g} % of a core")
        for what, percent in (
            ("Processor time: idle for long", load.idle),
            ("… idle since a moment ago", load.after_use),
            (f"… {rate} hits/s on its own copies", load.traffic),
            (f"… {rate} hits/s, `memory://`, without a log", load.traffic_in_memory),
            (f"… {load.purges:,.0f} purges/s elsewhere", load.storm),
            (f"… {load.purges:,.0f} purges/s elsewhere, and {rate} hits/s", load.storm_and_traffic),
        )
    ]
