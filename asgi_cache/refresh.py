"""Runs of the app that no client waits for, so that a stale response is soon replaced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

logger: logging.Logger = logging.getLogger(__name__)

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


LIMIT = 64
"""Refreshes that run at once; beyond that a stale response waits for a later request."""

TIMEOUT = 60.0
"""Seconds that a refresh may take; one that hangs must not keep others from its key."""


def has_background() -> bool:
    """Whether tasks can be started that outlive a request: asyncio's can, trio's cannot."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Refresher:
    """Runs at most one refresh of a key at a time, each as a task of its own."""

    def __init__(self) -> None:
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def start(self, key: bytes, work: Work) -> None:
        """Begin to refresh *key*, unless that is being done."""
        if key in self._tasks or len(self._tasks) >= LIMIT:
            return
        task = asyncio.get_running_loop().create_task(self._run(work))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _run(self, work: Work) -> None:
        """Do *work*; nobody is there to hear of its failure but the log."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await work()
        except Exception:
            logger.exception("a stale response could not be refreshed")

    async def finish(self, seconds: float) -> None:
        """Wait that long for what is running, then stop the rest."""
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, running = await asyncio.wait(tasks, timeout=seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
