"""``python -m benchmarks.soak``: keep two processes under load while Redis fails time and again.

Ends with 1 if anything that the cache promises did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from asgi_cache.stores.redis import LAG
from benchmarks.faults.client import Client
from benchmarks.faults.places import one_server
from benchmarks.faults.threads import in_thread
from benchmarks.soak.app import SIZES, Versions
from benchmarks.soak.load import Load
from benchmarks.soak.oracle import SHOWN, Oracle
from benchmarks.soak.trouble import TROUBLES, Trouble
from benchmarks.soak.watch import Memory, MemoryWatch, tasks_in_the_end, tasks_of, tracebacks
from benchmarks.speed.order import Order
from benchmarks.speed.server import serving

PROCESSES: Final = 2
SECONDS: Final = 0.005
"""That the app takes."""


class Process(NamedTuple):
    """What was seen of one."""

    memory: Memory
    tasks_before: int
    tasks_after: int
    tracebacks: int


def main() -> int:
    """Run for as long as the command line says."""
    asked = _parser().parse_args()
    seed = random.randrange(2**32) if asked.seed is None else asked.seed  # noqa: S311
    print(f"{asked.minutes:g} minutes, seed {seed} ...", file=sys.stderr)
    oracle = Oracle(LAG)
    faults = asked.fault or [*TROUBLES]
    load, trouble, processes = asyncio.run(_soak(asked.minutes * 60, seed, faults, oracle))
    _tell(oracle, load, trouble, processes)
    print(f"{'violated' if oracle.violations else 'all held'}, with seed {seed}")
    return 1 if oracle.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, help="of the load and the faults")
    parser.add_argument("--fault", action="append", choices=TROUBLES, help="only this one")
    return parser


async def _soak(
    seconds: float, seed: int, faults: Sequence[str], oracle: Oracle
) -> tuple[Load, Trouble, list[Process]]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        versions = Versions.create(directory / "versions")
        place = await stack.enter_async_context(one_server())
        order = Order(
            "benchmarks.soak.app:soaked",
            SIZES[0],
            redis=place.proxy.url,
            option=str(directory / "versions"),
            seconds=SECONDS,
        )
        servers = [
            await stack.enter_async_context(in_thread(serving(order))) for _ in range(PROCESSES)
        ]
        clients = [Client(server.port) for server in servers]
        before = [await tasks_of(client) for client in clients]
        watches = [MemoryWatch(server.process.pid) for server in servers]
        watching = [asyncio.create_task(watch.run()) for watch in watches]
        load = Load(clients, versions, oracle, Random(seed))  # noqa: S311 - it is to repeat
        trouble = Trouble(place, Random(seed), faults)  # noqa: S311
        oracle.circumstances = lambda: trouble.now
        await asyncio.gather(load.run(seconds), trouble.run(seconds))
        for task in watching:
            task.cancel()
        after = [
            await tasks_in_the_end(client, expected)
            for client, expected in zip(clients, before, strict=True)
        ]
        memories, raised = [watch.memory() for watch in watches], map(tracebacks, servers)
        seen = zip(memories, before, after, raised, strict=True)
        return load, trouble, [_judged(Process(*each), oracle) for each in seen]


def _judged(process: Process, oracle: Oracle) -> Process:
    if not process.memory.is_flat:
        oracle.violate(f"a process grew by {process.memory.per_minute:g} KB a minute")
    if process.tasks_after > process.tasks_before:
        oracle.violate(
            f"a process had {process.tasks_before} tasks, and has {process.tasks_after} now"
        )
    if process.tracebacks:
        oracle.violate(f"a process wrote {process.tracebacks} tracebacks")
    return process


def _tell(oracle: Oracle, load: Load, trouble: Trouble, processes: list[Process]) -> None:
    ordered = sorted(load.times)
    p50, p99 = (ordered[len(ordered) * percent // 100] * 1e3 for percent in (50, 99))
    print(f"answers checked: {oracle.checked.total():,} ({_listed(oracle.checked)})")
    print(f"hits: {oracle.hits / max(1, oracle.checked.total()):.1%}")
    print(f"took: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {ordered[-1] * 1e3:.0f} ms")
    print(f"done: {_listed(load.done)}")
    print(f"faults: {trouble.begun.total()} ({_listed(trouble.begun)})")
    for process in processes:
        memory = process.memory
        print(
            f"memory: {memory.first:,} KB after the warm-up, {memory.last:,} KB in the end "
            f"({memory.per_minute:+g} KB a minute); "
            f"tasks: {process.tasks_before} before, {process.tasks_after} after"
        )
    for what, times in Counter(oracle.violations).most_common(SHOWN):
        print(f"violated, {times} times: {what}")


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items()))


if __name__ == "__main__":
    sys.exit(main())
