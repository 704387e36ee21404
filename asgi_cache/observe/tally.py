"""What became of the requests under one rule: plain numbers, so that counting costs little."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Final

from asgi_cache.observe.histogram import BOUNDS, Histogram
from asgi_cache.outcome import Outcome

PASSED: Final = "passed"
"""The result of a request that the cache has nothing to do with."""

UNSEEN: Final = 0
"""In place of a status that was not looked at, or never sent."""


class Tally:
    """The counts of one rule, in one process."""

    __slots__ = (
        *("route", "results", "bytes_served", "cached", "forwarded", "app"),
        *("stored", "bytes_stored", "renewed", "_hits"),
    )

    def __init__(self, route: str) -> None:
        self.route: str = route
        """The pattern of the rule; empty: there is none."""
        self.results: dict[str, dict[int, int]] = defaultdict(_counts)
        """How many requests came to each result, and with which status."""
        self.bytes_served: int = 0
        """Bytes of bodies that were sent to clients by the cache, or through it."""
        self.cached: Histogram = Histogram()
        """Response times of what was answered without the app."""
        self.forwarded: Histogram = Histogram()
        """Response times of what the app was asked for."""
        self.app: Histogram = Histogram()
        """The app's own time for a response, until its last byte."""
        self.stored: int = 0
        """Responses that were stored."""
        self.bytes_stored: int = 0
        """Bytes of their bodies."""
        self.renewed: int = 0
        """Stored responses that the app has said are still good, and that are stored anew."""
        self._hits = self.results["hit"]

    @property
    def is_used(self) -> bool:
        """Whether there is anything to tell."""
        return any(self.results.values()) or self.app.count > 0

    def note_hit(self, status: int, size: int, seconds: float) -> None:
        """Count a request that was answered with *size* bytes of a fresh stored response."""
        self._hits[status] += 1
        self.bytes_served += size
        cached = self.cached  # written out, as every hit comes by
        cached.counts[bisect_left(BOUNDS, seconds)] += 1
        cached.total += seconds

    def note(self, outcome: Outcome, size: int, seconds: float) -> None:
        """Count a request that came to *outcome*, *seconds* after it came."""
        self.results[outcome.result][outcome.status or UNSEEN] += 1
        self.bytes_served += size
        if outcome.hit:
            self.cached.note(seconds)
        elif outcome.forwarded is not None:
            self.forwarded.note(seconds)

    def note_passed(self) -> None:
        """Count a request that went to the app untouched."""
        self.results[PASSED][UNSEEN] += 1

    def note_stored(self, size: int) -> None:
        """Count a response that was stored, with a body of *size* bytes."""
        self.stored += 1
        self.bytes_stored += size


def _counts() -> dict[int, int]:
    return defaultdict(int)
