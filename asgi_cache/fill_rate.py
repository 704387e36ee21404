"""How many responses a rule lets be stored anew in a second, which a flood would do for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asgi_cache.policy.rule import Rule

REMEMBERED = 4096
"""Rules and users of which it is remembered what is left; who has not come for long has it all."""


@dataclass(slots=True)
class _Bucket:
    """What is left of a second's fills, and since when (a token bucket)."""

    left: float
    since: float


class FillRate:
    """Counts the fills of each rule, and of each user under it, in this process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, bytes], _Bucket] = {}
        self.refused: int = 0
        """How often there was none left."""

    def refusal(self, pattern: str, rule: Rule, partition: bytes) -> str | None:
        """Return the limit of the rule with that *pattern* that is used up; else take a fill.

        A user's own limit comes first: what it refuses takes nothing from the others. Nobody in
        particular, whose partition is empty, has none, as many may be nobody.
        """
        own = rule.max_user_fills if partition else None
        if own is not None and not self.take(pattern, own, partition):
            return "max-user-fills"
        if rule.max_fills is not None and not self.take(pattern, rule.max_fills):
            return "max-fills"
        return None

    def take(self, pattern: str, per_second: float, partition: bytes = b"") -> bool:
        """Take one of the fills of a rule, or of a user under it, if one is left.

        A second's worth can be saved up. A clock that was set back adds nothing.
        """
        now, most = self._clock(), max(1.0, per_second)
        bucket = self._bucket((pattern, partition), now, most)
        passed, bucket.since = max(0.0, now - bucket.since), now
        bucket.left = min(most, bucket.left + passed * per_second)
        if bucket.left < 1.0:
            self.refused += 1
            return False
        bucket.left -= 1.0
        return True

    def _bucket(self, key: tuple[str, bytes], now: float, most: float) -> _Bucket:
        """Return the bucket under *key*, which is the last now to be forgotten."""
        bucket = self._buckets.pop(key, None) or _Bucket(most, now)
        if len(self._buckets) >= REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = bucket
        return bucket
