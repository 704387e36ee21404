"""Something that changes without the cache's knowledge, and who has seen it how."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import anyio
from redis import Redis

from tests.processes.clients import FOREVER, get, post
from tests.processes.workers import Worker

LAG = 0.1
"""Seconds for which a process may act on what it knew of the log."""

ENOUGH = 5
"""Answers after which nobody doubts that a process knows."""


@dataclass
class Page:
    """A resource, and the process whose answers are watched."""

    name: str
    worker: Worker
    database: Redis
    version: int = 0
    seen: list[tuple[float, str]] = field(default_factory=list)
    """When somebody asked, and which version that was answered with."""

    @property
    def path(self) -> str:
        """Where it is, in each process."""
        return f"/value/{self.name}"

    def change(self) -> None:
        """Let there be another version, of which no cache hears."""
        self.version += 1
        self.database.set(f"value:{self.name}", str(self.version))

    async def write(self, worker: Worker) -> None:
        """Change it by a request to a process."""
        self.version += 1
        await post(worker, self.path, str(self.version))

    async def read(self, worker: Worker | None = None) -> str:
        """Return the version that a process answers with."""
        return (await get(worker or self.worker, self.path)).text

    async def is_copied(self) -> None:
        """Wait until the process answers with a copy of its own of this version."""
        with anyio.fail_after(FOREVER):
            while not await self._is_hit():  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.001)

    async def _is_hit(self) -> bool:
        answer = await get(self.worker, self.path)
        return answer.is_hit and answer.text == str(self.version)

    async def purge(self, worker: Worker, how: str = "") -> float:
        """Purge it in a process; from when on no process may serve what it had."""
        await post(worker, f"/door/purge?tag={self.name}&{how}")
        return time.monotonic() + LAG

    async def watch(self) -> None:
        """Ask for it over and over."""
        while True:
            began = time.monotonic()
            self.seen.append((began, await self.read()))

    async def is_seen_as_it_is(self, since: float) -> None:
        """Watch a while longer: nobody who asked after that moment may be told of an older one."""
        with anyio.fail_after(FOREVER):
            while len(told := self._told(since)) < ENOUGH:  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.002)
        assert set(told) == {str(self.version)}

    def _told(self, since: float) -> list[str]:
        return [version for began, version in self.seen if began > since]
