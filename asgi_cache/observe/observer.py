"""All that one cache counts in one process, beside what its stores count themselves."""

from __future__ import annotations

from time import monotonic

from asgi_cache.observe.tally import Tally


class Observer:
    """Has a tally for each rule, and one for values."""

    def __init__(self) -> None:
        self.began_at: float = monotonic()
        """When the cache was made, by `time.monotonic`."""
        self.tallies: dict[str, Tally] = {}
        self.values: Tally = Tally("")
        """The counts of values, which are no requests."""
        self.invalidations: int = 0
        """Unsafe requests whose success has voided something."""

    def tally(self, pattern: str | None) -> Tally:
        """Return the counts of the rule with that *pattern*, or of what falls under no rule."""
        route = pattern or ""
        tally = self.tallies.get(route)
        if tally is None:
            tally = self.tallies[route] = Tally(route)
        return tally
