"""What a store is: a few plain operations on records; everything clever is above it."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

from asgi_cache.errors import StoreUnavailable
from asgi_cache.observe.events import Tell
from asgi_cache.observe.stats import StoreStats
from asgi_cache.observe.tally import Hits
from asgi_cache.policy.fields import Field
from asgi_cache.policy.message import StoredResponse, VariantIndex
from asgi_cache.stores.breaker import Breaker

ONE_CACHE: str = "this store is in use by another Cache; give each a store of its own"

MOST_READS: Final = 3
"""Reads beyond which a record is not more popular than another."""

Record: TypeAlias = StoredResponse | VariantIndex
"""What is stored under a key. Records are immutable, so that a store may hand out its own."""


class Listed(NamedTuple):
    """A stored response that was come upon, not asked for."""

    stored: StoredResponse
    """Its body may have been left where it is, and be empty here."""
    size: int
    """Bytes of the body."""


class Page(NamedTuple):
    """Some of what a store has."""

    listed: list[Listed]
    cursor: str
    """Where to go on; empty: that was the end."""
    scanned: int
    """Records that were looked at; not all are of responses, or can be read."""


@dataclass(frozen=True, slots=True)
class Purge:
    """One entry of the purge log: from its position on, older responses so tagged are void."""

    position: int
    tags: tuple[str, ...]
    all_of: bool = False
    """It names what carries all of the tags; else what carries any of them."""
    soft_at: float | None = None
    """It only ends their lifetime, at this instant in seconds since the epoch."""


class Ready:
    """What is sent with a stored response besides its own fields, for the moment."""

    __slots__ = ("changes", "fields", "hits", "since", "until")

    def __init__(
        self,
        fields: tuple[Field, ...],
        since: float,
        until: float,
        changes: int,
        hits: Hits,
    ) -> None:
        self.fields: tuple[Field, ...] = fields
        self.since: float = since
        self.until: float = until
        """The instant from which on something else may have to be said."""
        self.changes: int = changes
        """How much was known to be purged."""
        self.hits: Hits = hits
        """Where it is noted that it was served."""


NOT_READY: Final = Ready((), 0.0, 0.0, 0, Hits("", 0))
"""Where there is to be one, but is none yet."""


class Held:
    """A record in this process's memory, as long as the store keeps it there."""

    __slots__ = ("expires_at", "reads", "ready", "record", "size")

    def __init__(self, record: Record, size: int, expires_at: float) -> None:
        self.record: Record | None = record
        """Nothing once it was evicted, deleted or replaced."""
        self.size: int = size
        """Bytes of memory that it is counted as."""
        self.expires_at: float = expires_at
        self.reads: int = 0
        """How often it was read lately, as far as that matters."""
        self.ready: Ready | None = None
        """Nothing where it is not to be kept: it is in no budget, so that few records have one."""

    def note_read(self) -> None:
        """Let the record outlive those that are read less."""
        if self.reads < MOST_READS:
            self.reads += 1


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

    def withhold(self, purges: Sequence[Purge]) -> None:
        """Void what *purges* name until told otherwise: the log does not have them yet.

        Each time all of them are told.
        """


class Store(Protocol):
    """Keeps records under 16-byte keys, and an append-only log of what was purged.

    Every operation but ``close`` may raise `StoreUnavailable`; none raises anything else
    for what a server or a network does. What has a body here is for stores to inherit that
    are in one process and at one place.
    """

    def look(self, key: bytes) -> Held | Future[Held | None] | None:
        """Return what this process has under *key* and may serve now, as `get` would.

        Nothing if it is for `get` to find out. A store to which that is one round trip may
        begin it, and return a future that brings what `get` would.
        """
        del key
        return None

    def look_unlinked(self, key: bytes) -> Held | None:
        """Return what this process has under *key*, though purges may be unknown here."""
        del key
        return None

    @property
    def is_shared(self) -> bool:
        """Whether other processes use it too, so that `claim` means something."""
        return True

    @property
    def is_current(self) -> bool:
        """Whether what this process holds may be served now without another `look`."""
        return True

    async def get(self, key: bytes, *, latest: bool = False) -> Record | None:
        """Return the record stored under *key*, or nothing if it is absent or not valid.

        By the time it returns, the reader has been told of every purge that was acknowledged
        before the call; or, unless *latest*, longer than ``lag`` before it.
        """

    async def scan(self, cursor: str, count: int) -> Page:
        """Return about *count* of the responses from *cursor* on, which is empty at first.

        What is there from the first page to the last is on one of them, or on more. The
        reader knows by then what was purged before the call. Nobody waits for it but who
        walks, and it is not to be quick but to cost other requests little.

        Raises:
            ValueError: *cursor* is none of this store's.
        """
        del cursor, count
        raise StoreUnavailable("this store cannot be walked through")

    async def put(
        self, key: bytes, record: Record, ttl: float, former: StoredResponse | None = None
    ) -> None:
        """Store *record* for *ttl* seconds, in place of what was there.

        This process finds it from now on. *former* is a response with the same body that was
        stored under *key* and may still be: its body need not be written again.
        """

    async def delete(self, key: bytes) -> None:
        """Forget *key*; it need not be there."""

    async def landed(self, key: bytes) -> None:
        """Wait until what was put or deleted last under *key* is so for every process."""
        del key

    async def claim(self, lease: bytes, token: bytes, ttl: float) -> bytes:
        """Take a lease for *ttl* seconds, or prolong it; the token that holds it now.

        A lease is between processes: where there is one, whoever asks may have it. A `get`
        that is begun after it in the same turn of the event loop finds what the lease's
        former holder had put.
        """
        del lease, ttl
        return token

    async def release(
        self, lease: bytes, token: bytes | None, mark: bytes | None = None, ttl: float = 0.0
    ) -> None:
        """Give up a lease, if *token* holds it; to *mark* for *ttl* seconds, if one is given.

        Without a token the caller knows that it has the lease.
        """
        del lease, token, mark, ttl

    def observe(self, tell: Tell) -> None:
        """Have what happens told with *tell*; called once, before any other operation."""
        del tell

    def follow(self, reader: LogReader) -> None:
        """Tell *reader* of the log from now on; called once, before any other operation.

        Raises:
            ConfigurationError: Another cache follows it; of two, one would miss the purges.
        """

    async def append(
        self,
        tags: Sequence[str],
        *,
        all_of: bool = False,
        soft_at: float | None = None,
        hasty: bool = False,
    ) -> int:
        """Append a `Purge` to the log; its position, once it cannot be lost.

        A *hasty* caller waits for it no longer than for a look-up.

        Raises:
            PurgeNotAcknowledged: It is not there in time. It will be repeated until it is, and
                the reader is told to withhold what it names.
        """
        ...

    @property
    def patience(self) -> float | None:
        """Seconds that one request may wait for this store in all, until the app is asked."""
        return None

    @property
    def breaker(self) -> Breaker | None:
        """The circuit breaker before the server that it is in, if there is one."""
        return None

    @property
    def lag(self) -> float:
        """Seconds after which no process acts on a log that lacks an acknowledged purge."""
        return 0.0

    def stats(self) -> StoreStats:
        """Return what it has counted."""
        return StoreStats()

    def behind(self) -> float:
        """Seconds since the reader knew, for certain, all purges that had been acknowledged."""
        return 0.0

    async def close(self) -> None:
        """Release connections and tasks; the next operation begins anew."""
