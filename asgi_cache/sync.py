"""The cache for code that is not asynchronous: endpoints in threads, scripts, shells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar, Unpack

from asgi_cache.data_cache import DataCache, Keeping
from asgi_cache.rules import Duration
from asgi_cache.selecting import Named
from asgi_cache.threads import Threads, in_thread

T = TypeVar("T")


class Purgeable(Protocol):
    """What a `SyncCache` needs besides values."""

    async def purge(self, **named: Unpack[Named]) -> None:
        """Void stored responses and values."""

    async def close(self) -> None:
        """Release what is held."""


class SyncCache:
    """`Cache`'s methods, each of which blocks until it is done.

    They may be called in any thread in which no event loop runs: in a ``def`` endpoint, which
    runs in one, in a worker, a script or a shell. They do what they do in the event loop
    that the app runs in; a script that has none gets one in the background.
    """

    def __init__(self, cache: Purgeable, data: DataCache, threads: Threads) -> None:
        self._cache = cache
        self._data = data
        self._threads = threads

    def purge(self, **named: Unpack[Named]) -> None:
        """Void what is named; see `Cache.purge`."""
        self._threads.run(partial(self._cache.purge, **named))

    def get(self, key: str, default: T | None = None) -> Any | T | None:
        """Return the value under *key*; see `DataCache.get`."""
        return self._threads.run(partial(self._data.get, key, default))

    def get_or_set(
        self,
        key: str,
        factory: Callable[[], T],
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        **keeping: Unpack[Keeping],
    ) -> T:
        """Return the value under *key*, which *factory* makes in a thread if it has to be made.

        See `DataCache.get_or_set`.
        """

        async def make() -> T:
            return await in_thread(factory)

        async def ask() -> T:
            return await self._data.get_or_set(key, make, ttl=ttl, tags=tags, **keeping)

        return self._threads.run(ask)

    def put(
        self,
        key: str,
        value: object,
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        purge: Sequence[str] = (),
    ) -> None:
        """Store *value*, which was just written where it belongs; see `DataCache.put`."""
        putting = partial(self._data.put, key, value, ttl=ttl, tags=tags, purge=purge)
        self._threads.run(putting)

    def close(self) -> None:
        """Release what is held, at the end of a script; see `Cache.close`."""
        self._threads.run(self._cache.close)
