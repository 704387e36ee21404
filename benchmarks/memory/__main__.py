"""``python -m benchmarks.memory``: measure what responses take of memory, in a few minutes."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Final

from redis import Redis

from benchmarks.memory import budget, compressing, footprint, lookups
from benchmarks.memory.apart import apart, apart_in_a_loop
from benchmarks.memory.table import Results, as_json, markdown
from tests.redis_server import RedisServer, running_redis

RESULTS: Final = Path(__file__).parents[1] / "results"
OPTIONS: Final = "?timeout=5s"


def main() -> None:
    """Measure all, print the tables and write the results."""
    with running_redis() as server:
        found = _measure(server)
    tables = markdown(found)
    print(tables)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.md").write_text(tables)
    (RESULTS / "memory.json").write_text(json.dumps(as_json(found), indent=1) + "\n")


def _measure(server: RedisServer) -> Results:
    url = server.url + OPTIONS
    machine = _machine(server)
    _say("What a response takes of this process")
    here = apart(footprint.here)
    _say("What it takes of Redis")
    in_redis, length = apart(footprint.in_redis, url, server.port)
    _say("What a copy of it takes")
    copies = apart(footprint.copies_of, url)
    _say("What a budget is worth")
    of_budget = apart_in_a_loop(budget.measure)
    _say("How long a look-up takes")
    times = apart_in_a_loop(lookups.measure)
    _say("What it costs to compress")
    costs = compressing.measure()
    return Results(machine, here, copies, in_redis, length, of_budget, times, costs)


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr)


def _machine(server: RedisServer) -> str:
    with Redis(port=server.port) as client:
        about = client.info()
    return (
        f"{len(os.sched_getaffinity(0))} cores, with Python {platform.python_version()} and "
        f"Redis {about['redis_version']} ({about['mem_allocator']})"
    )


if __name__ == "__main__":
    main()
