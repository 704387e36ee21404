"""Which writes change which reads: what the app was told by unsafe requests, and when."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final, TypeAlias

ROUTES: Final = 64
"""Routes of writes that are looked at."""

REMEMBERED: Final = 1024
"""Values of path parameters of which it is remembered when something was written there."""

ENOUGH: Final = 3
"""Changes after a write before it is believed that the one comes of the other."""

Values: TypeAlias = tuple[int, ...]
"""Digests of the values of some path parameters."""


class _Written:
    """When there was a write, by the values of some of its path parameters."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._at: dict[Values, float] = {}
        self._forgotten_at = -inf

    def note(self, params: Mapping[str, int], now: float) -> None:
        values = self._values(params)
        self._at.pop(values, None)
        if len(self._at) >= REMEMBERED:
            self._forgotten_at = self._at.pop(next(iter(self._at)))
        self._at[values] = now

    def last(self, params: Mapping[str, int]) -> float:
        return self._at.get(self._values(params), self._forgotten_at)

    def _values(self, params: Mapping[str, int]) -> Values:
        return tuple(params.get(name, 0) for name in self.names)


class Relation:
    """How the writes of one route concern the reads of another: where parameters agree."""

    def __init__(self, written: _Written) -> None:
        self._written = written
        self.changed: int = 0
        """Times that a read after such a write was answered with something new."""
        self.unchanged: int = 0
        self.is_new: bool = False
        """It has been accepted a moment ago."""

    @property
    def names(self) -> tuple[str, ...]:
        """The path parameters that have to agree."""
        return self._written.names

    def last_write(self, params: Mapping[str, int]) -> float:
        """Return when there was the last write that concerns a read with such *params*."""
        return self._written.last(params)

    def note(self, *, has_changed: bool) -> None:
        """Note what a read was answered with after such a write."""
        was_accepted = self.is_accepted
        self.changed += has_changed
        self.unchanged += not has_changed
        self.is_new = self.is_accepted and not was_accepted

    @property
    def is_accepted(self) -> bool:
        """Whether such writes change such reads, for all that was seen."""
        return self.changed >= ENOUGH and self.changed >= self.unchanged


class Writes:
    """The unsafe requests that succeeded."""

    def __init__(self) -> None:
        self.routes: dict[str, frozenset[str]] = {}
        """The names of the path parameters of each, by ``METHOD route``."""
        self._written: dict[tuple[str, tuple[str, ...]], _Written] = {}

    def note(self, name: str, params: Mapping[str, int], now: float) -> None:
        """Note a write to the route *name*."""
        if name not in self.routes:
            if len(self.routes) >= ROUTES:
                return
            self.routes[name] = frozenset(params)
        for (route, _), written in self._written.items():
            if route == name:
                written.note(params, now)

    def relation(self, name: str, params: Mapping[str, int]) -> Relation:
        """Return how writes to *name* may concern reads whose route has such *params*."""
        names = tuple(sorted(self.routes[name] & params.keys()))
        written = self._written.setdefault((name, names), _Written(names))
        return Relation(written)
