"""What part of the requests a cache would have answered, for each of several ttls.

Every ttl is played through for the keys that are sampled. Which those are their digests decide,
so that all requests of a key are seen or none: what is asked for twice shows as such, whatever
part of the keys is looked at (Waldspurger and others, Efficient MRC Construction with SHARDS,
FAST 2015).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final

TTLS: Final = (
    *(5.0, 15.0, 30.0, 60.0, 120.0, 300.0),
    *(900.0, 3600.0, 14400.0, 43200.0, 86400.0),
)
"""Seconds; those of the volatility classes are among them."""

SAMPLED: Final = 256
"""Keys of one curve that are followed at once."""

_WHOLE: Final = 2**64


@dataclass(frozen=True, slots=True)
class Point:
    """What a ttl would have come to."""

    ttl: float
    hit_ratio: float
    """The part of the requests that would have been answered from the store."""
    stale_ratio: float
    """The part of these answers that the app would not have given any more."""


class _Key:
    """One key, as it would be stored under each ttl: until when, and with which body."""

    __slots__ = ("bodies", "stored_at")

    def __init__(self) -> None:
        self.stored_at = array("d", [-1e18] * len(TTLS))
        self.bodies = array("Q", [0] * len(TTLS))


class Curve:
    """The hit ratio, and what of it would have been stale, as a function of the ttl."""

    def __init__(self) -> None:
        self.requests: int = 0
        """Of the keys that are sampled."""
        self._hits = [0] * len(TTLS)
        self._stale = [0] * len(TTLS)
        self._keys: dict[int, _Key] = {}
        self._limit = _WHOLE
        """Digests below it are sampled."""

    @property
    def keys(self) -> int:
        """How many different keys there were, about."""
        return round(len(self._keys) * _WHOLE / self._limit)

    def note(self, key: int, body: int, now: float, written_at: float) -> None:
        """Play a request for *key* through, which the app answered with *body*.

        Both are digests of 64 bits. *written_at* is when a write last purged what is there.
        """
        if key >= self._limit:
            return
        state = self._keys.get(key)
        if state is None:
            state = self._keys[key] = _Key()
        self.requests += 1
        for place, ttl in enumerate(TTLS):
            stored_at = state.stored_at[place]
            if stored_at + ttl > now and stored_at >= written_at:
                self._hits[place] += 1
                self._stale[place] += state.bodies[place] != body
            else:
                state.stored_at[place], state.bodies[place] = now, body
        if len(self._keys) > SAMPLED:
            self._sample_fewer()

    def _sample_fewer(self) -> None:
        """Follow half of the keys from now on; what was counted of the others stands."""
        self._limit //= 2
        self._keys = {key: state for key, state in self._keys.items() if key < self._limit}

    def points(self) -> tuple[Point, ...]:
        """Return what each ttl would have come to."""
        found = zip(TTLS, self._hits, self._stale, strict=True)
        return tuple(
            Point(ttl, hits / (self.requests or 1), stale / (hits or 1))
            for ttl, hits, stale in found
        )
