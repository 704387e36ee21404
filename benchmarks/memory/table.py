"""The results as tables for readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from benchmarks.memory.budget import LEAST, OFFERED, Budget, State
from benchmarks.memory.compressing import Cost
from benchmarks.memory.footprint import (
    RESPONSES,
    TARGET_HERE,
    TARGET_REDIS,
    Footprint,
    Length,
)
from benchmarks.memory.lookups import BATCH, BATCHES, FEW, MOST, Times, is_flat


class Results(NamedTuple):
    """All that was measured."""

    machine: str
    here: Footprint
    copies: Footprint
    in_redis: Footprint
    length: Length
    budget: Budget
    lookups: list[Times]
    compressing: list[Cost]


HEAD: Final = """\
# What stored responses take of memory

Made by `python -m benchmarks.memory` on {machine}.

"""

NOTES: Final = """
**How.** A response is JSON of Starlette's `JSONResponse`, with `content-type` and `content-length`
and a body of {body:.0f} bytes on average (70 to 370, all lengths alike). The cache adds an entity
tag and `cache-control`; a rule adds a tag. Keys have 16 bytes. All settings are the defaults but
for the budgets.

- *In this process*: {responses:,} URLs are asked for through the middleware. The difference in
  resident memory, before and after, for each response, without its body. *Counted* is what the
  store counts it as, of its budget, in the same way. A *copy* is of a response that another
  process has stored in Redis.
- *In Redis*: the same URLs; the difference in `used_memory`, which has all that a key takes, its
  share of the key space included. `MEMORY USAGE` leaves a part of that out. Allocators round up:
  a string of 260 bytes may take 320.
- *Growth*: {offered:,} such responses are offered to a store of 1 GiB, then as many again, then as
  many that are larger. How much the process has grown is looked at after every 5,000. What a
  dictionary takes for a record varies, and is counted at its most. The last row is no mistake
  in the count: CPython keeps objects of up to 512 bytes in pools apart from larger ones, and does
  not give back what small bodies took when larger ones follow them in a full store.
- *Look-ups*: `await store.get(key)`, median over {batches:,} batches of {batch}. *{few} keys* are
  asked for again and again, so that all they touch is in the processor's own cache: what is left
  is the cost of the hash table. The others add what the processor waits for memory.
- *Compressing* is off unless `?compress=` asks for it: lists of tasks in JSON, best of several.
"""


def markdown(found: Results) -> str:
    """Return the tables, and how they came about."""
    head = ["what", "target", "measured", "met"]
    parts = [
        HEAD.format(machine=found.machine) + _table(head, _rows(found)),
        "## Look-up, by how many records are held\n\n" + _lookups(found.lookups),
        "## Compressing a body\n\n" + _compressing(found.compressing),
    ]
    return "\n\n".join(parts) + "\n" + _notes(found)


def as_json(found: Results) -> dict[str, Any]:
    """Return all figures by name, and which targets are met."""
    figures = {name: _plain(value) for name, value in found._asdict().items()}
    return figures | {"met": {row[0]: row[3] == "yes" for row in _rows(found) if row[3]}}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    return round(value, 4) if isinstance(value, float) else value


def _rows(found: Results) -> list[list[str]]:
    return [*_footprint_rows(found), *_budget_rows(found.budget), _lookup_row(found.lookups)]


def _footprint_rows(found: Results) -> list[list[str]]:
    here, copies, redis, length = found.here, found.copies, found.in_redis, found.length
    of_record = f"the record itself {length.record:,.0f}, its name {length.name:,.0f}"
    usage = f"(`MEMORY USAGE`: {redis.counted:,.0f}; {of_record})"
    return [
        _bytes("A response in this process, besides its body", here, TARGET_HERE, _counted(here)),
        _bytes("A copy of one that is in Redis", copies, TARGET_HERE, _counted(copies)),
        _bytes("A response in Redis", redis, TARGET_REDIS, usage),
    ]


def _bytes(what: str, found: Footprint, target: float, more: str) -> list[str]:
    measured = f"{found.taken:,.0f} bytes {more}"
    return [what, f"≤ {target:,.0f} bytes", measured, _yes(found.taken <= target)]


def _counted(found: Footprint) -> str:
    return f"(counted: {found.counted:,.0f})"


def _budget_rows(found: Budget) -> list[list[str]]:
    target = f"{LEAST:.0%} to 100 %"
    offered = f"{_state(found.full)} when it was full, {_state(found.offered)} in the end"
    return [
        [
            f"Growth with a budget of 1 GiB, {OFFERED:,} offered",
            target,
            offered,
            _yes(found.is_kept),
        ],
        [f"… {OFFERED:,} more", "", _state(found.churned), ""],
        [f"… {OFFERED:,} more, with bodies of up to 1,270 bytes", "", _state(found.shifted), ""],
    ]


def _lookup_row(times: Sequence[Times]) -> list[str]:
    what = f"Look-up with {times[0].entries:,} to {times[-1].entries:,} records, {FEW} keys"
    few = [each.few for each in times]
    measured = f"{min(few):.0f} to {max(few):.0f} ns"
    return [what, f"the same, within a factor of {MOST}", measured, _yes(is_flat(times))]


def _state(state: State) -> str:
    return f"{state.grown:.1%} with {state.kept:,} kept"


def _yes(is_met: bool) -> str:
    return "yes" if is_met else "**no**"


def _lookups(times: Iterable[Times]) -> str:
    head = ["records", f"{FEW} keys, ns", "all, as they were stored, ns", "all, at random, ns"]
    rows = [
        [f"{each.entries:,}", f"{each.few:.0f}", f"{each.stored:.0f}", f"{each.random:.0f}"]
        for each in times
    ]
    return _table(head, rows)


def _compressing(costs: Iterable[Cost]) -> str:
    head = ["kilobytes", "by", "size", "compress, ms", "expand, ms"]
    rows = [
        [f"{each.kilobytes:,}", each.coding, f"{each.part:.0%}"]
        + [f"{each.compress:.3f}", f"{each.expand:.3f}"]
        for each in costs
    ]
    return _table(head, rows)


def _notes(found: Results) -> str:
    return NOTES.format(
        body=found.here.body,
        responses=RESPONSES,
        offered=OFFERED,
        batch=BATCH,
        batches=BATCHES,
        few=FEW,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
