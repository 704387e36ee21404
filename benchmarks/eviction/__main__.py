"""``python -m benchmarks.eviction``: replay all traces with all policies, and time a hit in each.

The traces and what is hit in them are the same in every run; times are not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.eviction import cost
from benchmarks.eviction.replay import SHARES, Cell, Described, describe, replay_seeds
from benchmarks.eviction.table import Found, markdown
from benchmarks.eviction.traces import TRACES

SEEDS: Final = (1, 2, 3)
RESULTS: Final = Path(__file__).parents[1] / "results"


def main() -> None:
    """Measure all, print the tables and write the results."""
    costs = cost.measure()
    found: dict[str, Mapping[str, list[Cell]]] = {}
    for name in TRACES:
        print(f"Replaying {name} ...", file=sys.stderr)
        found[name] = replay_seeds(name, SEEDS)
    traces = {name: describe(make(SEEDS[0])) for name, (make, _) in TRACES.items()}
    tables = markdown(found, traces, costs)
    print(tables)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "eviction.md").write_text(tables)
    (RESULTS / "eviction.json").write_text(
        json.dumps(_as_json(found, traces, costs), indent=1) + "\n"
    )


def _as_json(
    found: Found, traces: Mapping[str, Described], costs: Mapping[str, cost.Cost]
) -> dict[str, Any]:
    return {
        "python": "{}.{}".format(*sys.version_info),
        "seeds": SEEDS,
        "shares": SHARES,
        "traces": {name: _trace(found[name], traces[name]) for name in found},
        "costs": {name: each._asdict() for name, each in costs.items()},
    }


def _trace(cells: Mapping[str, Any], described: Described) -> dict[str, Any]:
    return {
        "described": described._asdict(),
        "ratios": {
            policy: [
                {part: ratios._asdict() for part, ratios in cell._asdict().items()}
                for cell in of_shares
            ]
            for policy, of_shares in cells.items()
        },
    }


if __name__ == "__main__":
    main()
