"""Policies that know how often an object was asked for, and weigh that against its size."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush, heapreplace
from itertools import chain
from typing import Final

from benchmarks.eviction.queues import Key


class Prioritized:
    """An object, how often it was asked for since it came, and what it is worth now."""

    __slots__ = ("count", "priority", "size")

    def __init__(self, size: int, floor: float) -> None:
        self.size = size
        self.count = 1
        self.priority = floor + 1 / size


class Gdsf:
    """GreedyDual-Size-Frequency: evicts what gives fewest hits for its bytes (Cherkasova, 1998).

    A heap holds priorities as they were when an object last came to its top. They only rise, so
    that one which was too low is put right when it comes there again, and not by every hit.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._bytes = 0
        self._floor = 0.0
        self._objects: dict[Key, Prioritized] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and if so raise its priority."""
        found = self._objects.get(key)
        if found is None:
            return False
        found.count += 1
        found.priority = self._floor + found.count / found.size
        return True

    def put(self, key: Key, size: int) -> None:
        """Take *key* in, once there is room."""
        self._bytes += size
        while self._bytes > self._budget:
            self._advance()
        self._objects[key] = new = Prioritized(size, self._floor)
        heappush(self._heap, (new.priority, key))

    def _advance(self) -> None:
        supposed, key = self._heap[0]
        lowest = self._objects[key]
        if lowest.priority > supposed:
            heapreplace(self._heap, (lowest.priority, key))
            return
        heappop(self._heap)
        self._floor = supposed
        self._bytes -= self._objects.pop(key).size


class TinyLfu:
    """W-TinyLFU: an LRU window, then only what is asked for more than its victims together.

    The frequencies are counted exactly and halved now and then, where the authors estimate them
    (Einziger, Friedman, Manes, 2017; the victims together: Einziger et al., 2022).
    """

    WINDOW: Final = 0.01
    PROTECTED: Final = 0.8
    MOST: Final = 15
    SAMPLE: Final = 10

    def __init__(self, budget: int) -> None:
        self._window_budget = budget * self.WINDOW
        self._main_budget = budget - self._window_budget
        self._window_bytes = self._main_bytes = self._protected_bytes = self._asked = 0
        self._window: OrderedDict[Key, int] = OrderedDict()
        self._probation: OrderedDict[Key, int] = OrderedDict()
        self._protected: OrderedDict[Key, int] = OrderedDict()
        self._counts: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._window) + len(self._probation) + len(self._protected)

    def get(self, key: Key) -> bool:
        """Count *key*; say whether it is held, and if so move it."""
        self._count(key)
        if self._protected.get(key) is not None:
            self._protected.move_to_end(key)
        elif self._probation.get(key) is not None:
            self._promote(key)
        elif self._window.get(key) is not None:
            self._window.move_to_end(key)
        else:
            return False
        return True

    def put(self, key: Key, size: int) -> None:
        """Take *key* into the window; what leaves it has to compete."""
        self._window[key] = size
        self._window_bytes += size
        while self._window_bytes > self._window_budget:
            candidate, size = self._window.popitem(last=False)
            self._window_bytes -= size
            self._compete(candidate, size)

    def _count(self, key: Key) -> None:
        self._counts[key] = min(self._counts.get(key, 0) + 1, self.MOST)
        self._asked += 1
        if self._asked > self.SAMPLE * len(self):
            self._counts = {k: n // 2 for k, n in self._counts.items() if n > 1}
            self._asked //= 2

    def _promote(self, key: Key) -> None:
        self._protected[key] = size = self._probation.pop(key)
        self._protected_bytes += size
        while self._protected_bytes > self._main_budget * self.PROTECTED:
            demoted, size = self._protected.popitem(last=False)
            self._protected_bytes -= size
            self._probation[demoted] = size

    def _compete(self, key: Key, size: int) -> None:
        """Take *key* into the main part, unless those who would have to go are worth more."""
        if size > self._main_budget:
            return
        victims = self._victims(self._main_bytes + size - self._main_budget)
        worth = sum(self._counts.get(victim, 0) for victim in victims)
        if victims and worth >= self._counts.get(key, 0):
            return
        for victim in victims:
            self._evict(victim)
        self._probation[key] = size
        self._main_bytes += size

    def _victims(self, needed: float) -> list[Key]:
        """Return who would have to go for so many bytes."""
        victims = []
        for key, size in chain(self._probation.items(), self._protected.items()):
            if needed <= 0:
                break
            needed -= size
            victims.append(key)
        return victims

    def _evict(self, key: Key) -> None:
        if key in self._probation:
            self._main_bytes -= self._probation.pop(key)
        else:
            size = self._protected.pop(key)
            self._protected_bytes -= size
            self._main_bytes -= size
