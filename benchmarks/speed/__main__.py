"""``make bench``: measure all contestants, in about an hour, and write the results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, Final

from benchmarks.speed import commands, stampede, workers
from benchmarks.speed.charts import draw
from benchmarks.speed.contestants import CONTESTANTS, SIZES
from benchmarks.speed.machine import machine, versions_of_peers
from benchmarks.speed.measure import FULL, QUICK, Effort, Failures, Measurement
from benchmarks.speed.table import markdown
from benchmarks.speed.targets import judge

RESULTS: Final = Path(__file__).parents[1] / "results"
NAME: Final = "latest.json"
REPEATED: Final = ("bare", "memory-hit", "redis-hit", "fastapi-new", "miss")
TIMES: Final = 3
LONG: Final = 3
"""Seconds during which commands are counted, and several processes measured."""
QUICKLY: Final = ("bare", "memory-hit", "local-hit", "redis-hit", "miss", "not-eligible")


def main() -> int:
    """Measure what the command line names; write the results if that is everything."""
    arguments = _parser().parse_args()
    if arguments.redraw:
        _write(json.loads((RESULTS / NAME).read_text()))
        return 0
    effort = QUICK if arguments.quick else FULL
    names = arguments.name or (QUICKLY if arguments.quick else CONTESTANTS)
    sizes = SIZES[:1] if arguments.quick else SIZES
    is_whole = not (arguments.quick or arguments.name)
    found = _measure(effort, names, sizes, is_whole=is_whole)
    print(markdown(found), end="")
    if is_whole:
        _write(found)
    return int(any(_is_our_failure(row) for row in found["rows"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", epilog=f"Names: {', '.join(CONTESTANTS)}."
    )
    parser.add_argument("name", nargs="*", help="only these contestants; nothing is written")
    parser.add_argument("--quick", action="store_true", help="a few only, in two minutes")
    parser.add_argument("--redraw", action="store_true", help="make tables and charts again")
    return parser


def _measure(
    effort: Effort, names: Iterable[str], sizes: Sequence[int], *, is_whole: bool
) -> dict[str, Any]:
    on, measurement = machine(), Measurement(effort)
    rows = measurement.rows([CONTESTANTS[name] for name in names], sizes)
    failures = Failures([f"{row.title}: {row.failure}" for row in rows if row.failure])
    asked = product(commands.ASKED, [LONG]) if is_whole else ()
    sent = failures.without("commands to Redis", commands.count, asked)
    again = product(REPEATED, sizes[:1], [TIMES]) if is_whole else ()
    repeated = failures.without("counting again", measurement.repeat, again)
    shares = product(workers.ASKED, workers.NUMBERS, [LONG]) if is_whole else ()
    stampedes = stampede.asked() if is_whole else ()
    found = {
        "machine": on,
        "effort": effort,
        "targets": judge(rows, sent, repeated),
        "rows": rows,
        "repeated": repeated,
        "commands": sent,
        "workers": failures.without("processes", workers.measure, shares),
        "stampedes": failures.without("misses at once", stampede.measure, stampedes),
    }
    plain = {name: _plain(value) for name, value in found.items()}
    others = versions_of_peers() if is_whole else {}
    return plain | {"peers": others, "failures": list(dict.fromkeys(failures.said))}


def _is_our_failure(row: dict[str, Any]) -> bool:
    return bool(row["failure"]) and CONTESTANTS[row["name"]].peer is None


def _plain(value: Any) -> Any:
    return [asdict(each) for each in value] if isinstance(value, list) else asdict(value)


def _write(found: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / NAME).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "speed.md").write_text(markdown(found))
    draw(found, RESULTS)


if __name__ == "__main__":
    sys.exit(main())
