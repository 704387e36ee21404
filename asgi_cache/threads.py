"""Coroutines for code that is not asynchronous: threads of an app, and scripts."""

from __future__ import annotations

import asyncio
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from math import inf
from typing import Any, Final, TypeVar, cast
from weakref import WeakSet

from anyio import CapacityLimiter, NoEventLoopError, to_thread
from anyio.from_thread import run as run_from_worker

T = TypeVar("T")

STANDSTILL: Final = 1.0
"""Seconds without a turn after which an event loop is taken to stand still."""


class Threads:
    """Runs coroutines for threads that wait for them.

    They run in the event loop that the cache is used in. Where there is none, as in a script,
    one is begun in a thread that ends with the process.
    """

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None
        """The one that the cache was used in last."""
        self._own: AbstractEventLoop | None = None
        """The one that was begun here."""
        self._lock = threading.Lock()
        _ALL.add(self)

    def note_loop(self) -> None:
        """Take note that the cache is used in the event loop that runs."""
        with suppress(RuntimeError):  # trio's is none of asyncio's
            self._loop = asyncio.get_running_loop()

    def run(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the coroutine that *begin* returns, and return what it does.

        Raises:
            RuntimeError: An event loop runs in this thread, which would stand still meanwhile.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise RuntimeError(
                "cache.sync would halt the event loop of this thread: "
                "write await cache.purge(...) and the like"
            )
        if threading.get_ident() not in _ORPHANS:
            with suppress(NoEventLoopError):
                return run_from_worker(begin)  # which is sure to be the loop of this request
        return self._run_in(self._loop_at_hand(), begin)

    def look(self, function: Callable[[], T]) -> T:
        """Return what *function* does, between two turns of the loop that the cache is used in.

        In another thread it would come upon what is being changed. A loop that does not turn for
        `STANDSTILL` seconds changes nothing meanwhile; it may even wait for this very thread.
        """
        loop = self._loop
        if loop is None or not loop.is_running() or _runs_here(loop):
            return function()
        future: Future[T] = Future()

        def settle() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001 - it is raised where it is asked
                    future.set_exception(error)

        loop.call_soon_threadsafe(settle)
        try:
            return future.result(STANDSTILL)
        except TimeoutError:
            if not future.cancel():
                return future.result()
            return function()

    def _run_in(self, loop: AbstractEventLoop, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run it in *loop*; or in one that does not end, if that one ended before it began."""
        begun: Future[None] = Future()

        async def work() -> T | None:
            return await begin() if begun.set_running_or_notify_cancel() else None

        coroutine = work()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # it is closed
            coroutine.close()
            return self._run_in(self._lasting_loop(), begin)
        try:
            while not wait([future], STANDSTILL).done and not loop.is_closed():
                if not loop.is_running() and begun.cancel():
                    break
        except BaseException:
            future.cancel()
            raise
        if begun.cancel():
            if loop.is_closed():
                coroutine.close()
            return self._run_in(self._lasting_loop(), begin)
        if not future.done() or future.cancelled():
            raise RuntimeError("the event loop has ended in which this was to be done")
        return cast("T", future.result())

    def _loop_at_hand(self) -> AbstractEventLoop:
        loop = self._loop
        return loop if loop is not None and loop.is_running() else self._lasting_loop()

    def _lasting_loop(self) -> AbstractEventLoop:
        with self._lock:
            self._loop = self._own = self._own or self._begin_loop()
            return self._own

    def _begin_loop(self) -> AbstractEventLoop:
        loop, runs = asyncio.new_event_loop(), threading.Event()
        loop.call_soon(runs.set)
        threading.Thread(target=loop.run_forever, name="asgi-cache", daemon=True).start()
        runs.wait()
        return loop

    def forget_loops(self) -> None:
        """Begin anew in a forked process, where no thread is left in which a loop could run.

        They are not collected, as they have files in common with the parent's.
        """
        _INHERITED.extend(loop for loop in (self._loop, self._own) if loop is not None)
        self._loop = self._own = None
        self._lock = threading.Lock()


_ALL: Final[WeakSet[Threads]] = WeakSet()
_INHERITED: Final[list[AbstractEventLoop]] = []
_ORPHANS: Final[set[int]] = set()
"""The thread that a forked process began with: what it was a worker of is not there."""


def _after_fork() -> None:
    _ORPHANS.clear()
    _ORPHANS.add(threading.get_ident())
    for threads in _ALL:
        threads.forget_loops()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _runs_here(loop: AbstractEventLoop) -> bool:
    """Whether *loop* is that of this thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function that blocks in a thread of its own.

    Whoever waits for it in another thread must not take the place that it needs; so there is
    no limit but that on those who wait.
    """
    return await to_thread.run_sync(function, limiter=CapacityLimiter(inf))
