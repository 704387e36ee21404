"""What the store holds for a request: the response it selects, if that is still good."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple, TypeAlias, TypeVar

from asgi_cache.errors import StoreUnavailable
from asgi_cache.policy.fields import Fields
from asgi_cache.policy.keeping import keep_for, stored_response
from asgi_cache.policy.key import part_key, select, variant_of, with_variant
from asgi_cache.policy.message import StoredResponse, VariantIndex
from asgi_cache.policy.storing import Received
from asgi_cache.purging import PurgeLog
from asgi_cache.stores.base import Record, Store

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

INDEX_TTL = 86400.0
"""Seconds that a variant index is kept at least, as its variants end at different times."""


class Birth(NamedTuple):
    """Where in which log a fill began: purges after it apply to what it brings."""

    log: bytes
    position: int


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a lookup."""

    stored: StoredResponse | None
    reason: str = ""
    """Why nothing was found, as ``Cache-Status`` says it (RFC 9211, section 2.2)."""


URI_MISS = Found(None, "uri-miss")
VARY_MISS = Found(None, "vary-miss")


Tags: TypeAlias = Callable[[], Sequence[str]]
"""Returns the tags that came free with a request, where they are needed."""


class Holdings:
    """Finds, keeps and voids responses in a store, with the purge log's word on each.

    Whatever goes wrong in a store comes out as `StoreUnavailable`; that it began and that it
    ended is logged, once each.
    """

    def __init__(self, store: Store, log: PurgeLog) -> None:
        self._store = store
        self._log = log
        self._failing = False
        store.follow(log)

    def birth(self) -> Birth:
        """Return the position that a fill which begins now is born at."""
        return Birth(self._log.identity, self._log.position)

    async def find(self, primary: bytes, fields: Fields, tags: Tags) -> Found:
        """Return the stored response that a request with *fields* selects (RFC 9111, 4.1)."""
        record = await self._get(primary)
        if isinstance(record, VariantIndex):
            variant = select(record, fields)
            if variant is None:
                return VARY_MISS
            record = await self._get(variant.selector)
        good = self._good(record, tags)
        return URI_MISS if good is None else Found(good)

    async def find_part(self, primary: bytes, tags: Tags) -> StoredResponse | None:
        """Return the stored part of a response that is not stored as a whole."""
        return self._good(await self._get(part_key(primary)), tags)

    def _good(self, record: Record | None, tags: Tags) -> StoredResponse | None:
        """Return *record* if it is a response that nothing has purged."""
        if not isinstance(record, StoredResponse):
            return None
        return record if self._log.is_good(record, tags) else None

    async def keep(
        self,
        received: Received,
        primary: bytes,
        body: bytes,
        birth: Birth,
        tags: tuple[str, ...],
        free: Tags,
    ) -> StoredResponse:
        """Store a complete response, beside the other variants of its URL if it varies.

        *tags* are its own, *free* returns those that came free with its request.
        """
        if received.response.status == HTTPStatus.PARTIAL_CONTENT:
            primary = part_key(primary)
        variant = variant_of(primary, received.request.fields, received.response.fields)
        key = primary if variant is None else variant.selector
        stored = stored_response(received, key, body, *birth, tags)
        if not self._log.is_good(stored, free):
            return stored  # purged while it was made: a newer one may be in its place
        await self.put(stored)
        if variant is not None:
            # Of two processes that do this at once, one's variant is lost: a miss, no more.
            record = await self._get(primary)
            index = record if isinstance(record, VariantIndex) else None
            await self._list(index, with_variant(index, primary, variant), keep_for(stored))
        return stored

    async def _list(self, former: VariantIndex | None, index: VariantIndex, ttl: float) -> None:
        """Store *index*, and forget the variants that it has no room for."""
        await self._put(index.key, index, max(ttl, INDEX_TTL))
        listed = {variant.selector for variant in index.variants}
        for variant in former.variants if former else ():
            if variant.selector not in listed:
                await self._reach(self._store.delete(variant.selector))

    def renewed(self, stored: StoredResponse, received: Received, birth: Birth) -> StoredResponse:
        """Return *stored* with the fields and the lifetime of *received* (RFC 9111, 4.3.4)."""
        return stored_response(received, stored.key, stored.body, *birth, stored.tags)

    async def put(self, stored: StoredResponse) -> None:
        """Store *stored* under its own key, for as long as it can be of any use."""
        await self._put(stored.key, stored, keep_for(stored))

    async def drop(self, stored: StoredResponse) -> None:
        """Forget *stored*."""
        await self._reach(self._store.delete(stored.key))

    async def purge(self, tags: Sequence[str]) -> None:
        """Void every response that carries one of *tags*, in every process."""
        await self._reach(self._store.append(tags))

    async def _get(self, key: bytes) -> Record | None:
        return await self._reach(self._store.get(key))

    async def _put(self, key: bytes, record: Record, ttl: float) -> None:
        await self._reach(self._store.put(key, record, ttl))

    async def _reach(self, operation: Awaitable[T]) -> T:
        try:
            result = await operation
        except Exception as error:  # noqa: BLE001 - no mistake in a store may cost a request
            raise self._unavailable(error) from None
        if self._failing:
            self._failing = False
            logger.warning("the store answers again")
        return result

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        """Note that the store failed; what is no failure of a store is a mistake in one."""
        if not isinstance(error, StoreUnavailable):
            logger.error("the store raised what it must not", exc_info=error)
            return StoreUnavailable("the store failed")
        if not self._failing:
            self._failing = True
            logger.warning("the store is out of reach, the app answers: %s", error)
        return error
