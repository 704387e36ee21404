"""The cache as users hold it: settings, store and rules, with or without an app."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from os import PathLike, environ
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_cache.config import (
    Settings,
    compile_rules,
    load_settings,
    settings_from_environment,
    settings_from_mapping,
)
from asgi_cache.exchange import Exchange
from asgi_cache.holdings import Holdings
from asgi_cache.identity import Identity, UserId
from asgi_cache.policy.rule import Rule
from asgi_cache.purging import PurgeLog
from asgi_cache.refresh import Refresher
from asgi_cache.services import Services
from asgi_cache.stores.base import Store
from asgi_cache.stores.urls import open_store
from asgi_cache.targets import Targets

CLOSE_TIMEOUT = 5.0
"""Seconds that `Cache.close` waits for refreshes that are running."""


class Cache:
    """Stored responses, and the rules by which they are kept.

    Keyword arguments are those of the configuration file: ``store``, ``rules``,
    ``namespace`` and so on. ``store`` may also be a Redis client or a `Store`.
    """

    def __init__(
        self,
        *,
        user_id: UserId | None = None,
        clock: Callable[[], float] = time.time,
        store: Any = None,
        **options: object,
    ) -> None:
        named = {"store": store} if isinstance(store, str) else {}
        settings = settings_from_mapping({**options, **named}, source="Cache()")
        self._build(settings, store, user_id, clock)

    @classmethod
    def from_config(
        cls,
        path: str | PathLike[str],
        *,
        user_id: UserId | None = None,
        env: Mapping[str, str] = environ,
    ) -> Cache:
        """Read settings from a TOML file, then from ``ASGI_CACHE_*`` variables.

        Raises:
            ConfigurationError: The file or a setting in it cannot be used.
        """
        cache = cls.__new__(cls)
        settings = settings_from_environment(env, load_settings(path))
        cache._build(settings, None, user_id, time.time)
        return cache

    def _build(
        self,
        settings: Settings,
        store: Any,
        user_id: UserId | None,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.store: Store = open_store(store or settings.store, settings.namespace)
        unruled = Rule(
            cookies=settings.cookies, heuristic=settings.heuristic, max_body=settings.max_body
        )
        secret = settings.secret or settings.namespace
        salt = (settings.namespace, settings.version)
        self._services = Services(
            holdings=Holdings(self.store, PurgeLog()),
            identity=Identity(settings.credentials, secret.encode(), user_id),
            targets=Targets(compile_rules(settings), unruled, salt, settings.hosts),
            refresher=Refresher(),
            clock=clock,
            targeted=tuple(name.encode() for name in settings.targeted_fields),
            name=settings.cache_status_name.encode() if settings.cache_status else None,
        )

    async def handle(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, from the store or by *app*."""
        await Exchange(self._services, app, scope, receive, send).run()

    async def close(self) -> None:
        """Wait a while for refreshes that are running, then release the store."""
        await self._services.refresher.finish(CLOSE_TIMEOUT)
        await self.store.close()
