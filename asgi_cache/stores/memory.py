"""The store inside this process, and the twin of the purge log beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from secrets import token_bytes
from typing import Final, TypeAlias

from asgi_cache.errors import ConfigurationError
from asgi_cache.observe.stats import StoreStats
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import ONE_CACHE, Held, LogReader, Page, Purge, Record, Store
from asgi_cache.stores.s3fifo import S3Fifo

_DEFAULT_BYTES: Final = 256 * 1024 * 1024

_Key: TypeAlias = bytes
"""In the store's own scope ``bytes`` is how many it holds."""


class MemoryStore(Store):
    """Keeps records in this process, within a budget of bytes."""

    def __init__(
        self, max_bytes: int = _DEFAULT_BYTES, clock: Callable[[], float] = time.time
    ) -> None:
        self._records = S3Fifo(max_bytes, clock)
        self._log = token_bytes(8)
        self._position = 0
        self._reader: LogReader | None = None

    @property
    def entries(self) -> int:
        """How many records are kept, expired ones that nobody asked for included."""
        return len(self._records)

    @property
    def bytes(self) -> int:
        """How many bytes they are counted as; never more than the budget."""
        return self._records.bytes_held

    @property
    def evictions(self) -> int:
        """How many records had to go before their time."""
        return self._records.evictions

    @property
    def is_shared(self) -> bool:
        """Whether other processes use it too: no."""
        return False

    def look(self, key: _Key) -> Held | None:
        """Return what holds the record under *key*, if it is there and has not expired."""
        return self._records.look(key)

    async def get(self, key: _Key, *, latest: bool = False) -> Record | None:
        """Return the record under *key*, if it is there and has not expired."""
        del latest
        return self._records.get(key)

    async def scan(self, cursor: str, count: int) -> Page:
        """Return *count* responses in the order of their keys, or as many as are left."""
        return self._records.scan(cursor, count)

    async def put(
        self, key: _Key, record: Record, ttl: float, former: StoredResponse | None = None
    ) -> None:
        """Store *record* for *ttl* seconds, unless it alone is larger than the budget."""
        del former
        self._records.put(key, record, ttl)

    async def delete(self, key: _Key) -> None:
        """Forget *key*."""
        self._records.delete(key)

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the log: it begins with this store, and cannot be lost before it."""
        if self._reader is not None:
            raise ConfigurationError(ONE_CACHE)
        self._reader = reader
        reader.restart(self._log, self._position)

    async def append(
        self,
        tags: Sequence[str],
        *,
        all_of: bool = False,
        soft_at: float | None = None,
        hasty: bool = False,
    ) -> int:
        """Append a purge; the reader knows of it when this returns."""
        del hasty  # it takes no time
        self._position += 1
        if self._reader is not None:
            self._reader.advance([Purge(self._position, tuple(tags), all_of, soft_at)])
        return self._position

    def stats(self) -> StoreStats:
        """Return what it has counted."""
        return self._records.stats("memory")

    async def close(self) -> None:
        """Let go of all records."""
        self._records.clear()
