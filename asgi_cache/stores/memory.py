"""The store inside this process: bounded in bytes, without copying or encoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from secrets import token_bytes
from typing import Final, TypeAlias

from asgi_cache.errors import ConfigurationError
from asgi_cache.policy.message import StoredResponse, VariantIndex
from asgi_cache.stores.base import ONE_CACHE, LogReader, Purge, Record

RECORD_OVERHEAD: Final = 640
"""Bytes that CPython and this store take for a record besides what it holds."""
PART_OVERHEAD: Final = 140
"""The same for each of its fields or variants: their tuples and byte strings."""

_DEFAULT_BYTES: Final = 256 * 1024 * 1024

_Key: TypeAlias = bytes
"""In the store's own scope ``bytes`` is how many it holds."""


def size_of(record: Record) -> int:
    """Return how many bytes of memory *record* is counted as."""
    if isinstance(record, StoredResponse):
        parts = sum(len(name) + len(value) for name, value in record.fields)
        parts += sum(map(len, record.tags)) + len(record.body)
        return RECORD_OVERHEAD + PART_OVERHEAD * (len(record.fields) + len(record.tags)) + parts
    return RECORD_OVERHEAD + sum(_size_of_variants(record))


def _size_of_variants(index: VariantIndex) -> list[int]:
    return [
        PART_OVERHEAD * (1 + len(variant.vary)) + sum(map(len, variant.vary))
        for variant in index.variants
    ]


class _Node:
    """A record's place in the queue, with its neighbours."""

    __slots__ = ("expires_at", "key", "newer", "older", "record", "size", "visited")

    def __init__(self, key: bytes, record: Record, size: int, expires_at: float) -> None:
        self.key = key
        self.record = record
        self.size = size
        self.expires_at = expires_at
        self.visited = False
        self.newer: _Node | None = None
        self.older: _Node | None = None


class MemoryStore:
    """Keeps records in this process; what is asked for again outlives what is not.

    The policy is SIEVE (Zhang and others, NSDI 2024). Records queue in the order they came.
    A hand goes from the oldest to the newest, spares once whatever was read since it
    last passed, and evicts the first that was not. A hit only sets a flag, and a scan over
    many URLs pushes out its own records first.

    For the threads of one event loop only: nothing here is locked.
    """

    def __init__(
        self, max_bytes: int = _DEFAULT_BYTES, clock: Callable[[], float] = time.time
    ) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._nodes: dict[_Key, _Node] = {}
        self._newest: _Node | None = None
        self._oldest: _Node | None = None
        self._hand: _Node | None = None
        self._bytes = 0
        self._evictions = 0
        self._log = token_bytes(8)
        self._position = 0
        self._reader: LogReader | None = None

    @property
    def entries(self) -> int:
        """How many records are kept, expired ones that nobody asked for included."""
        return len(self._nodes)

    @property
    def bytes(self) -> int:
        """How many bytes they are counted as; never more than the budget."""
        return self._bytes

    @property
    def evictions(self) -> int:
        """How many records had to go before their time."""
        return self._evictions

    def peek(self, key: _Key) -> Record | None:
        """Do what `get` does, at once."""
        node = self._nodes.get(key)
        if node is None:
            return None
        if node.expires_at <= self._clock():
            self._drop(node)
            return None
        node.visited = True
        return node.record

    async def get(self, key: _Key) -> Record | None:
        """Return the record under *key*, if it is there and has not expired."""
        return self.peek(key)

    async def put(self, key: _Key, record: Record, ttl: float) -> None:
        """Store *record* for *ttl* seconds, unless it alone is larger than the budget."""
        former = self._nodes.get(key)
        if former is not None:
            self._drop(former)
        size = size_of(record)
        if size > self._max_bytes or ttl <= 0:
            return
        self._make_room(size)
        node = _Node(key, record, size, self._clock() + ttl)
        node.visited = former is not None and former.visited
        self._push(node)

    async def delete(self, key: _Key) -> None:
        """Forget *key*."""
        node = self._nodes.get(key)
        if node is not None:
            self._drop(node)

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the log: it begins with this store, and cannot be lost before it."""
        if self._reader is not None:
            raise ConfigurationError(ONE_CACHE)
        self._reader = reader
        reader.restart(self._log, self._position)

    async def append(self, tags: Sequence[str]) -> int:
        """Append a purge of *tags*; the reader knows of it when this returns."""
        self._position += 1
        if self._reader is not None:
            self._reader.advance([Purge(self._position, tuple(tags))])
        return self._position

    async def close(self) -> None:
        """Let go of all records."""
        self._nodes.clear()
        self._newest = self._oldest = self._hand = None
        self._bytes = 0

    def _make_room(self, size: int) -> None:
        now = self._clock()
        while self._bytes + size > self._max_bytes and (node := self._hand or self._oldest):
            if node.visited and node.expires_at > now:
                node.visited = False
                self._hand = node.newer
            else:
                self._evictions += node.expires_at > now
                self._hand = node
                self._drop(node)

    def _push(self, node: _Node) -> None:
        node.older = self._newest
        if self._newest is None:
            self._oldest = node
        else:
            self._newest.newer = node
        self._newest = node
        self._nodes[node.key] = node
        self._bytes += node.size

    def _drop(self, node: _Node) -> None:
        """Take *node* out of the queue; a hand that points to it goes on to the next."""
        if node.older is None:
            self._oldest = node.newer
        else:
            node.older.newer = node.newer
        if node.newer is None:
            self._newest = node.older
        else:
            node.newer.older = node.older
        if self._hand is node:
            self._hand = node.newer
        del self._nodes[node.key]
        self._bytes -= node.size
