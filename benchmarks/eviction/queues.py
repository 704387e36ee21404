"""Policies that keep what they hold in one order of age or use.

A policy evicts before it takes an object in, so that the newcomer is never its own victim; the
caller puts only what was not found, and nothing larger than the budget.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol, TypeAlias

Key: TypeAlias = bytes


class Policy(Protocol):
    """Holds objects within a budget of bytes, and chooses which of them go."""

    def __init__(self, budget: int) -> None: ...

    def __len__(self) -> int: ...

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and note that it was asked for."""
        ...

    def put(self, key: Key, size: int) -> None:
        """Take *key* in, which is not held."""
        ...


class Unbounded:
    """Evicts nothing: no policy can hit more often."""

    def __init__(self, budget: int) -> None:
        self._keys: set[Key] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: Key) -> bool:
        """Say whether *key* was ever asked for."""
        return key in self._keys

    def put(self, key: Key, size: int) -> None:
        """Keep *key* for good."""
        self._keys.add(key)


class Fifo:
    """Evicts what came first; a hit changes nothing."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._bytes = 0
        self._sizes: OrderedDict[Key, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sizes)

    def get(self, key: Key) -> bool:
        """Say whether *key* is held."""
        return self._sizes.get(key) is not None

    def put(self, key: Key, size: int) -> None:
        """Append *key*; as many as need be leave in front."""
        self._bytes += size
        while self._bytes > self._budget:
            self._bytes -= self._sizes.popitem(last=False)[1]
        self._sizes[key] = size


class Lru(Fifo):
    """Evicts what was asked for least recently; a hit moves its object to the end."""

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and if so move it."""
        if self._sizes.get(key) is None:
            return False
        self._sizes.move_to_end(key)
        return True


class Visitable:
    """An object that knows whether it was asked for since it was last looked at."""

    __slots__ = ("size", "visited")

    def __init__(self, size: int) -> None:
        self.size = size
        self.visited = False


class Clock:
    """Evicts what came first, but gives what was visited another round from the end."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._bytes = 0
        self._objects: OrderedDict[Key, Visitable] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and if so flag it."""
        found = self._objects.get(key)
        if found is None:
            return False
        found.visited = True
        return True

    def put(self, key: Key, size: int) -> None:
        """Append *key*, once there is room."""
        self._bytes += size
        while self._bytes > self._budget:
            self._advance()
        self._objects[key] = Visitable(size)

    def _advance(self) -> None:
        key, oldest = self._objects.popitem(last=False)
        if oldest.visited:
            oldest.visited = False
            self._objects[key] = oldest
        else:
            self._bytes -= oldest.size


class Sieve:
    """Evicts what the hand meets unvisited; what it spares keeps its place (Zhang et al., 2024).

    The queue is cut where the hand is: it takes what is ahead from the front and appends what it
    spares to what it has passed. Once nothing is ahead it begins anew with what it passed, which
    is still in the order of arrival.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._bytes = 0
        self._objects: dict[Key, Visitable] = {}
        self._ahead: OrderedDict[Key, Visitable] = OrderedDict()
        self._passed: OrderedDict[Key, Visitable] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and if so flag it."""
        found = self._objects.get(key)
        if found is None:
            return False
        found.visited = True
        return True

    def put(self, key: Key, size: int) -> None:
        """Append *key*, once there is room."""
        self._bytes += size
        while self._bytes > self._budget:
            self._advance()
        self._ahead[key] = self._objects[key] = Visitable(size)

    def _advance(self) -> None:
        key, met = self._ahead.popitem(last=False)
        if met.visited:
            met.visited = False
            self._passed[key] = met
        else:
            self._bytes -= met.size
            del self._objects[key]
        if not self._ahead:
            self._ahead, self._passed = self._passed, self._ahead
