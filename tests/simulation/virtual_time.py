"""An event loop on virtual time: waiting costs nothing, and waiting for nothing is an error."""

from __future__ import annotations

import asyncio
import math
import random
from asyncio.base_events import BaseEventLoop
from collections.abc import Coroutine
from heapq import heappush
from itertools import count
from typing import Any, Final, TypeVar

T = TypeVar("T")

EPOCH: Final = 1_800_000_000
"""What a wall clock shows, in seconds, when a loop begins."""


class Deadlock(Exception):
    """All tasks wait, and there is nothing left that could wake one of them."""


class _Numbered:
    """Hashed by its number, so that sets of tasks and futures have an order that repeats."""

    def __init__(self, *args, number, **kwargs):
        self._number = number
        super().__init__(*args, **kwargs)

    def __hash__(self):
        return self._number


class _Task(_Numbered, asyncio.Task):
    pass


class _Future(_Numbered, asyncio.Future):
    pass


class _Timer(asyncio.TimerHandle):
    """Behind those that were set before it, where both are due at one instant."""

    __slots__ = ("_number",)

    def __init__(self, *args, number):
        super().__init__(*args)
        self._number = number

    def __lt__(self, other):
        return (self._when, self._number) < (other._when, other._number)


class VirtualLoop(BaseEventLoop):
    """Runs what is ready, then lets the clock jump to the next timer."""

    def __init__(self):
        super().__init__()
        self._selector = self
        self._error = None
        self._tasks = set()
        self._numbers = count()
        self._move_clock(0.0)
        self.set_task_factory(self._make_task)

    def time(self):
        """Return the seconds that have passed since the loop was made."""
        return self._now

    def create_future(self):
        """Make a future that is hashed by its number."""
        return _Future(loop=self, number=next(self._numbers))

    def call_at(self, when, callback, *args, context=None):
        """Call *callback* at the instant *when*."""
        timer = _Timer(when, callback, args, self, context, number=next(self._numbers))
        heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def abort(self, error):
        """End the run with *error*, whatever else goes on; for what no task could report."""
        self._error = error

    def select(self, timeout):
        """Wait for *timeout* seconds, as a selector does; there is nothing else to wait for."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        if timeout is None:
            raise Deadlock(f"nothing can wake any of: {self._waiting()}")
        self._move_clock(self._now + timeout)
        return []

    def _move_clock(self, now):
        """Let it be *now*; what is due at a later instant, however close, is not due yet."""
        self._now = now
        self._clock_resolution = math.ulp(now)

    def _make_task(self, loop, coroutine, **options):
        """Make a task, and keep it: when the garbage collector comes by is no part of the run."""
        task = _Task(coroutine, loop=loop, number=next(self._numbers), **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _waiting(self):
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        return ", ".join(task.get_coro().__qualname__ for task in tasks)

    def _process_events(self, events):
        """Nothing comes from outside."""

    def _write_to_self(self):
        """The loop is awake already when it is called."""


def wall_clock() -> float:
    """Return what a wall clock shows on the running loop, in seconds since 1970."""
    return asyncio.get_running_loop().time() + EPOCH


def run(coroutine: Coroutine[Any, Any, T], *, seed: int) -> T:
    """Run *coroutine* on a loop of its own with ``random`` seeded; tasks it leaves are cancelled.

    Raises:
        Deadlock: It waits for what cannot happen.
    """
    state = random.getstate()
    random.seed(seed)
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        try:
            loop.run_until_complete(_cancel_the_rest(loop))
        finally:
            loop.close()
            random.setstate(state)


async def _cancel_the_rest(loop):
    """Cancel the tasks that are left in the order they were made in, and those they make."""
    this = {asyncio.current_task()}
    while rest := sorted(asyncio.all_tasks() - this, key=hash):
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
    await loop.shutdown_asyncgens()
