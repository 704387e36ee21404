"""How long something took, counted in buckets: cheap to note, and easy to add up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

BOUNDS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Seconds up to which what is counted in a bucket took; the last bucket, beyond, has no bound."""


class Histogram:
    """Durations in seconds: how many fell into each bucket, and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self, counts: Sequence[int] = (), total: float = 0.0) -> None:
        self.counts: list[int] = list(counts) or [0] * (len(BOUNDS) + 1)
        self.total: float = total

    def note(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def note_all(self, seconds: list[float]) -> None:
        """Count many durations, which takes a fraction of the time; they are sorted by it."""
        seconds.sort()
        passed = 0
        for bucket, bound in enumerate(BOUNDS):
            until = bisect_right(seconds, bound, passed)
            self.counts[bucket] += until - passed
            passed = until
            if passed == len(seconds):
                break
        self.counts[-1] += len(seconds) - passed
        self.total += sum(seconds)

    def is_as(self, other: object) -> bool:
        """Whether *other* is one that has counted the same."""
        if not isinstance(other, Histogram):
            return False
        return self.counts == other.counts and self.total == other.total

    def copy(self) -> Histogram:
        """Return one that has counted the same."""
        return Histogram(self.counts, self.total)

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Seconds on average; nothing if none was counted."""
        return self.total / self.count if self.count else None

    def quantile(self, part: float) -> float | None:
        """Return the seconds that *part* of them did not exceed, as far as the buckets tell.

        Within a bucket they are taken to be spread evenly; in the last one, to be at its
        lower end.
        """
        rank, passed, lower = part * self.count, 0, 0.0
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            if count and passed + count >= rank:
                return min(bound, lower + (bound - lower) * (rank - passed) / count)  # rounding
            passed, lower = passed + count, bound
        return lower if self.count else None
