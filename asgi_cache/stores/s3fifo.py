"""Records in this process, bounded in bytes: what is asked for again outlives what is not."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from heapq import nsmallest
from typing import Final

from asgi_cache.observe.stats import StoreStats
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Held, Listed, Page, Record
from asgi_cache.stores.footprint import size_of

SMALL: Final = 0.1
"""The part of the budget from which on newcomers have to make room for one another."""

GHOSTS: Final = 2
"""Places for ghosts, for each record: with as many as records half of them would be overwritten."""
LEAST_GHOSTS: Final = 64
WAYS: Final = 4
"""Places that a key may have, of which the one is overwritten that was used longest ago."""

_LOW: Final = (1 << 32) - 1
_HIGH: Final = (1 << 64) - 1 & ~_LOW


class _Entry(Held):
    """A record with its place in a queue."""

    __slots__ = ("key", "newer", "older", "queue")

    def __init__(self, key: bytes, record: Record, size: int, expires_at: float) -> None:
        super().__init__(record, size, expires_at)
        self.key = key
        self.queue: _Queue | None = None
        self.older: _Entry | None = None
        self.newer: _Entry | None = None


class _Queue:
    """Entries in the order in which they came.

    They are linked to one another, as an ``OrderedDict`` would take up to 200 bytes for each.
    """

    def __init__(self) -> None:
        self.oldest: _Entry | None = None
        self._newest: _Entry | None = None
        self.bytes_held: int = 0

    def append(self, entry: _Entry) -> None:
        """Put *entry*, which is in no queue, behind all others."""
        entry.queue = self
        entry.older = self._newest
        if self._newest is None:
            self.oldest = entry
        else:
            self._newest.newer = entry
        self._newest = entry
        self.bytes_held += entry.size

    def remove(self, entry: _Entry) -> None:
        """Take *entry* out, wherever it is."""
        older, newer = entry.older, entry.newer
        if older is None:
            self.oldest = newer
        else:
            older.newer = newer
        if newer is None:
            self._newest = older
        else:
            newer.older = older
        entry.queue = entry.older = entry.newer = None
        self.bytes_held -= entry.size


class _Ghosts:
    """Which keys were evicted last, in eight bytes each.

    The key tells the places where it may be. There is half of its hash, and when it was
    evicted: how many were before it. One that is overwritten has lost its second chance, and
    all have when there are more records than places.
    """

    def __init__(self) -> None:
        self._places = array("Q", bytes(8 * LEAST_GHOSTS))
        self._count = 0

    def add(self, key: bytes, records: int) -> None:
        """Remember that *key* is evicted now, while so many *records* are kept."""
        if records > len(self._places):
            self._places = array("Q", bytes(8 * GHOSTS * WAYS * -(-records // WAYS)))
        self._count += 1
        oldest = min(self._places_of(key), key=lambda place: self._places[place] & _LOW)
        self._places[oldest] = hash(key) & _HIGH | self._count & _LOW

    def recall(self, key: bytes, most: int) -> bool:
        """Whether *key* is one of the *most* that were evicted last; it is forgotten now."""
        if not self._count:
            return False
        for place in self._places_of(key):
            found = self._places[place]
            if found and found & _HIGH == hash(key) & _HIGH:
                self._places[place] = 0
                return self._count - found & _LOW < most
        return False

    def _places_of(self, key: bytes) -> range:
        first = hash(key) % (len(self._places) // WAYS) * WAYS
        return range(first, first + WAYS)


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
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._small, self._main = _Queue(), _Queue()
        self._ghosts = _Ghosts()
        self.max_bytes: int = max_bytes
        """The budget."""
        self.evictions: int = 0
        """How many records had to go before their time."""
        self.expired: int = 0
        """How many were found to be past it."""
        self.too_large: int = 0
        """How many were not kept, as one alone is larger than the budget."""

    def __len__(self) -> int:
        """How many records are kept, expired ones that nobody asked for included."""
        return len(self._entries)

    @property
    def bytes_held(self) -> int:
        """How many bytes the records are counted as; never more than the budget."""
        return self._small.bytes_held + self._main.bytes_held

    def look(self, key: bytes) -> Held | None:
        """Return what holds the record under *key*, if it is there and has not expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= self._clock():
            self.expired += 1
            self._drop(entry)
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
        former = self._entries.get(key)
        queue = former.queue if former is not None else self._queue_for(key)
        if former is not None:
            self._drop(former)
        size = size_of(record)
        if size > self.max_bytes or ttl <= 0:
            self.too_large += size > self.max_bytes
            return
        self._make_room(size)
        entry = self._entries[key] = _Entry(key, record, size, self._clock() + ttl)
        entry.reads = former.reads if former is not None else 0
        (queue or self._small).append(entry)

    def delete(self, key: bytes) -> None:
        """Forget *key*; it need not be there."""
        entry = self._entries.get(key)
        if entry is not None:
            self._drop(entry)

    def scan(self, cursor: str, count: int) -> Page:
        """Return *count* responses behind the key in *cursor*, in the order of their keys.

        It looks at all keys, which takes 100 ms for a million.

        Raises:
            ValueError: There is no key in *cursor*.
        """
        after, now = bytes.fromhex(cursor), self._clock()
        keys = nsmallest(count, (key for key in self._entries if key > after))
        entries = [self._entries[key] for key in keys]
        listed = [
            Listed(entry.record, len(entry.record.body))
            for entry in entries
            if entry.expires_at > now and isinstance(entry.record, StoredResponse)
        ]
        return Page(listed, keys[-1].hex() if len(keys) == count else "", len(keys))

    def stats(self, kind: str) -> StoreStats:
        """Return what is kept, and what became of the rest, for a store of that *kind*."""
        return StoreStats(
            kind,
            entries=len(self),
            bytes=self.bytes_held,
            budget=self.max_bytes,
            evicted=self.evictions,
            expired=self.expired,
            too_large=self.too_large,
        )

    def clear(self) -> None:
        """Forget all."""
        for entry in self._entries.values():
            entry.record = entry.older = entry.newer = None  # else they would keep one another
        self._entries.clear()
        self._small, self._main = _Queue(), _Queue()
        self._ghosts = _Ghosts()

    def _queue_for(self, key: bytes) -> _Queue:
        """Return where a record belongs that is not here; it may have been evicted too early."""
        is_known = self._ghosts.recall(key, len(self._entries) + 1)
        return self._main if is_known else self._small

    def _drop(self, entry: _Entry) -> None:
        del self._entries[entry.key]
        entry.record = None
        if entry.queue is not None:
            entry.queue.remove(entry)

    def _make_room(self, size: int) -> None:
        now = self._clock()
        while self.bytes_held + size > self.max_bytes and (entry := self._next()):
            if entry.queue is self._small:
                self._advance_small(entry, now)
            else:
                self._advance_main(entry, now)

    def _next(self) -> _Entry | None:
        """Return the entry that has to move on or go: the oldest of one of the queues."""
        if self._main.oldest is None or self._small.bytes_held >= self.max_bytes * SMALL:
            return self._small.oldest
        return self._main.oldest

    def _advance_small(self, entry: _Entry, now: float) -> None:
        if entry.expires_at > now and entry.reads > 1:
            entry.reads = 0
            self._small.remove(entry)
            self._main.append(entry)
            return
        self._note_end(entry, now)
        self._drop(entry)
        if entry.expires_at > now:
            self._ghosts.add(entry.key, len(self._entries))

    def _advance_main(self, entry: _Entry, now: float) -> None:
        if entry.expires_at > now and entry.reads:
            entry.reads -= 1
            self._main.remove(entry)
            self._main.append(entry)
            return
        self._note_end(entry, now)
        self._drop(entry)

    def _note_end(self, entry: _Entry, now: float) -> None:
        if entry.expires_at > now:
            self.evictions += 1
        else:
            self.expired += 1
