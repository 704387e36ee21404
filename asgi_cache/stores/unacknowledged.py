"""Purges that this process was asked for, and that the log is not known to have.

What they name is not served here. They are repeated until the log has them, and before
anything is read from the store. One that is in the log already voids a little more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from asgi_cache.stores.base import Purge
from asgi_cache.tags import EVERYTHING

MOST: Final = 1000
"""Purges beyond which all of them become one of everything."""

NOWHERE: Final = -1
"""Their position, as they have none in the log."""


class Unacknowledged:
    """Keeps them in their order, and tells *withhold* of all there are when that changes."""

    def __init__(self) -> None:
        self.withhold: Callable[[Sequence[Purge]], None] = _tell_nobody
        self._purges: dict[int, Purge] = {}
        self._last = 0
        self._acknowledged = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._purges)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._purges)

    def add(self, purge: Purge) -> int:
        """Add a purge; its number, by which it is acknowledged."""
        self._last += 1
        if len(self._purges) >= MOST:
            self._purges.clear()
            purge = Purge(NOWHERE, (EVERYTHING,))
        self._purges[self._last] = purge
        self._tell()
        return self._last

    def first(self, most: int) -> tuple[int, list[Purge]]:
        """Return the first of them, *most* at the most, and the number of the last of those."""
        some = list(islice(self._purges.items(), most))
        return (some[-1][0] if some else 0), [purge for _, purge in some]

    def acknowledge(self, last: int) -> None:
        """Note that the log has all up to the *last* one."""
        self._acknowledged = max(self._acknowledged, last)
        self._purges = {n: purge for n, purge in self._purges.items() if n > last}
        self._tell()

    def is_acknowledged(self, number: int) -> bool:
        """Whether the log has the purge of that number."""
        return number <= self._acknowledged

    def _tell(self) -> None:
        self.withhold(tuple(self._purges.values()))


def _tell_nobody(purges: Sequence[Purge]) -> None:
    del purges
