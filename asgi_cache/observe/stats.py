"""What a cache has counted, at one moment: for Prometheus, the admin pages and whoever asks.

Everything here can be written as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from asgi_cache.observe.histogram import BOUNDS, Histogram
from asgi_cache.observe.plain import IN_DIGITS, plain
from asgi_cache.observe.tally import Tally
from asgi_cache.outcome import RESULTS

NOT_TRIED: Final = "circuit-open"
"""Counted with the failures, but the server was left alone: nothing was sent that could fail."""

FAILURES: Final = ("timeout", "refused", "lost", NOT_TRIED)
"""Why an operation on a server has failed."""

ANSWERED_HERE: Final = ("hit", "stale")
"""Results of requests that were answered from the store."""


def hit_ratio(results: Mapping[str, int]) -> float | None:
    """Return the part that was answered from the store, of the requests that are its business.

    Nothing if there were none.
    """
    here = sum(results.get(name, 0) for name in ANSWERED_HERE)
    asked = sum(results.values()) - results.get("passed", 0)
    return here / asked if asked else None


@dataclass(frozen=True, slots=True)
class RouteStats:
    """The counts of one rule. Times are seconds, sizes bytes."""

    route: str
    """The pattern of the rule; empty: there is none."""
    requests: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    """How many came to each result (`RESULTS`), by the status sent; 0: it was not looked at."""
    bytes_served: int = 0
    stored: int = 0
    """Responses that were stored."""
    renewed: int = 0
    """Stored responses that the app has said are still good."""
    bytes_stored: int = 0
    cached: Histogram = field(default_factory=Histogram)
    """Response times of what was answered without the app."""
    forwarded: Histogram = field(default_factory=Histogram)
    """Response times of what the app was asked for."""
    app: Histogram = field(default_factory=Histogram)
    """The app's own time for each response that it made."""

    @classmethod
    def of(cls, tally: Tally) -> RouteStats:
        """Return what *tally* has counted by now."""
        tally.settle()
        return cls(
            tally.route,
            {result: dict(counts) for result, counts in tally.results.items() if counts},
            tally.bytes_served,
            tally.stored,
            tally.renewed,
            tally.bytes_stored,
            tally.cached.copy(),
            tally.forwarded.copy(),
            tally.app.copy(),
        )

    @property
    def results(self) -> dict[str, int]:
        """How many requests came to each result that there was."""
        counts = {name: sum(self.requests.get(name, {}).values()) for name in RESULTS}
        return {name: count for name, count in counts.items() if count}

    @property
    def total(self) -> int:
        """How many requests there were."""
        return sum(self.results.values())

    @property
    def hit_ratio(self) -> float | None:
        """The part of the requests that were answered from the store; see `hit_ratio`."""
        return hit_ratio(self.results)

    @property
    def seconds_saved(self) -> float:
        """Seconds that clients would have waited longer, had the app made each answer anew."""
        if self.app.mean is None:
            return 0.0
        return max(0.0, self.app.mean * self.cached.count - self.cached.total)


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """What a server says of its memory: of all that is in it, not of this cache's alone."""

    used: int
    limit: int
    """0: there is none."""
    evicted_keys: int
    """Keys that it had to drop before their time, since it was started."""


@dataclass(frozen=True, slots=True)
class ServerStats:
    """What a process has seen of the server that the store is in."""

    operations: int = 0
    """Round trips that were tried."""
    failures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAILURES, 0))
    seconds: Histogram = field(default_factory=Histogram)
    """How long they took that were answered."""
    breaker: str = "closed"
    opened: int = 0
    """How often the circuit breaker has opened."""
    corrupt: int = 0
    """Records that were there but were not what had been stored."""
    forged: int = 0
    """How many of them were not sealed with one of the cache's keys."""
    unacknowledged: int = 0
    """Purges that wait for the log to take them."""
    memory: MemoryStats | None = None


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store has in this process's memory, and of the server behind it, if there is one."""

    kind: str = "other"
    entries: int = 0
    bytes: int = 0
    budget: int = 0
    evicted: int = 0
    """Records that had to go before their time, to make room."""
    expired: int = 0
    """Records that were found to be past their time."""
    too_large: int = 0
    """Records that are larger than the whole budget."""
    server: ServerStats | None = None


@dataclass(frozen=True, slots=True)
class LogStats:
    """What this process knows of the purge log."""

    position: int = field(default=0, metadata=IN_DIGITS)
    """The last one that was read; in JSON it is text, as it has more digits than a double."""
    changes: int = 0
    """How often it has become known that something was purged."""
    behind: float = 0.0
    """Seconds since it was read to its end."""
    bound: float = 0.0
    """Seconds for which what was known of it may be acted on (`Store.lag`)."""
    withheld: int = 0
    """Purges that are heeded here, and that the log does not have yet."""


@dataclass(frozen=True, slots=True)
class FlightStats:
    """Runs of the app that others may join."""

    under_way: int = 0
    begun: int = 0
    joined: int = 0
    """Requests that waited for a run which another request had begun."""
    too_many: int = 0
    """Requests that had a run of their own, as `max_flights` were under way."""
    leases_taken: int = 0
    """Turns that this process had among the processes."""
    leases_waited: int = 0
    """Times that another process had it."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Everything that a cache has counted since it was made; see `Cache.stats`."""

    at: float
    """When this was; in seconds since the epoch."""
    uptime: float
    """Seconds since the cache was made."""
    process: str
    routes: tuple[RouteStats, ...] = ()
    values: dict[str, int] = field(default_factory=dict[str, int])
    """How many look-ups of values came to each result."""
    store: StoreStats = field(default_factory=StoreStats)
    log: LogStats = field(default_factory=LogStats)
    flights: FlightStats = field(default_factory=FlightStats)
    purges: int = 0
    """Purges that were ordered in this process, invalidations included."""
    invalidations: int = 0
    """Unsafe requests whose success has voided something."""
    deletes: int = 0
    """Stored responses that were forgotten one by one."""
    fills_refused: int = 0
    """Requests that went past the store as a rule's limits of fills were used up."""
    public_conflicts: dict[str, int] = field(default_factory=dict[str, int])
    """By rule: responses for every user that turned out to differ by user."""

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"bounds": list(BOUNDS), **plain(self)}
