"""A cache of one's own on the same store as the app's: no app has to run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx
from starlette.requests import Request

from asgi_cache.cache import Cache
from asgi_cache.cli.admin_api import AdminApi
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.reaching import reach
from asgi_cache.stores.urls import shown

_NOWHERE: Final = "http://asgi-cache"
"""A URL that no request gets to: the app is called instead."""


@asynccontextmanager
async def own_api(cache: Cache, *, needs_store: bool = True) -> AsyncGenerator[AdminApi]:
    """Return the admin API of *cache*, called in this process, and close both in the end.

    So that what a command says is the same, whether it asks an app or the store. One that does
    not need what is stored can be told the rest of a memory store, too.

    Raises:
        Failure: What is stored is in another process, or cannot be reached.
    """
    is_shared = cache.store.is_shared
    if needs_store and not is_shared:
        raise Failure(
            Exit.USAGE,
            "a memory store lives in the app's process: name that app's admin API with --url, "
            "or with --config or ASGI_CACHE_STORE a store that is shared",
        )
    try:
        if is_shared:
            await reach(cache.store)
        async with called_api(cache) as api:
            api.knows_store = is_shared
            yield api
    except StoreUnavailable as error:
        store = shown(cache.settings.store)
        raise Failure(Exit.UNREACHABLE, f"the store {store} does not answer: {error}") from error
    finally:
        await cache.close()


def called_api(cache: Cache) -> AdminApi:
    """Return the admin API of *cache*, called in this process, as long as somebody else has it."""
    transport = httpx.ASGITransport(cache.admin(guard=_let_in))
    return AdminApi(_NOWHERE, None, transport)


def _let_in(request: Request) -> str:
    """Let everybody in: whoever has the settings has the store."""
    del request
    return "asgi-cache"
