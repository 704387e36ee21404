"""What a response depends on: of two requests that differ in one thing, were the answers equal?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REMEMBERED: Final = 256
"""Requests of one factor that others are compared with."""

SOON: Final = 30.0
"""Seconds within which two answers are compared: later the content may have changed."""

ENOUGH: Final = 8
"""Comparisons after which a factor is judged."""


@dataclass(slots=True)
class _Seen:
    value: int
    body: int
    at: float


class Factor:
    """One thing that may or may not decide about the response: a parameter, a field, the user."""

    def __init__(self) -> None:
        self.same: int = 0
        """Comparisons of different values that had the same body."""
        self.different: int = 0
        """Comparisons of different values that had another body."""
        self.unchanged: int = 0
        """Comparisons of equal values that had the same body."""
        self.changed: int = 0
        """Comparisons of equal values that had another body: it is volatile, for all we know."""
        self._seen: dict[int, _Seen] = {}

    def note(self, others: int, value: int, body: int, now: float) -> None:
        """Compare with the last request that was like this one in all *others*.

        All three are digests.
        """
        last = self._seen.pop(others, None)
        if last is None and len(self._seen) >= REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[others] = _Seen(value, body, now)
        if last is None or now - last.at > SOON:
            return
        is_equal = last.body == body
        if last.value == value:
            self.unchanged += is_equal
            self.changed += not is_equal
        else:
            self.same += is_equal
            self.different += not is_equal

    @property
    def comparisons(self) -> int:
        """How often different values were compared."""
        return self.same + self.different

    @property
    def matters(self) -> bool:
        """Whether another value brings another body, more often than time alone does."""
        if not self.comparisons:
            return False
        volatility = self.changed / (self.changed + self.unchanged or 1)
        return self.different / self.comparisons > 0.05 + 2 * volatility

    @property
    def is_idle(self) -> bool:
        """Whether it was seen often enough to say that it does not matter."""
        return self.comparisons >= ENOUGH and not self.different
