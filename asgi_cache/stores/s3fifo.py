"""Records in this process, bounded in bytes: what is asked for again outlives what is not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias

from asgi_cache.stores.base import Held, Record
from asgi_cache.stores.footprint import size_of

SMALL: Final = 0.1
"""The part of the budget from which on newcomers have to make room for one another."""

_Queue: TypeAlias = OrderedDict[bytes, Held]


class S3Fifo:
    """Keeps records within a budget of bytes, without copying or encoding them.

    The policy is S3-FIFO (Yang and others, FIFO Queues are All You Need for Cache Eviction,
    SOSP 2023). A newcomer passes a small queue first. If it was read more than once when it
    gets to its end, it goes on to the main queue, where each read saves it once; else it is
    evicted, and a ghost remembers its key, so that it goes to the main queue when it comes back.
    A hit only counts, and a scan over many URLs pushes out its own records first.

    For the threads of one event loop only: nothing here is locked.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: dict[bytes, Held] = {}
        self._small: _Queue = OrderedDict()
        self._main: _Queue = OrderedDict()
        self._ghosts: OrderedDict[bytes, int] = OrderedDict()
        """What each had taken, in bytes."""
        self._small_bytes = 0
        self._ghost_bytes = 0
        self.bytes_held: int = 0
        """How many bytes the records are counted as; never more than the budget."""
        self.evictions: int = 0
        """How many records had to go before their time."""

    def __len__(self) -> int:
        """How many records are kept, expired ones that nobody asked for included."""
        return len(self._entries)

    def look(self, key: bytes) -> Held | None:
        """Return what holds the record under *key*, if it is there and has not expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= self._clock():
            self.delete(key)
            return None
        entry.note_read()
        return entry

    def get(self, key: bytes) -> Record | None:
        """Return the record under *key*, if it is there and has not expired."""
        entry = self.look(key)
        return None if entry is None else entry.record

    def put(self, key: bytes, record: Record, ttl: float) -> None:
        """Keep *record* for *ttl* seconds, unless it alone is larger than the budget.

        What takes the place of another record has that one's standing.
        """
        is_known = key in self._main or self._recall(key)
        former = self._entries.get(key)
        self.delete(key)
        size = size_of(record)
        if size > self._max_bytes or ttl <= 0:
            return
        self._make_room(size)
        entry = Held(record, size, self._clock() + ttl)
        entry.reads = former.reads if former is not None else 0
        self._add(key, entry, self._main if is_known else self._small)

    def delete(self, key: bytes) -> None:
        """Forget *key*; it need not be there."""
        entry = self._remove(key)
        if entry is not None:
            entry.record = None

    def _remove(self, key: bytes) -> Held | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self.bytes_held -= entry.size
        if self._small.pop(key, None) is not None:
            self._small_bytes -= entry.size
        else:
            del self._main[key]
        return entry

    def clear(self) -> None:
        """Forget all."""
        for entry in self._entries.values():
            entry.record = None
        for held in (self._entries, self._small, self._main, self._ghosts):
            held.clear()
        self.bytes_held = self._small_bytes = self._ghost_bytes = 0

    def _add(self, key: bytes, entry: Held, queue: _Queue) -> None:
        queue[key] = self._entries[key] = entry
        self.bytes_held += entry.size
        if queue is self._small:
            self._small_bytes += entry.size

    def _make_room(self, size: int) -> None:
        now = self._clock()
        while self.bytes_held + size > self._max_bytes:
            if not self._main or self._small_bytes >= self._max_bytes * SMALL:
                self._advance_small(now)
            else:
                self._advance_main(now)

    def _advance_small(self, now: float) -> None:
        key, entry = next(iter(self._small.items()))
        if entry.expires_at > now and entry.reads > 1:
            self._remove(key)
            entry.reads = 0
            self._add(key, entry, self._main)
            return
        self.delete(key)
        if entry.expires_at > now:
            self.evictions += 1
            self._remember(key, entry.size)

    def _advance_main(self, now: float) -> None:
        key, entry = next(iter(self._main.items()))
        if entry.expires_at <= now:
            self.delete(key)
        elif entry.reads:
            entry.reads -= 1
            self._main.move_to_end(key)
        else:
            self.delete(key)
            self.evictions += 1

    def _remember(self, key: bytes, size: int) -> None:
        """Keep the key of what was evicted, for about as long as it could have been held."""
        self._ghosts[key] = size
        self._ghost_bytes += size
        limit = self._max_bytes * (1 - SMALL)
        while self._ghost_bytes > limit or len(self._ghosts) > len(self._entries) + 1:
            _, size = self._ghosts.popitem(last=False)
            self._ghost_bytes -= size

    def _recall(self, key: bytes) -> bool:
        """Whether *key* was evicted lately."""
        size = self._ghosts.pop(key, None)
        self._ghost_bytes -= size or 0
        return size is not None
