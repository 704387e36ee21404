"""What the store holds for a request: the response it selects, if that is still good."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from asgi_cache.errors import PurgeNotAcknowledged, StoreUnavailable
from asgi_cache.observe.events import Tell
from asgi_cache.patience import Patience
from asgi_cache.policy.fields import Fields
from asgi_cache.policy.keeping import keep_for
from asgi_cache.policy.key import part_key, select, with_variant
from asgi_cache.policy.message import StoredResponse, Variant, VariantIndex
from asgi_cache.purging import PurgeLog
from asgi_cache.stores.base import Held, Record, Store

T = TypeVar("T")

INDEX_TTL = 86400.0
"""Seconds that a variant index is kept at least, as its variants end at different times."""


class Birth(NamedTuple):
    """Where in which log a fill began: purges after it apply to what it brings."""

    log: bytes
    position: int


class Found(NamedTuple):
    """The outcome of a lookup."""

    stored: StoredResponse | None
    reason: str = ""
    """Why nothing was found, as ``Cache-Status`` says it (RFC 9211, section 2.2)."""
    vary: tuple[bytes, ...] = ()
    """The fields by which the response is, or probably will be, selected."""


Begun: TypeAlias = dict[bytes, Future[Held | None]]
"""Look-ups that were begun before all was known of the request that they are for."""


URI_MISS = Found(None, "uri-miss")


Tags: TypeAlias = Callable[[], Sequence[str]]
"""Returns the tags that came free with a request, where they are needed."""


class Holdings:
    """Finds, keeps and voids responses in a store, with the purge log's word on each.

    Whatever goes wrong in a store comes out as `StoreUnavailable`, and is told of now and then.
    """

    def __init__(self, store: Store, log: PurgeLog, tell: Tell) -> None:
        self.store: Store = store
        self.log: PurgeLog = log
        self._tell = log.tell = tell
        self.purges: int = 0
        """How many were ordered here."""
        self.deletes: int = 0
        """How many stored responses were forgotten one by one."""
        self._latest_birth = Birth(b"", 0)
        store.observe(tell)
        store.follow(log)

    @property
    def changes(self) -> int:
        """How often it has become known that something was purged."""
        return self.log.changes

    def birth(self) -> Birth:
        """Return the position that a fill which begins now is born at."""
        log, latest = self.log, self._latest_birth
        if latest.position != log.position or latest.log != log.identity:
            latest = self._latest_birth = Birth(log.identity, log.position)
        return latest

    def is_untouched(self, stored: StoredResponse, tags: Tags) -> bool:
        """Whether no purge since its birth concerns *stored*."""
        return self.log.judge(stored, tags) is stored

    async def find(
        self,
        primary: bytes,
        fields: Fields,
        tags: Tags,
        *,
        latest: bool = False,
        begun: Begun | None = None,
    ) -> Found:
        """Return the stored response that a request with *fields* selects (RFC 9111, 4.1).

        With *latest* nothing is taken from this process's own copies. Without, they are passed
        over if they hold something that is of no use: another process may have put something
        better in its place. *begun* are look-ups that `look` has begun.
        """
        record = await self._get(primary, latest=latest, begun=begun)
        if record is None:
            return URI_MISS
        if isinstance(record, VariantIndex):
            found = await self._find_variant(record, fields, tags, latest=latest, begun=begun)
        else:
            found = self._found(record, tags, ())
        if found.stored is not None or latest:
            return found
        return await self.find(primary, fields, tags, latest=True)

    async def _find_variant(
        self,
        index: VariantIndex,
        fields: Fields,
        tags: Tags,
        *,
        latest: bool,
        begun: Begun | None,
    ) -> Found:
        variant = select(index, fields)
        if variant is None:
            newest = index.variants[0].vary if index.variants else ()
            return Found(None, "vary-miss", newest)
        record = await self._get(variant.selector, latest=latest, begun=begun)
        return self._found(record, tags, variant.vary)

    def find_unlinked(self, primary: bytes, fields: Fields, tags: Tags) -> Found:
        """Return what this process has, whatever was purged that it does not know of."""
        record = _record_of(self.store.look_unlinked(primary))
        if not isinstance(record, VariantIndex):
            return self._found(record, tags, ())
        variant = select(record, fields)
        if variant is None:
            return URI_MISS
        return self._found(_record_of(self.store.look_unlinked(variant.selector)), tags, ())

    def patience(self, waited: float = 0.0) -> Patience | None:
        """Return how long a request may wait that has waited; nothing if this store never waits."""
        seconds = self.store.patience
        return None if seconds is None else Patience(max(0.0, seconds - waited))

    async def find_part(
        self, primary: bytes, tags: Tags, *, latest: bool = False
    ) -> StoredResponse | None:
        """Return the stored part of a response that is not stored as a whole."""
        record = await self._get(part_key(primary), latest=latest)
        return self._found(record, tags, ()).stored

    def _found(self, record: Record | None, tags: Tags, vary: tuple[bytes, ...]) -> Found:
        """Return *record* if it is a response, as the purges since its birth leave it."""
        if not isinstance(record, StoredResponse):
            return Found(None, "uri-miss", vary)
        stored = self.log.judge(record, tags)
        return Found(stored, "uri-miss" if stored is None else "", vary)

    async def keep(
        self,
        stored: StoredResponse,
        variant: Variant | None,
        primary: bytes,
        free: Tags,
        former: StoredResponse | None = None,
    ) -> None:
        """Store a response that was just made, as one *variant* of its URL if it varies.

        *free* returns the tags that came free with its request. *former* is the response with
        the same body that was stored in its place, if there is one.
        """
        if self.log.judge(stored, free) is None:
            return
        if stored.birth < self.log.position and await self._is_late(stored):
            return
        await self._put(stored.key, stored, keep_for(stored), former)
        if variant is not None:
            # Of two processes that do this at once, one's variant is lost: a miss, no more.
            record = await self._get(primary, latest=True)
            index = record if isinstance(record, VariantIndex) else None
            await self._list(index, with_variant(index, primary, variant), keep_for(stored))

    async def _is_late(self, stored: StoredResponse) -> bool:
        """Whether one that was begun after a purge is in its place, which it was begun before."""
        record = await self._get(stored.key)
        if not isinstance(record, StoredResponse) or record.log != stored.log:
            return False
        return record.birth > stored.birth

    async def _list(self, former: VariantIndex | None, index: VariantIndex, ttl: float) -> None:
        """Store *index*, and forget the variants that it has no room for."""
        await self._put(index.key, index, max(ttl, INDEX_TTL))
        listed = {variant.selector for variant in index.variants}
        for variant in former.variants if former else ():
            if variant.selector not in listed:
                await self._reach(self.store.delete(variant.selector))

    async def put(self, stored: StoredResponse, former: StoredResponse | None = None) -> None:
        """Store *stored* under its own key, for as long as it can be of any use.

        *former* is what was stored there with the same body.
        """
        await self._put(stored.key, stored, keep_for(stored), former)

    async def drop(self, stored: StoredResponse) -> None:
        """Forget *stored*."""
        self.deletes += 1
        await self._reach(self.store.delete(stored.key))

    async def purge(
        self,
        tags: Sequence[str],
        *,
        all_of: bool = False,
        soft_at: float | None = None,
        wait: bool = False,
        hasty: bool = False,
    ) -> Birth:
        """Void every response that carries one of *tags*, or all of them, in every process.

        With *soft_at* their lifetime ends at that instant instead. With *wait* this returns
        when no process has a use any more for what it knew of the log before. A *hasty*
        caller waits for the store no longer than for a look-up.

        Returns the position of the purge, at which what is to replace all that is born.

        Raises:
            PurgeNotAcknowledged: This process has voided them; others will, but it is not
                known when.
        """
        self.purges += 1
        position = await self._reach(
            self.store.append(tags, all_of=all_of, soft_at=soft_at, hasty=hasty)
        )
        born = Birth(self.log.identity, position)
        if wait and self.store.lag:
            await asyncio.sleep(self.store.lag)
        return born

    async def landed(self, stored: StoredResponse, primary: bytes) -> None:
        """Wait until every process finds what was stored last in the place of *stored*.

        By *primary*, its primary key, it is found if it varies.
        """
        await self._reach(self.store.landed(stored.key))
        if stored.key != primary:
            await self._reach(self.store.landed(primary))

    async def claim(self, lease: bytes, token: bytes, ttl: float) -> bytes:
        """Take a lease for *ttl* seconds, or prolong it; the token that holds it now."""
        return await self._reach(self.store.claim(lease, token, ttl))

    async def release(
        self, lease: bytes, token: bytes | None, mark: bytes | None, ttl: float
    ) -> None:
        """Give up a lease, or leave *mark* in its place for *ttl* seconds."""
        await self._reach(self.store.release(lease, token, mark, ttl))

    async def _get(
        self, key: bytes, *, latest: bool = False, begun: Begun | None = None
    ) -> Record | None:
        if begun is not None and key in begun:
            if begun[key].cancelled():
                raise StoreUnavailable("it took longer than the request could wait")
            return _record_of(await self._reach(begun[key]))
        try:
            return await self.store.get(key, latest=latest)
        except Exception as error:  # noqa: BLE001 - no mistake in a store may cost a request
            raise self._unavailable(error) from None

    async def _put(
        self, key: bytes, record: Record, ttl: float, former: StoredResponse | None = None
    ) -> None:
        try:
            await self.store.put(key, record, ttl, former)
        except Exception as error:  # noqa: BLE001 - no mistake in a store may cost a request
            raise self._unavailable(error) from None

    async def _reach(self, operation: Awaitable[T]) -> T:
        try:
            result = await operation
        except Exception as error:  # noqa: BLE001 - no mistake in a store may cost a request
            raise self._unavailable(error) from None
        return result

    def look(self, key: bytes) -> Held | Future[Held | None] | None:
        """Return what is at hand under *key*; see `Store.look`. If that fails, it is not."""
        try:
            return self.store.look(key)
        except Exception:  # noqa: BLE001 - `find` comes upon it too, and logs it
            return None

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        """Note that the store failed; what is no failure of a store is a mistake in one."""
        if not isinstance(error, StoreUnavailable):
            self._tell("store-broken", error)
            return StoreUnavailable("the store failed")
        if not isinstance(error, PurgeNotAcknowledged):  # which the store tells of
            self._tell("store-unavailable", why=str(error))
        return error


def _record_of(held: Held | None) -> Record | None:
    return None if held is None else held.record
