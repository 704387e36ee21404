"""How quickly one thing may follow another."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """Lets so many begin in a second, evenly."""

    def __init__(self, rate: float | None) -> None:
        self._apart = 1 / rate if rate else 0.0
        self._next = 0.0

    async def wait(self, stopping: asyncio.Event) -> None:
        """Wait for one's turn, or until nothing is to be begun any more."""
        now = time.monotonic()
        turn = max(now, self._next)
        self._next = turn + self._apart
        if turn > now:
            try:
                async with asyncio.timeout(turn - now):
                    await stopping.wait()
            except TimeoutError:
                return
