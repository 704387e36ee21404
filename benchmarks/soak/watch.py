"""What the processes use, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.faults.client import Client
from benchmarks.soak.app import TASKS
from benchmarks.speed.server import Server

EVERY: Final = 1.0
"""Seconds between two looks at the memory."""
WARM_UP: Final = 0.3
"""The part of the time in which a process may still come to need more memory."""
GROWTH: Final = 4096.0
"""KB by which it may seem to grow after that, as no allocator returns all at once."""
PATIENCE: Final = 30.0
"""Seconds until an idle process has ended what it had begun: it follows the log for ten."""


class Memory(NamedTuple):
    """Resident memory of a process, in KB."""

    first: int
    """After the warm-up."""
    last: int
    per_minute: float
    """By how much it grew, on the line that fits best."""
    minutes: float

    @property
    def is_flat(self) -> bool:
        """Whether it did not grow by more than can be by chance."""
        return self.per_minute * self.minutes <= GROWTH


class MemoryWatch:
    """Looks at the memory of a process now and then."""

    def __init__(self, process: int) -> None:
        self._status = Path(f"/proc/{process}/status")
        self._seen: list[tuple[float, int]] = []

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            resident = re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())
            self._seen.append((time.monotonic() / 60, int(resident[1]) if resident else 0))
            await asyncio.sleep(EVERY)

    def memory(self) -> Memory:
        """Return what was seen after the warm-up."""
        seen = self._seen[round(len(self._seen) * WARM_UP) :]
        (began, first), (ended, last) = seen[0], seen[-1]
        return Memory(first, last, round(_slope(seen), 1), round(ended - began, 2))


def _slope(points: list[tuple[float, int]]) -> float:
    """Return that of the line with the least squares."""
    mean_x, mean_y = (sum(each) / len(points) for each in zip(*points, strict=True))
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return above / below if below else 0.0


async def tasks_of(client: Client) -> int:
    """Return how many tasks a process has, of which one is to answer this."""
    return int((await client.ask("GET", TASKS)).body)


async def tasks_in_the_end(client: Client, expected: int) -> int:
    """Return how many an idle process has, as soon as they are no more than *expected*."""
    tasks = await tasks_of(client)
    for _ in range(round(PATIENCE / EVERY)):
        if tasks <= expected:
            break
        await asyncio.sleep(EVERY)
        tasks = await tasks_of(client)
    return tasks


def tracebacks(server: Server) -> int:
    """Return how often a server wrote that something was raised which nobody had expected."""
    errors = server.errors.fileno()
    return os.pread(errors, os.fstat(errors).st_size, 0).count(b"Traceback (most recent call")
