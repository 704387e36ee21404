"""How many responses a rule lets be stored anew in a second, which a flood would do for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    """What is left of a second's fills, and since when (a token bucket)."""

    left: float
    since: float


class FillRate:
    """Counts the fills of each rule in this process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self.refused: int = 0
        """How often there was none left."""

    def take(self, pattern: str, per_second: float) -> bool:
        """Take one of the fills of the rule with that *pattern*, if one is left.

        A second's worth can be saved up. A clock that was set back adds nothing.
        """
        now, most = self._clock(), max(1.0, per_second)
        bucket = self._buckets.setdefault(pattern, _Bucket(most, now))
        passed, bucket.since = max(0.0, now - bucket.since), now
        bucket.left = min(most, bucket.left + passed * per_second)
        if bucket.left < 1.0:
            self.refused += 1
            return False
        bucket.left -= 1.0
        return True
