"""What a store is: a few plain operations on records; everything clever is above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from asgi_cache.policy.message import StoredResponse, VariantIndex

ONE_CACHE: str = "this store is in use by another Cache; give each a store of its own"

Record: TypeAlias = StoredResponse | VariantIndex
"""What is stored under a key. Records are immutable, so that a store may hand out its own."""


@dataclass(frozen=True, slots=True)
class Purge:
    """One entry of the purge log: from its position on, older responses so tagged are void."""

    position: int
    tags: tuple[str, ...]


class LogReader(Protocol):
    """What a store tells of the purge log, in the order it learns it."""

    position: int
    """The last position that was read."""

    def restart(self, identity: bytes, position: int) -> None:
        """Begin to follow a log: the first time, or because the former one was lost.

        *position* is where its remaining entries begin: nothing born before it can be judged.
        """

    def advance(self, purges: Sequence[Purge]) -> None:
        """Take note of the entries that follow ``position``."""


class Store(Protocol):
    """Keeps records under 16-byte keys, and an append-only log of what was purged.

    Every operation but ``close`` may raise `StoreUnavailable`; none raises anything else
    for what a server or a network does.
    """

    async def get(self, key: bytes) -> Record | None:
        """Return the record stored under *key*, or nothing if it is absent or not valid.

        By the time it returns, the reader has been told of every purge that was
        acknowledged before the call.
        """

    async def put(self, key: bytes, record: Record, ttl: float) -> None:
        """Store *record* for *ttl* seconds, in place of what was there."""

    async def delete(self, key: bytes) -> None:
        """Forget *key*; it need not be there."""

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the log from now on; called once, before any other operation.

        Raises:
            ConfigurationError: Another cache follows it; of two, one would miss the purges.
        """

    async def append(self, tags: Sequence[str]) -> int:
        """Append a purge of *tags* to the log; its position, once it cannot be lost."""
        ...

    async def close(self) -> None:
        """Release connections and tasks; the store is of no use afterwards."""
