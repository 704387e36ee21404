"""What users do all at once: most of them ask, some change things, some purge, some leave."""

from __future__ import annotations

import asyncio
import time
from asyncio import Task
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

from benchmarks.faults.app import PURGE
from benchmarks.faults.client import Client
from benchmarks.soak.app import THINGS, Thing, Versions
from benchmarks.soak.oracle import Oracle

RATE: Final = 200
"""Requests in a second, whether earlier ones were answered or not."""
USERS: Final = ("anna", "bela", "chen", "dora")
SOON: Final = 0.02
"""Seconds within which those leave who do."""


class Load:
    """Asks several processes, and tells the oracle of everything."""

    def __init__(
        self, clients: Sequence[Client], versions: Versions, oracle: Oracle, random: Random
    ) -> None:
        self.done: Counter[str] = Counter()
        self.times: list[float] = []
        """Seconds that each answer to GET took."""
        self._clients = clients
        self._versions = versions
        self._oracle = oracle
        self._random = random
        self._changing: set[Thing] = set()
        self._tasks: set[Task[None]] = set()
        self._last = 0
        self._acts: dict[Callable[[int, Thing], Coroutine[Any, Any, None]], int] = {
            self._get: 90,
            self._leave: 3,
            self._put: 4,
            self._purge: 3,
        }

    async def run(self, seconds: float) -> None:
        """Go on for so long, and wait for all answers."""
        began = time.monotonic()
        for turn in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, began + turn / RATE - time.monotonic()))
            (act,) = self._random.choices([*self._acts], [*self._acts.values()])
            process = self._random.randrange(len(self._clients))
            task = asyncio.create_task(act(process, self._random.choice(THINGS)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*self._tasks)

    async def _get(self, process: int, thing: Thing) -> None:
        user = self._random.choice(USERS)
        oldest, asked_at = self._oracle.oldest(thing, process), time.monotonic()
        answer = await self._clients[process].ask("GET", thing.path, {"Authorization": user})
        self.times.append(time.monotonic() - asked_at)
        self.done["get"] += 1
        self._oracle.check(thing, user, oldest, asked_at, answer)

    async def _leave(self, process: int, thing: Thing) -> None:
        """Ask, and go away before there is an answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(0, SOON)):
                await self._clients[process].ask("GET", thing.path, {"Authorization": USERS[0]})
        self.done["left"] += 1

    async def _put(self, process: int, thing: Thing) -> None:
        """Change a thing by way of the app: the process that does it knows, and others soon."""

        async def change(version: int) -> None:
            fields = {"Authorization": USERS[0], "Version": f"{version}"}
            answer = await self._clients[process].ask("PUT", thing.path, fields)
            self.done["put"] += 1
            if answer.status == 200:
                self._oracle.changed(thing, version, process, acknowledged=False)
            else:
                self._oracle.violate(f"PUT {thing.path} was answered {answer.status}")

        await self._change(thing, change)

    async def _purge(self, process: int, thing: Thing) -> None:
        """Change a thing behind the app's back, and purge what is stored of it."""

        async def change(version: int) -> None:
            self._versions[thing] = version
            answer = await self._clients[process].ask("POST", f"{PURGE}/{thing.tag}")
            acknowledged = answer.status == 200
            self.done["purge" if acknowledged else "purge, not acknowledged"] += 1
            if answer.status in {200, 503}:
                self._oracle.changed(thing, version, process, acknowledged=acknowledged)
            else:
                self._oracle.violate(f"a purge of {thing.tag} was answered {answer.status}")

        await self._change(thing, change)

    async def _change(self, thing: Thing, change: Callable[[int], Awaitable[None]]) -> None:
        """Do it, unless that thing is being changed: which version is the last is known."""
        if thing in self._changing:
            return
        self._changing.add(thing)
        self._last += 1
        try:
            await change(self._last)
        finally:
            self._changing.discard(thing)
