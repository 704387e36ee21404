"""``python -m benchmarks.speed.instructions NAME ...``: processor instructions for each request.

A figure is set beside another one if that was named before it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from benchmarks.speed.callgrind import TURNS, Counted, counting
from benchmarks.speed.client import CONNECTIONS
from benchmarks.speed.contestants import CONTESTANTS, SIZES, Contestant

TOP: Final = 40
"""Functions that are shown."""


def main() -> None:
    """Print a line for each contestant."""
    arguments = _parser().parse_args()
    found: dict[str, Counted] = {}
    for name in arguments.name:
        with counting(CONTESTANTS[name], arguments.size, arguments.together) as counter:
            found[name] = counter.count(arguments.turns, arguments.waves)
            print(_line(CONTESTANTS[name], found), flush=True)
            if arguments.annotate:
                print(counter.annotated(TOP), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.instructions",
        epilog=f"Names: {', '.join(CONTESTANTS)}.",
    )
    parser.add_argument("name", nargs="+", choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--size", type=int, default=SIZES[0], help="bytes of the body")
    parser.add_argument("--waves", type=int, help="of 32 requests, in each turn")
    parser.add_argument("--together", type=int, default=CONNECTIONS, help="requests at once")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--annotate", action="store_true", help="say in which functions")
    return parser


def _line(contestant: Contestant, found: Mapping[str, Counted]) -> str:
    counted, beside = found[contestant.name], found.get(contestant.beside)
    line = f"{contestant.name:20}{counted.per_request:>12,}"
    line += f"  ({counted.low:,} to {counted.high:,})"
    if beside is not None:
        line += f"  {counted.per_request / beside.per_request:.3f} x {contestant.beside}"
    return line


if __name__ == "__main__":
    main()
