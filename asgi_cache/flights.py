"""The flights that are under way, and what is known not to be worth one."""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from asgi_cache.flight import PATIENCE, Flight
from asgi_cache.observe.stats import FlightStats
from asgi_cache.policy.fields import Fields

BACKGROUND_LIMIT = 64
"""Flights without a client that run at once; beyond that a response stays stale for longer."""

UNSHARED_FOR = 120.0
"""Seconds for which it is remembered that a response cannot be shared (hit-for-miss)."""

UNSHARED_LIMIT = 4096
"""Keys of which that is remembered."""

FlightKey: TypeAlias = tuple[bytes, bytes, int, int]
"""A key of responses, the identity of the purge log, and what was known to be purged."""

Work: TypeAlias = Callable[[Flight], Coroutine[Any, Any, None]]


class Flights:
    """The flights that are under way, and what is known not to be worth one."""

    def __init__(self, limit: int) -> None:
        """Let so many be under way at once."""
        self._limit = limit
        self.begun: int = 0
        self.joined: int = 0
        """Requests that waited for a run which another one had begun."""
        self.too_many: int = 0
        """Requests that had a run of their own, as enough were under way."""
        self.leases_taken: int = 0
        self.leases_waited: int = 0
        self._open: dict[FlightKey, Flight] = {}
        self._tasks: set[Task[None]] = set()
        self._background: set[Task[None]] = set()
        self._unshared: dict[bytes, float] = {}

    def under_way(self, key: FlightKey) -> Flight | None:
        """Return the flight under *key* that can be joined."""
        flight = self._open.get(key)
        if flight is None or not flight.is_open or not _is_here(flight.task):
            return None
        return flight

    @property
    def are_enough(self) -> bool:
        """Whether one more would be too many; those of an event loop that has ended are gone."""
        while len(self._open) >= self._limit and self._open:
            oldest = next(iter(self._open))
            if _is_here(self._open[oldest].task):
                return True
            del self._open[oldest]
        return len(self._open) >= self._limit

    def begin(
        self, key: FlightKey, fields: Fields, work: Work, *, after: Flight | None = None
    ) -> Flight:
        """Begin a flight for a request with *fields*, at once or when another one has landed."""
        self.begun += 1
        flight = Flight(fields, partial(self._close, key))
        if after is None:
            self._open[key] = flight
        else:
            after.successor = flight
        flight.task = asyncio.get_running_loop().create_task(
            _fly(flight, work, after), context=flight.context
        )
        self._tasks.add(flight.task)
        flight.task.add_done_callback(partial(self._end, flight))
        return flight

    def begin_in_background(self, key: FlightKey, fields: Fields, work: Work) -> None:
        """Begin a flight for no client, unless one is under way or there are too many."""
        if len(self._background) >= BACKGROUND_LIMIT:
            self._background = set(filter(_is_here, self._background))
        if self.under_way(key) is None and len(self._background) < BACKGROUND_LIMIT:
            task = self.begin(key, fields, work).task
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    def stats(self) -> FlightStats:
        """Return how many there are and were."""
        return FlightStats(
            under_way=len(self._open),
            begun=self.begun,
            joined=self.joined,
            too_many=self.too_many,
            leases_taken=self.leases_taken,
            leases_waited=self.leases_waited,
        )

    def attend(self, work: Coroutine[Any, Any, None]) -> Task[None]:
        """Do what belongs to a flight, and goes on if that is stopped; `finish` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def is_unshared(self, key: bytes) -> bool:
        """Whether the response under *key* was one lately that nobody could share."""
        until = self._unshared.get(key)
        if until is None:
            return False
        if asyncio.get_running_loop().time() < until:
            return True
        del self._unshared[key]
        return False

    def mark_unshared(self, key: bytes) -> None:
        """Remember for a while that the response under *key* is for one request alone."""
        self._unshared.pop(key, None)
        while len(self._unshared) >= UNSHARED_LIMIT:
            del self._unshared[next(iter(self._unshared))]
        self._unshared[key] = asyncio.get_running_loop().time() + UNSHARED_FOR

    async def finish(self, seconds: float) -> None:
        """Wait that long for what is under way, then stop the rest."""
        tasks = list(filter(_is_here, self._tasks))
        if not tasks:
            return
        _, running = await asyncio.wait(tasks, timeout=seconds)
        for task in running:
            task.cancel()
        if running:  # an app may not let itself be stopped
            await asyncio.wait(running, timeout=seconds)

    def _end(self, flight: Flight, task: Task[None]) -> None:
        """Leave nobody waiting, even for a task that was cancelled before it began."""
        self._tasks.discard(task)
        if task.cancelled():
            flight.end(asyncio.CancelledError())
        else:
            task.exception()  # the client that began it is told by the flight

    def _close(self, key: FlightKey, flight: Flight) -> None:
        """Let nobody join what has landed; the next in line takes its place."""
        if self._open.get(key) is not flight:
            return  # another has taken its place
        if flight.successor is not None:
            self._open[key] = flight.successor
        else:
            del self._open[key]


def _is_here(task: Task[None]) -> bool:
    """Whether *task* is of the event loop that runs."""
    return task.get_loop() is asyncio.get_running_loop()


async def _fly(flight: Flight, work: Work, after: Flight | None) -> None:
    try:
        if after is not None:
            with suppress(TimeoutError):  # it may be stuck, or stream for hours
                async with asyncio.timeout(PATIENCE):
                    await after.until_landed()
        await work(flight)
    except BaseException as error:
        flight.end(error)
        if not isinstance(error, Exception):
            raise
    else:
        flight.end()
