"""What is reported of many measurements of the same."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """Of so many values, in milliseconds."""

    values: int
    median: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Sum up *seconds*."""
        ordered = sorted(seconds)
        p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        return cls(
            len(ordered), *(round(each * 1e3, 2) for each in (median(ordered), p99, ordered[-1]))
        )
