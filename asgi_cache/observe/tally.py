"""What became of the requests under one rule: plain numbers, so that counting costs little."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from logging import DEBUG
from typing import Final

from asgi_cache.observe.events import LOGGERS, REQUESTS
from asgi_cache.observe.histogram import Histogram
from asgi_cache.outcome import Outcome

PASSED: Final = "passed"
"""The result of a request that the cache has nothing to do with."""

is_logged: Final[Callable[[], bool]] = partial(LOGGERS[REQUESTS].isEnabledFor, DEBUG)
"""Whether somebody wants to read of each request."""

UNSEEN: Final = 0
"""In place of a status that was not looked at, or never sent."""


class Hits:
    """What the short way has served with one status, as it comes; `Tally.settle` counts it.

    Every hit comes by here, so that it only leaves its size and how long it took.
    """

    __slots__ = ("bytes", "is_logged", "route", "status", "times")

    def __init__(self, route: str, status: int) -> None:
        self.route: str = route
        self.status: int = status
        self.is_logged: bool = is_logged()
        """Whether each is to be logged, too."""
        self.bytes: int = 0
        self.times: list[float] = []
        """Seconds, of each."""


class Tally:
    """The counts of one rule, in one process."""

    __slots__ = (
        *("route", "results", "bytes_served", "cached", "forwarded", "app"),
        *("passed", "stored", "bytes_stored", "renewed", "_hits"),
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
        self.passed: int = 0
        """Requests that went to the app untouched, and are not among the results yet."""
        self.stored: int = 0
        """Responses that were stored."""
        self.bytes_stored: int = 0
        """Bytes of their bodies."""
        self.renewed: int = 0
        """Stored responses that the app has said are still good, and that are stored anew."""
        self._hits: dict[int, Hits] = {}

    @property
    def is_used(self) -> bool:
        """Whether there is anything to tell."""
        self.settle()
        return any(self.results.values()) or self.app.count > 0

    def hits(self, status: int) -> Hits:
        """Return where hits that are answered with *status* are noted."""
        hits = self._hits.get(status)
        if hits is None:
            hits = self._hits[status] = Hits(self.route, status)
        return hits

    def settle(self) -> None:
        """Count what was noted; done each second that hits are noted in, and to read the counts."""
        for status, hits in self._hits.items():
            times, hits.times = hits.times, []
            if times:
                self.results["hit"][status] += len(times)
                self.cached.note_all(times)
            self.bytes_served += hits.bytes
            hits.bytes, hits.is_logged = 0, is_logged()
        if self.passed:
            passed, self.passed = self.passed, 0
            self.results[PASSED][UNSEEN] += passed

    def note(self, outcome: Outcome, size: int, seconds: float) -> None:
        """Count a request that came to *outcome*, *seconds* after it came."""
        self.results[outcome.result][outcome.status or UNSEEN] += 1
        self.bytes_served += size
        if outcome.hit:
            self.cached.note(seconds)
        elif outcome.forwarded is not None:
            self.forwarded.note(seconds)

    def note_stored(self, size: int) -> None:
        """Count a response that was stored, with a body of *size* bytes."""
        self.stored += 1
        self.bytes_stored += size


def _counts() -> dict[int, int]:
    return defaultdict(int)
