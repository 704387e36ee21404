"""Coroutines for code that is not asynchronous: threads of an app, and scripts."""

from __future__ import annotations

import asyncio
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from math import inf
from typing import Any, Final, TypeVar

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
        self._lock = threading.Lock()

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
        try:
            return run_from_worker(begin)  # which is sure to be the loop of this request
        except NoEventLoopError:
            return self._run_in(self._loop_at_hand(), begin())

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

    def _run_in(self, loop: AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _loop_at_hand(self) -> AbstractEventLoop:
        with self._lock:
            loop = self._loop
            if loop is None or not loop.is_running():
                loop = self._loop = self._begin_loop()
            return loop

    def _begin_loop(self) -> AbstractEventLoop:
        loop, runs = asyncio.new_event_loop(), threading.Event()
        loop.call_soon(runs.set)
        threading.Thread(target=loop.run_forever, name="asgi-cache", daemon=True).start()
        runs.wait()
        return loop


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
