"""A deadline for what others have to do, which is not missed because this process was busy."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

EXCUSABLE: Final = 0.005
"""Seconds by which the event loop may be late without anything being wrong."""


class Deadline:
    """Cancels what is done under it after *seconds*, like `asyncio.timeout`.

    That one looks at the clock alone: where a handler has kept the event loop busy past the
    deadline, it cancels who waits for a reply that has arrived. Here the time by which the
    loop was late is given back, up to *seconds* in all.

    Raises:
        TimeoutError: At the end of the block, if it was cancelled.
    """

    __slots__ = ("_due", "_former", "_handle", "_is_over", "_left", "_loop", "_task")

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + seconds
        self._handle: asyncio.Handle = self._loop.call_at(self._due, self._expire)
        self._is_over = False
        self._task: asyncio.Task[object] | None = None
        self._former = 0
        """How often others had cancelled the task before."""

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is not None:
            self._former = self._task.cancelling()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        if not self._is_over or self._task is None:
            return
        if self._task.uncancel() <= self._former and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        now = self._loop.time()
        late = min(now - self._due, self._left)
        if late > EXCUSABLE:
            self._left -= late
            self._due = now + late
            self._handle = self._loop.call_at(self._due, self._expire)
        else:  # what has arrived meanwhile comes first
            self._handle = self._loop.call_soon(self._end)

    def _end(self) -> None:
        if self._task is not None:
            self._is_over = True
            self._task.cancel()
