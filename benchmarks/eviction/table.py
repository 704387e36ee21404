"""What was found, as tables in Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks.eviction.cost import FEW, HITS, LOOKUP, OBJECTS, REPEATS, REPLAYS, SHARE, Cost
from benchmarks.eviction.replay import NO_BOUND, POLICIES, SHARES, Cell, Described
from benchmarks.eviction.sizes import BODY_MU, BODY_SIGMA, HEAD
from benchmarks.eviction.traces import CATALOGUE, TRACES

Found = Mapping[str, Mapping[str, Sequence[Cell]]]
"""By trace and policy, one cell for each budget."""

OBJECT: Final = 0
BYTE: Final = 1

_ABOUT_COSTS: Final = (
    f"Processor time, best of {REPEATS} turns. Hit: a get of one of {FEW:,} objects that are held. "
    f"Miss: with {OBJECTS:,} others held, a get of what is not, and the put that evicts another. "
    f"Longest put: each of those {OBJECTS:,} was asked for {HITS} times since the last eviction. "
    f"Request: all of Zipf 0.8 at {SHARE:.0%}, best of {REPLAYS}. Memory: bytes allocated after "
    "that, keys and ghosts included, for each object held."
)
_ABOUT_TRACES: Final = (
    f"{CATALOGUE:,} objects can be asked for, and bodies are lognormal (mu {BODY_MU}, sigma "
    f"{BODY_SIGMA}) below 133 kB, unless something else is said; {HEAD:,} bytes are added for the "
    "head. Alpha is from Breslau and others, Web Caching and Zipf-like Distributions, INFOCOM "
    "1999; sizes and stack distances are from Barford and Crovella, Generating Representative Web "
    "Workloads, SIGMETRICS 1998. The counts are those of the first seed."
)
_ABOUT_POLICIES: Final = (
    "SIEVE: Zhang and others, NSDI 2024. S3-FIFO: Yang and others, SOSP 2023, with a tenth of the "
    "budget for the small queue and ghosts for nine tenths. 2Q: Johnson and Shasha, VLDB 1994. "
    "W-TinyLFU: Einziger and others, TOS 2017, with exact counts in place of a sketch; a "
    "candidate must be asked for more than all its victims together. GDSF, GreedyDual-Size-"
    "Frequency: Cherkasova, HP Laboratories 1998, with the same worth for each hit. GDSF and "
    "W-TinyLFU prefer small objects; the others take no account of size."
)


def markdown(found: Found, traces: Mapping[str, Described], costs: Mapping[str, Cost]) -> str:
    """Write the summary, what was hit, what it cost, and how all was measured."""
    parts = [
        "Eviction policies within a budget of bytes, measured by `python -m benchmarks.eviction` "
        + "with Python {}.{}.".format(*sys.version_info),
        "## Points behind the best policy, over all traces and budgets",
        _summary(found),
        "## Object hit ratio in percent",
        _ratios(found, OBJECT),
        "## Byte hit ratio in percent",
        _ratios(found, BYTE),
        _about_ratios(found),
        "## Cost",
        _costs(costs),
        _ABOUT_COSTS,
        "## Traces",
        _traces(traces),
        _ABOUT_TRACES,
        "## Policies",
        _ABOUT_POLICIES,
    ]
    return "\n\n".join(parts) + "\n"


def _about_ratios(found: Found) -> str:
    spread = max(
        cell.spread.objects for cells in found.values() for name in POLICIES for cell in cells[name]
    )
    return (
        "Budgets are parts of the footprint: the bytes of all objects that are asked for. All "
        "requests count, the first for an object included. The best is bold; *no bound* is what a "
        "cache hits that evicts nothing. Figures are means of all seeds, between which an object "
        f"hit ratio differs by {100 * spread:.1f} points at most."
    )


def _summary(found: Found) -> str:
    head = ["", "objects, mean", "objects, worst", "bytes, mean", "bytes, worst"]
    rows = [[name, *_behind(found, name, OBJECT), *_behind(found, name, BYTE)] for name in POLICIES]
    return _table(head, rows)


def _behind(found: Found, policy: str, kind: int) -> tuple[str, str]:
    """Say how many points *policy* is behind, on average and where it is most."""
    behind = {
        f"{trace}, {share:.0%}": _best(cells, place, kind) - cells[policy][place].mean[kind]
        for trace, cells in found.items()
        for place, share in enumerate(SHARES)
    }
    worst = max(behind, key=behind.__getitem__)
    mean = sum(behind.values()) / len(behind)
    return f"{100 * mean:.1f}", f"{100 * behind[worst]:.1f} ({worst})"


def _best(cells: Mapping[str, Sequence[Cell]], place: int, kind: int) -> float:
    return max(cells[policy][place].mean[kind] for policy in POLICIES)


def _ratios(found: Found, kind: int) -> str:
    names = (*POLICIES, NO_BOUND)
    rows = [
        [f"{trace}, {share:.0%}", *_row(cells, place, kind)]
        for trace, cells in found.items()
        for place, share in enumerate(SHARES)
    ]
    return _table(["", *names], rows)


def _row(cells: Mapping[str, Sequence[Cell]], place: int, kind: int) -> list[str]:
    best = f"{100 * _best(cells, place, kind):.1f}"
    said = [f"{100 * cells[name][place].mean[kind]:.1f}" for name in POLICIES]
    bound = f"{100 * cells[NO_BOUND][place].mean[kind]:.1f}"
    return [*(f"**{ratio}**" if ratio == best else ratio for ratio in said), bound]


def _costs(costs: Mapping[str, Cost]) -> str:
    lookup = costs[LOOKUP].hit
    rows = [[LOOKUP, f"{lookup:.0f}", "1.0", "", "", "", ""]]
    for name in POLICIES:
        cost = costs[name]
        hit = [f"{cost.hit:.0f}", f"{cost.hit / lookup:.1f}"]
        others = [f"{cost.miss:.0f}", f"{cost.longest / 1e6:.2f}", f"{cost.request:.0f}"]
        rows.append([name, *hit, *others, f"{cost.memory:.0f}"])
    times = ["hit, ns", f"hit / {LOOKUP}", "miss, ns", "longest put, ms", "request, ns"]
    return _table(["", *times, "memory, bytes"], rows)


def _traces(traces: Mapping[str, Described]) -> str:
    head = ["", "requests", "objects", "asked for once", "footprint, MB"]
    rows = [
        [name, f"{is_.requests:,}", f"{is_.objects:,}"]
        + [f"{is_.asked_once:.0%}", f"{is_.bytes / 1e6:,.0f}"]
        for name, is_ in traces.items()
    ]
    said = "\n".join(f"- {name}: {TRACES[name][1]}." for name in traces)
    return f"{said}\n\n{_table(head, rows)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
