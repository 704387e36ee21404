"""Which cache a command line means: a running app's, or one of its own on the same store."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final

from asgi_cache.cache import Cache
from asgi_cache.cli.admin_api import AdminApi
from asgi_cache.cli.apps import cache_of, load
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.own import own_api
from asgi_cache.cli.parser import Given
from asgi_cache.config import Settings, load_settings, settings_from_environment

ADMIN_URL: Final = "ASGI_CACHE_ADMIN_URL"
ADMIN_TOKEN: Final = "ASGI_CACHE_ADMIN_TOKEN"  # noqa: S105 - the name of a variable

_TIMEOUT: Final = "2s"
"""How long this waits for Redis, unless the URL says: nobody waits for it behind a web page."""


def admin_url(given: Given) -> str | None:
    """Return where the admin API is that is meant; nothing if a cache of one's own is.

    An empty ``--url`` is none, whatever the variable says.

    Raises:
        Failure: Both are named.
    """
    own = [f"--{name}" for name in ("config", "app") if getattr(given, name, None)]
    if given.url and own:
        raise Failure(Exit.USAGE, f"--url and {own[0]} exclude each other")
    if given.url is not None or own:
        return given.url or None
    return os.environ.get(ADMIN_URL) or None


def admin_api(given: Given) -> AdminApi | None:
    """Return the admin API that is meant; nothing if a cache of one's own is.

    Raises:
        Failure: Both are named.
    """
    url = admin_url(given)
    return None if url is None else AdminApi(url, given.token or os.environ.get(ADMIN_TOKEN))


def needed_admin_api(given: Given, what: str) -> AdminApi:
    """Return the admin API, where nothing else will do; *what* says why.

    Raises:
        Failure: None is named.
    """
    api = admin_api(given)
    if api is None:
        raise Failure(
            Exit.USAGE,
            f"{what}: name its admin API with --url https://host/cache-admin, or {ADMIN_URL}",
        )
    return api


def own_cache(given: Given) -> Cache:
    """Return a cache by the configuration that is named, or the one in front of an app.

    Raises:
        ConfigurationError: A setting cannot be used.
        Failure: The app cannot.
    """
    if given.app:
        return cache_of(load(given.app), given.app)
    settings = settings_from_environment(
        os.environ, load_settings(given.config) if given.config else Settings()
    )
    return Cache(settings=replace(settings, store=_patient(settings.store)))


def place(given: Given, *, needs_store: bool = True) -> AbstractAsyncContextManager[AdminApi]:
    """Return where a command's answer is to come from.

    Raises:
        ConfigurationError: A setting cannot be used.
        Failure: The command line does not fit together.
    """
    return admin_api(given) or own_api(own_cache(given), needs_store=needs_store)


def _patient(store: str) -> str:
    """Return the URL of a store with a deadline for a terminal, unless it has one."""
    if store.startswith("memory:") or "timeout=" in store:
        return store
    return f"{store}{'&' if '?' in store else '?'}timeout={_TIMEOUT}"
