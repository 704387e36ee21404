"""Records in this process, bounded in bytes: what is asked for again outlives what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from asgi_cache.policy.message import StoredResponse, VariantIndex
from asgi_cache.stores.base import Record

RECORD_OVERHEAD: Final = 640
"""Bytes that CPython and this store take for a record besides what it holds."""
PART_OVERHEAD: Final = 140
"""The same for each of its fields or variants: their tuples and byte strings."""


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


class Sieve:
    """Keeps records within a budget of bytes, without copying or encoding them.

    The policy is SIEVE (Zhang and others, NSDI 2024). Records queue in the order they came.
    A hand goes from the oldest to the newest, spares once whatever was read since it
    last passed, and evicts the first that was not. A hit only sets a flag, and a scan over
    many URLs pushes out its own records first.

    For the threads of one event loop only: nothing here is locked.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._nodes: dict[bytes, _Node] = {}
        self._newest: _Node | None = None
        self._oldest: _Node | None = None
        self._hand: _Node | None = None
        self.bytes_held: int = 0
        """How many bytes the records are counted as; never more than the budget."""
        self.evictions: int = 0
        """How many records had to go before their time."""

    def __len__(self) -> int:
        """How many records are kept, expired ones that nobody asked for included."""
        return len(self._nodes)

    def get(self, key: bytes) -> Record | None:
        """Return the record under *key*, if it is there and has not expired."""
        node = self._nodes.get(key)
        if node is None:
            return None
        if node.expires_at <= self._clock():
            self._drop(node)
            return None
        node.visited = True
        return node.record

    def put(self, key: bytes, record: Record, ttl: float) -> None:
        """Keep *record* for *ttl* seconds, unless it alone is larger than the budget."""
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

    def delete(self, key: bytes) -> None:
        """Forget *key*; it need not be there."""
        node = self._nodes.get(key)
        if node is not None:
            self._drop(node)

    def clear(self) -> None:
        """Forget all."""
        self._nodes.clear()
        self._newest = self._oldest = self._hand = None
        self.bytes_held = 0

    def _make_room(self, size: int) -> None:
        now = self._clock()
        while self.bytes_held + size > self._max_bytes and (node := self._hand or self._oldest):
            if node.visited and node.expires_at > now:
                node.visited = False
                self._hand = node.newer
            else:
                self.evictions += node.expires_at > now
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
        self.bytes_held += node.size

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
        self.bytes_held -= node.size
