"""``python -m benchmarks.faults``: put Redis in trouble, in about ten minutes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.faults.client import Client
from benchmarks.faults.contestants import CONTESTANTS, Contestant, served
from benchmarks.faults.judgement import Verdict, judge
from benchmarks.faults.places import ON_ONE_SERVER, Fault
from benchmarks.faults.several import ON_SEVERAL
from benchmarks.faults.table import Results, Row, markdown
from benchmarks.faults.trial import Phases, Trial
from benchmarks.named import named

RESULTS: Final = Path(__file__).parents[1] / "results"
FAULTS: Final = ON_ONE_SERVER | ON_SEVERAL
QUICK: Final = Phases(before=1.0, during=1.5, after=2.5)


def main() -> None:
    """Try what the command line names; write the results if it names nothing."""
    asked = _parser().parse_args()
    phases = QUICK if asked.quick else Phases()
    machine = _machine()
    faults = [FAULTS[name] for name in asked.fault or FAULTS]
    caches = [CONTESTANTS[name] for name in asked.cache or CONTESTANTS]
    rows = [
        Row(fault.title, cache.title, asyncio.run(_try(fault, cache, phases)))
        for fault in faults
        for cache in caches
        if cache.is_ours or fault.is_for_all
    ]
    found = Results(machine, _versions(caches), asdict(phases), rows)
    table = markdown(found)
    print(table)
    if not (asked.quick or asked.fault or asked.cache):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "faults.md").write_text(table)
        (RESULTS / "faults.json").write_text(json.dumps(named(found), indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one")
    parser.add_argument("--cache", action="append", choices=CONTESTANTS, help="only this one")
    parser.add_argument("--quick", action="store_true", help="shorter, and less telling")
    return parser


async def _try(fault: Fault, cache: Contestant, phases: Phases) -> Verdict:
    print(f"{fault.title}: {cache.title} ...", file=sys.stderr)
    async with fault.place() as place, served(cache, fault.url(place)) as ports:
        cached, alone = (Client(port) for port in ports)
        end = fault.end and partial(fault.end, place)
        record = await Trial(cached, alone, phases).run(partial(fault.begin, place), end)
        cached.close()
        alone.close()
    return judge(record, phases)


def _versions(caches: Iterable[Contestant]) -> dict[str, str]:
    return {each.peer: each.version or "of this source" for each in caches}


def _machine() -> str:
    said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    redis = said.stdout.partition("v=")[2].split()[0]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores, with Python {platform.python_version()} and Redis {redis} "
        f"(load average before: {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
