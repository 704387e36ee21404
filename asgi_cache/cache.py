"""The cache as users hold it: settings, store and rules, with or without an app."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any, Unpack

from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_cache.admin.access import Guard
from asgi_cache.advisor.advice import Advice
from asgi_cache.advisor.deciding import TOLERANCE
from asgi_cache.assembly import salt_of, services_of
from asgi_cache.config import (
    Settings,
    load_settings,
    rule_reader,
    settings_from_environment,
    settings_from_mapping,
)
from asgi_cache.data import Data
from asgi_cache.data_cache import DataCache
from asgi_cache.data_types import DataType, DataTypes
from asgi_cache.errors import ConfigurationError
from asgi_cache.exchange import Exchange
from asgi_cache.explaining import Explanation, explain
from asgi_cache.flight import has_background
from asgi_cache.gathering import stats_of
from asgi_cache.holdings import Holdings
from asgi_cache.identity import Authorize, Identity, UserId
from asgi_cache.locating import absolute
from asgi_cache.observe.observer import Observer
from asgi_cache.observe.stats import Stats
from asgi_cache.options import Options
from asgi_cache.ordering import Orders
from asgi_cache.outcome import Outcome
from asgi_cache.purging import PurgeLog
from asgi_cache.request_body import Nobody
from asgi_cache.selecting import Selectors
from asgi_cache.services import Services
from asgi_cache.shortcut import Pending, Shortcut
from asgi_cache.stores.base import Store
from asgi_cache.stores.sealing import seal_with
from asgi_cache.stores.urls import open_store
from asgi_cache.sync import SyncCache
from asgi_cache.threads import Threads
from asgi_cache.warming import KnownUser, as_fields, warm_all, warming_scope

CLOSE_TIMEOUT = 5.0
"""Seconds that `Cache.close` waits for refreshes that are running."""

SCOPE_KEY = "asgi_cache"
"""Where in its scope an app finds the cache in front of it."""


class Cache(DataCache):
    """Stored responses, and values beside them, and the rules by which they are kept.

    Keyword arguments are those of `Settings`, and come before what *settings* says. ``store``
    may also be a Redis client or a `Store`. ``user_id`` tells whose request it is, where that
    is not for the credentials to tell; what it returns must have been verified. ``authorize``
    tells whether a user may see what is stored for them, still: it is asked each time, and
    all but ``True`` sends the request to the app. ``types`` are those that values may be of,
    besides plain ones (`DataTypes`). ``clock`` tells the time in seconds since the
    epoch.

    Raises:
        ConfigurationError: A setting cannot be used.
    """

    _make_log: Callable[[], PurgeLog] = PurgeLog
    """Makes what remembers the purges."""

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        store: str | Redis | Store | None = None,
        user_id: UserId | None = None,
        authorize: Authorize | None = None,
        types: Sequence[type | DataType[Any]] = (),
        clock: Callable[[], float] = time.time,
        **options: Unpack[Options],
    ) -> None:
        given: dict[str, object] = {**options}
        if isinstance(store, str):
            given["store"], store = store, None
        for name, function in (("user_id", user_id), ("authorize", authorize)):
            if function is not None and not callable(function):
                raise ConfigurationError(
                    f"Cache: {name}={function!r} is not a function of the request"
                )
        settings = settings_from_mapping(given, source="Cache", base=settings or Settings())
        self.settings: Settings = settings
        self.store: Store = open_store(
            settings.store if store is None else store,
            settings.namespace,
            clock,
            seal_with(settings.signing_keys, settings.encryption_keys),
        )
        self._by = {"user_id": user_id, "authorize": authorize, "types": types}
        self._is_counting = settings.metrics
        self._app: ASGIApp | None = None
        self._is_to_be_warmed = False
        self._warming: asyncio.Task[None] | None = None
        identity = Identity(
            settings.credentials,
            (settings.secret or settings.namespace).encode(),
            user_id,
            authorize,
            until_token_expires=settings.until_token_expires,
        )
        self.observer: Observer = Observer(clock)
        """Passes on what happens (`Observer.subscribe`)."""
        holdings = Holdings(self.store, self._make_log(), self.observer.tell)
        self._services = services_of(settings, holdings, identity, self.observer, clock)
        self.shortcut: Shortcut = Shortcut(self._services)
        self._selectors = Selectors(self._services.targets, settings)
        threads = Threads()
        data = Data(self._services, rule_reader(settings), DataTypes(types), salt_of(settings))
        super().__init__(data, threads)
        self.sync: SyncCache = SyncCache(self, self, threads)
        """The same for code that is not asynchronous."""

    @classmethod
    def from_config(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        store: Redis | Store | None = None,
        user_id: UserId | None = None,
        authorize: Authorize | None = None,
    ) -> Cache:
        """Read settings from a TOML file, if one is named, then from the environment.

        ``ASGI_CACHE_STORE`` and the like override the file; ``ASGI_CACHE_CONFIG`` names one.

        Raises:
            ConfigurationError: The file, a variable or a setting cannot be used.
        """
        stated = Settings() if path is None else load_settings(path)
        settings = settings_from_environment(os.environ if environ is None else environ, stated)
        return cls(settings=settings, store=store, user_id=user_id, authorize=authorize)

    def advise(self, tolerance: float = TOLERANCE) -> Advice:
        """Say what to store, and for how long, by what was learned from traffic (``observe``).

        At most *tolerance* of the answers from the store would be older than the app's own.
        """
        return self._services.watcher.advise(tolerance)

    def stats(self) -> Stats:
        """Return what this cache has counted in this process since it was made.

        It may be called in any thread.
        """
        return self._threads.look(partial(stats_of, self._services))

    def admin(self, *, token: str | None = None, guard: Guard | None = None) -> ASGIApp:
        """Return an app by which operators see what is stored, and purge it: to be mounted.

        It takes either a *token* that requests show as ``Authorization: Bearer``, or a *guard*,
        which tells whether a request may be answered: it returns a name for the log, or ``True``,
        or else refuses, if not by an ``HTTPException`` of its own.

        Raises:
            ConfigurationError: There is neither, or both; or the token is too short.
        """
        from asgi_cache.admin.app import admin_app  # noqa: PLC0415 - not all have a use for it

        return admin_app(self, lambda: (self._selectors, self._services), token, guard)

    @property
    def fills_refused(self) -> int:
        """How many requests went past the store as a rule's limits of fills were used up."""
        return self._services.fill_rate.refused

    async def handle(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        pending: Pending | None,
        began_at: float,
    ) -> None:
        """Answer one HTTP request that the shortcut did not answer.

        *pending* is what it had looked up, if that had to be waited for. *began_at* is when the
        request came, by `time.perf_counter`.
        """
        self._threads.note_loop()
        waited, begun = 0.0, None
        if pending is not None:
            waited, begun = time.perf_counter() - began_at, pending.begun
        patience = self._services.holdings.patience(waited)
        exchange = Exchange(self._services, app, scope, receive, send, patience, begun)
        try:
            await exchange.run()
        finally:
            if self._is_counting:
                exchange.count(began_at)

    async def purge(  # noqa: PLR0913 - each names something else, and all by keyword
        self,
        *,
        tags: str | Iterable[str] = (),
        key: str | Iterable[str] = (),
        url: str | Iterable[str] = (),
        path: str | Iterable[str] = (),
        route: str | Iterable[str] = (),
        user: str | int | None = None,
        everything: bool = False,
        all_of: bool = False,
        soft: bool = False,
        wait: bool = False,
    ) -> None:
        """Void the stored responses and values that *any* of these name, in every process.

        *tags* are names from rules, ``Cache-Tag``, ``Surrogate-Key`` or `cache_tags`, or of
        values; one with slashes falls with what stands before them. *key* is a value's. *url* is
        absolute, or a path on the setting ``base_url``. *path* takes all that is at or below it,
        on every host; it is the app's, below where that is mounted. *route* is the pattern of a
        rule, or the path of a route whose handler states one. *user* is what ``user_id``
        returns, or the identity that an authentication middleware verified.

        With *all_of*: the responses that all of these name. With *soft* they are not void but
        stale from now on: they may be served while they are refreshed, or if the app fails.

        When it returns, no request that starts later in this process is answered with what was
        there before. Others know of it a moment later, after `Store.lag` at the latest; *wait*
        waits for that. No app is needed: a script purges with a `Cache` of the same settings.

        Raises:
            PurgeNotAcknowledged: It could not be recorded in time. This process serves nothing
                any more that it names, and repeats it until the store has it. A script, which
                ends before that, has to be run again.
            ValueError: Nothing was named, or something that could not be there.
        """
        await Orders(self._selectors, self._services).purge(
            tags=tags,
            key=key,
            url=url,
            path=path,
            route=route,
            user=user,
            everything=everything,
            all_of=all_of,
            soft=soft,
            wait=wait,
        )

    def attach(self, app: ASGIApp) -> None:
        """Take note of the app that is asked when a response is to be made in advance."""
        self._app = app
        self._services.targets.attach(app)
        if self._is_to_be_warmed:
            self.begin_warming()

    async def explain(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        user: str | int | None = None,
        status: int = 200,
        answered: Mapping[str, str] | None = None,
    ) -> Explanation:
        """Say what would become of a request: its rule, its key, whose it is, what is stored.

        Also whether the response would be stored, if the app answered with *status* and the
        fields *answered*, and what forbids it if not. The app is not asked. *url*, *headers* and
        *user* are as for `warm`; a path without ``base_url`` is one on ``http://localhost``.

        Raises:
            ValueError: *url* is none.
        """
        located = absolute(url, self.settings.base_url or "http://localhost")
        scope = warming_scope(located, self.settings.root_path, headers or {}, user)
        services = self._services_for(user)
        scope["method"], fields = method, as_fields(answered or {})
        return await explain(services, scope, status, fields, knows_app=self._app is not None)

    def _services_for(self, user: str | int | None) -> Services:
        """Return what serves a request of *user*, where that is known beforehand."""
        if user is None:
            return self._services
        return replace(self._services, identity=KnownUser(self._services.identity, str(user)))

    def read_routes(self) -> None:
        """Read what the app's handlers state with `cached` and `invalidates`.

        The first request does it too; this is for finding mistakes when the app starts.

        Raises:
            ConfigurationError: One of them states what is no rule.
        """
        self._services.targets.read_routes()

    async def warm(
        self,
        url: str,
        *,
        user: str | int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Have the response to GET of *url* made and stored, unless it is there and fresh.

        *url* is absolute, or a path on the setting ``base_url``. *headers* are what a client
        would send that the response depends on. *user* is whose response it is to be: the app
        finds that user in ``scope["user"]``, as behind an authentication middleware.

        Raises:
            Exception: What the app raised.
            ValueError: No `CacheMiddleware` was made with this cache, or *url* has no host.
        """
        if self._app is None:
            raise ValueError("warm by which app? Make a CacheMiddleware with cache=... first")
        located = absolute(url, self.settings.base_url)
        services = self._services_for(user)
        scope = warming_scope(located, self.settings.root_path, headers or {}, user)
        scope[SCOPE_KEY] = self
        client = Nobody(b"")
        patience = services.holdings.patience()
        exchange = Exchange(services, self._app, scope, client.receive, client.send, patience)
        await exchange.run()
        return exchange.outcome

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None]:
        """Warm what the settings list, and close the cache in the end.

        `CacheMiddleware` does the same if the server tells it when the app starts and stops.
        This is for apps whose middleware does not hear of it, such as a mounted one.
        """
        del app  # which frameworks hand to such a function
        self.begin_warming()
        try:
            yield
        finally:
            await self.close()

    def begin_warming(self) -> None:
        """Begin to warm what the settings list, in the background, once there is an app."""
        self._threads.note_loop()
        self.observer.begin()
        self._is_to_be_warmed = self._app is None
        if self.settings.warm and self._app is not None and has_background():
            urls = self.settings.warm
            self._warming = asyncio.get_running_loop().create_task(
                warm_all(self.warm, urls, self.observer.tell)
            )

    async def close(self) -> None:
        """Wait a while for refreshes that are running, then release the store.

        The cache may be used again: an app may be started more than once.
        """
        self._is_to_be_warmed = False
        if self._warming is not None and not self._warming.done():
            self._warming.cancel()
        await self._services.flights.finish(CLOSE_TIMEOUT)
        self._services.unreleased.stop()
        await self.store.close()
        self.observer.end()
