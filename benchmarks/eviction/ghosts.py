"""Policies with two queues and ghosts: keys that were evicted and are remembered for a while."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from benchmarks.eviction.queues import Key


class Counted:
    """An object and how often it was asked for since it came."""

    __slots__ = ("count", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0


class Ghosts:
    """Keys that were evicted not long ago, for as many bytes as they once took."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._bytes = 0
        self._sizes: OrderedDict[Key, int] = OrderedDict()

    def add(self, key: Key, size: int) -> None:
        """Remember *key*, and forget the oldest beyond the budget."""
        self._sizes[key] = size
        self._bytes += size
        while self._bytes > self._budget:
            self._bytes -= self._sizes.popitem(last=False)[1]

    def recall(self, key: Key) -> bool:
        """Say whether *key* is remembered, and forget it."""
        size = self._sizes.pop(key, 0)
        self._bytes -= size
        return size > 0


class S3Fifo:
    """Newcomers pass a small queue before the main one (Yang et al., 2023).

    They leave it for the main queue if they were asked for more than once meanwhile, and else
    become ghosts; one that comes back while it is a ghost goes to the main queue at once.
    """

    SMALL: Final = 0.1
    MOST: Final = 3

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._bytes = self._small_bytes = 0
        self._objects: dict[Key, Counted] = {}
        self._small: OrderedDict[Key, Counted] = OrderedDict()
        self._main: OrderedDict[Key, Counted] = OrderedDict()
        self._ghosts = Ghosts(budget * (1 - self.SMALL))

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and if so count."""
        found = self._objects.get(key)
        if found is None:
            return False
        if found.count < self.MOST:
            found.count += 1
        return True

    def put(self, key: Key, size: int) -> None:
        """Append *key* to one of the queues, once there is room."""
        known = self._ghosts.recall(key)
        self._bytes += size
        while self._bytes > self._budget:
            self._advance()
        self._objects[key] = new = Counted(size)
        if known:
            self._main[key] = new
        else:
            self._small[key] = new
            self._small_bytes += size

    def _advance(self) -> None:
        if not self._main or self._small_bytes >= self._budget * self.SMALL:
            self._advance_small()
        else:
            self._advance_main()

    def _advance_small(self) -> None:
        key, oldest = self._small.popitem(last=False)
        self._small_bytes -= oldest.size
        if oldest.count > 1:
            oldest.count = 0
            self._main[key] = oldest
        else:
            self._evict(key)
            self._ghosts.add(key, oldest.size)

    def _advance_main(self) -> None:
        key, oldest = self._main.popitem(last=False)
        if oldest.count:
            oldest.count -= 1
            self._main[key] = oldest
        else:
            self._evict(key)

    def _evict(self, key: Key) -> None:
        self._bytes -= self._objects.pop(key).size


class TwoQueues:
    """2Q: what comes back after it left a FIFO queue goes to an LRU one (Johnson, Shasha, 1994)."""

    INCOMING: Final = 0.25
    GHOSTS: Final = 0.5

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._bytes = self._incoming_bytes = 0
        self._incoming: OrderedDict[Key, int] = OrderedDict()
        self._proven: OrderedDict[Key, int] = OrderedDict()
        self._ghosts = Ghosts(budget * self.GHOSTS)

    def __len__(self) -> int:
        return len(self._incoming) + len(self._proven)

    def get(self, key: Key) -> bool:
        """Say whether *key* is held, and move it if it is proven."""
        if self._proven.get(key) is not None:
            self._proven.move_to_end(key)
            return True
        return self._incoming.get(key) is not None

    def put(self, key: Key, size: int) -> None:
        """Append *key* to one of the queues, once there is room."""
        known = self._ghosts.recall(key)
        self._bytes += size
        while self._bytes > self._budget:
            self._evict()
        if known:
            self._proven[key] = size
        else:
            self._incoming[key] = size
            self._incoming_bytes += size

    def _evict(self) -> None:
        if self._proven and self._incoming_bytes <= self._budget * self.INCOMING:
            self._bytes -= self._proven.popitem(last=False)[1]
            return
        key, size = self._incoming.popitem(last=False)
        self._incoming_bytes -= size
        self._bytes -= size
        self._ghosts.add(key, size)
