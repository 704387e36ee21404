"""One cache, and one fault that befalls its Redis while its app is asked."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple

from benchmarks.faults.app import CHANGE, PREFIX, PURGE
from benchmarks.faults.client import Answer, Client

RATE: Final = 200
"""Requests in a second, whether earlier ones were answered or not."""
ITEMS: Final = 10
BETWEEN: Final = 1.0
"""Seconds from one purge to the next, if the first was answered by then."""


class Asked(NamedTuple):
    """One request, and what came of it."""

    at: float
    """When it was due."""
    took: float
    is_correct: bool
    """Whether it is an answer to this request, and not from before an acknowledged purge."""
    is_error: bool
    """Whether there is none, or only that there was an error."""
    is_hit: bool
    """Whether it had been made by when it was asked for."""
    made_at: float


class Purged(NamedTuple):
    """One purge."""

    at: float
    took: float
    is_acknowledged: bool


@dataclass(slots=True)
class Record:
    """All that was asked in one trial."""

    began_at: float
    cached: list[Asked] = field(default_factory=list)
    alone: list[Asked] = field(default_factory=list)
    purges: list[Purged] = field(default_factory=list)
    fault_at: float = 0.0
    healed_at: float = 0.0
    ended_at: float = 0.0
    late: list[float] = field(default_factory=list)
    """Seconds that requests were sent after they were due."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds before a fault, during it and after it."""

    before: float = 2.0
    during: float = 3.0
    after: float = 6.0


class Trial:
    """Asks the app with the cache, and at the same time the one without."""

    def __init__(self, cached: Client, alone: Client, phases: Phases) -> None:
        self._cached = cached
        self._alone = alone
        self._phases = phases
        self._random = Random(RATE)  # noqa: S311 - nobody gains by guessing it
        self._acknowledged = 0
        self._record = Record(0.0)
        self._tasks: set[Task[None]] = set()

    async def run(
        self,
        begin: Callable[[], Awaitable[object]],
        end: Callable[[], Awaitable[object]] | None,
    ) -> Record:
        """Let a fault begin, and end unless that is at once, while requests go on."""
        await self._warm_up()
        record = self._record = Record(time.monotonic())
        purging = asyncio.create_task(self._purge_often())
        asking = asyncio.create_task(self._ask_often())
        await asyncio.sleep(self._phases.before)
        record.fault_at = time.monotonic()
        await begin()
        if end is not None:
            await asyncio.sleep(self._phases.during)
            await end()
        record.healed_at = time.monotonic()
        over_at = max(record.healed_at, record.fault_at + self._phases.during)
        await asyncio.sleep(over_at + self._phases.after - time.monotonic())
        record.ended_at = time.monotonic()
        asking.cancel()
        purging.cancel()
        await asyncio.wait([asking, purging])
        await asyncio.gather(*self._tasks)
        return record

    async def _warm_up(self) -> None:
        for _ in range(2):
            for number in range(ITEMS):
                for client in (self._cached, self._alone):
                    await client.ask("GET", f"{PREFIX}{number}")

    async def _ask_often(self) -> None:
        record = self._record
        for turn in count():
            due = record.began_at + turn / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            record.late.append(time.monotonic() - due)
            number = self._random.randrange(ITEMS)
            for client, asked in ((self._cached, record.cached), (self._alone, record.alone)):
                self._begin(self._ask(client, asked, number, due))

    async def _ask(self, client: Client, asked: list[Asked], number: int, due: float) -> None:
        oldest = self._acknowledged if client is self._cached else 0
        answer = await client.ask("GET", f"{PREFIX}{number}")
        took = time.monotonic() - due
        item = _item(answer)
        is_correct = item.get("number") == number and item["version"] >= oldest
        made_at = item.get("made_at", due)
        is_error = answer.status == 0 or answer.status >= 500
        asked.append(Asked(due, took, is_correct, is_error, made_at < due, made_at))

    async def _purge_often(self) -> None:
        """Change the data and purge it; what the purge's acknowledgement promises is noted."""
        record = self._record
        while True:
            await asyncio.sleep(BETWEEN)
            version = int((await self._cached.ask("POST", CHANGE)).body or 0)
            at = time.monotonic()
            answer = await self._cached.ask("POST", PURGE)
            is_acknowledged = answer.status == 200
            if is_acknowledged:
                self._acknowledged = version
            record.purges.append(Purged(at, time.monotonic() - at, is_acknowledged))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _item(answer: Answer) -> dict[str, Any]:
    """Return what was answered, if it is an item."""
    if answer.status != 200:
        return {}
    item: dict[str, Any] = json.loads(answer.body)
    return item
