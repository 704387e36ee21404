"""An app that fails is not asked again at once, where a stale response can stand in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

WINDOW: Final = 5.0
"""Seconds after a failure in which the app is not asked for that response."""

LIMIT: Final = 4096
"""Responses of which failures are remembered: the latest."""


class Throttle:
    """Remembers for which responses the app has just failed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed_at: dict[bytes, float] = {}

    def note_failure(self, key: bytes) -> None:
        """Remember that the app failed just now; who insists must not prolong the pause."""
        if self.holds(key):
            return
        self._failed_at.pop(key, None)
        while len(self._failed_at) >= LIMIT:
            del self._failed_at[next(iter(self._failed_at))]
        self._failed_at[key] = self._clock()

    def note_success(self, key: bytes) -> None:
        """Forget that it ever failed."""
        self._failed_at.pop(key, None)

    def holds(self, key: bytes) -> bool:
        """Whether to leave the app alone; a clock that was set back does not prolong that."""
        failed_at = self._failed_at.get(key)
        return failed_at is not None and 0 <= self._clock() - failed_at < WINDOW
