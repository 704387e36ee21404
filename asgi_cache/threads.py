"""Coroutines for code that is not asynchronous: threads of an app, and scripts."""

from __future__ import annotations

import asyncio
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from contextlib import suppress
from math import inf
from typing import Any, TypeVar

from anyio import CapacityLimiter, NoEventLoopError, to_thread
from anyio.from_thread import run as run_from_worker

T = TypeVar("T")


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


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function that blocks in a thread of its own.

    Whoever waits for it in another thread must not take the place that it needs; so there is
    no limit but that on those who wait.
    """
    return await to_thread.run_sync(function, limiter=CapacityLimiter(inf))
