"""``python -m benchmarks.coherence``: measure how fast processes agree, in about five minutes."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from pathlib import Path
from typing import Final

from redis import Redis

from benchmarks.coherence import flights, following, purges, tags, unshared
from benchmarks.coherence.table import Results, markdown
from benchmarks.named import named
from tests.redis_server import RedisServer, running_redis

RESULTS: Final = Path(__file__).parents[1] / "results"
OPTIONS: Final = "?timeout=5s"


def main() -> None:
    """Measure all, print the table and write the results."""
    with running_redis() as server:
        found = _measure(server, _machine(server))
    table = markdown(found)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "coherence.md").write_text(table)
    (RESULTS / "coherence.json").write_text(json.dumps(named(found), indent=1) + "\n")


def _measure(server: RedisServer, machine: str) -> Results:
    url = server.url + OPTIONS
    _say("How long old answers are given after a purge")
    of_purges = purges.measure(url)
    _say("How soon followers are answered")
    within, across = asyncio.run(flights.within_a_process(url)), flights.across_processes(url)
    _say("What following the log costs")
    load = following.measure(url)
    _say("What the cache costs where there is nothing to share")
    of_private = asyncio.run(unshared.measure(url))
    _say("What it costs to purge a tag")
    of_tags = asyncio.run(tags.measure(url))
    return Results(machine, of_purges, within, across, of_tags, of_private, load)


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr)


def _machine(server: RedisServer) -> str:
    with Redis(port=server.port) as client:
        redis = client.info("server")["redis_version"]
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    return (
        f"{cores} cores, with Python {platform.python_version()} and Redis {redis} "
        f"(load average before: {busy:.1f})"
    )


if __name__ == "__main__":
    main()
