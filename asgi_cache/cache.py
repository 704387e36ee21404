"""The cache as users hold it: settings, store and rules, with or without an app."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from os import PathLike

from http_sf import Token, ser
from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_cache.config import (
    Settings,
    base_rule,
    compile_rules,
    load_settings,
    settings_from_environment,
    settings_from_mapping,
)
from asgi_cache.exchange import Exchange
from asgi_cache.holdings import Holdings
from asgi_cache.identity import Identity, UserId
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

    Keyword arguments are those of `Settings`, and come before what *settings* says. ``store``
    may also be a Redis client or a `Store`. ``user_id`` tells whose request it is, where that
    is not for the credentials to tell; what it returns must have been verified. ``clock``
    tells the time in seconds since the epoch.

    Raises:
        ConfigurationError: A setting cannot be used.
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        store: str | Redis | Store | None = None,
        user_id: UserId | None = None,
        clock: Callable[[], float] = time.time,
        **options: object,
    ) -> None:
        if isinstance(store, str):
            options["store"], store = store, None
        settings = settings_from_mapping(options, source="Cache", base=settings or Settings())
        self.settings: Settings = settings
        self.store: Store = open_store(store or settings.store, settings.namespace)
        salt = (settings.namespace, settings.version)
        secret = (settings.secret or settings.namespace).encode()
        self._services = Services(
            holdings=Holdings(self.store, PurgeLog()),
            identity=Identity(settings.credentials, secret, user_id),
            targets=Targets(compile_rules(settings), base_rule(settings), salt, settings.hosts),
            refresher=Refresher(),
            clock=clock,
            targeted=tuple(name.encode() for name in settings.targeted_fields),
            name=identifier(settings.cache_status_name) if settings.cache_status else None,
        )

    @classmethod
    def from_config(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        store: Redis | Store | None = None,
        user_id: UserId | None = None,
    ) -> Cache:
        """Read settings from a TOML file, if one is named, then from the environment.

        ``ASGI_CACHE_STORE`` and the like override the file; ``ASGI_CACHE_CONFIG`` names one.

        Raises:
            ConfigurationError: The file, a variable or a setting cannot be used.
        """
        stated = Settings() if path is None else load_settings(path)
        settings = settings_from_environment(environ, stated)
        return cls(settings=settings, store=store, user_id=user_id)

    async def handle(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, from the store or by *app*."""
        await Exchange(self._services, app, scope, receive, send).run()

    async def close(self) -> None:
        """Wait a while for refreshes that are running, then release the store."""
        await self._services.refresher.finish(CLOSE_TIMEOUT)
        await self.store.close()


def identifier(name: str) -> bytes:
    """Write *name* as RFC 9211, section 2, has it: a token if it is one, else a string."""
    try:
        return ser(Token(name)).encode()
    except ValueError:
        return ser(name).encode()
