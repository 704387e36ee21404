"""Several at the same work, of whom one's trouble ends it for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def crowd(size: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do *work* so many times at once.

    Raises:
        Exception: What was raised first.
    """
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(size):
                workers.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
