"""Who warms a URL: a client that asks for it, a running app, or an app of one's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol

import httpx

from asgi_cache.cache import Cache
from asgi_cache.cli.admin_api import AdminApi
from asgi_cache.cli.answers import outcome_of
from asgi_cache.cli.apps import cache_of, load, started
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.opening import admin_api
from asgi_cache.cli.parser import Given
from asgi_cache.outcome import Outcome

_STORED_BY = frozenset({"hit", "stale", "revalidated", "collapsed", "miss"})
"""Results after which there is a stored response."""

_TIMEOUT = 60.0
"""Seconds that one URL may take."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of one URL."""

    url: str
    stored: bool
    """There is a stored response now."""
    result: str | None = None
    status: int | None = None
    detail: str | None = None
    error: str | None = None
    """Why there is no answer at all."""


class Warmer(Protocol):
    """Has the response to one URL made and stored."""

    async def warm(self, url: str) -> Warmed:
        """Warm *url*; whatever goes wrong with it is in what this returns."""
        ...


@asynccontextmanager
async def warmer(given: Given) -> AsyncGenerator[Warmer]:
    """Begin to warm as the command line says, and end it.

    Raises:
        ConfigurationError: A setting cannot be used.
        Failure: The command line does not fit together, or the app cannot be started.
    """
    fields = dict(given.header)
    api = admin_api(given)
    if api is not None:
        async with api:
            yield _ByApi(api, given.user, fields)
    elif given.app:
        app = load(given.app)
        cache = cache_of(app, given.app)
        _check_shared(cache)
        try:
            async with started(app):
                yield _ByApp(cache, given.user, fields)
        finally:
            await cache.close()
    else:
        if given.user is not None:
            raise Failure(Exit.USAGE, "--user needs --app or --url: a client shows credentials")
        limits = httpx.Limits(max_connections=given.concurrency)
        # With a cookie that an answer has set, all that follows would be made for that session.
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        async with httpx.AsyncClient(
            timeout=_TIMEOUT, headers=fields, cookies=cookies, limits=limits
        ) as client:
            yield _ByClient(client)


def _check_shared(cache: Cache) -> None:
    if not cache.store.is_shared:
        raise Failure(
            Exit.USAGE,
            "the app's store is in memory, which ends with this command: warm a running app with "
            "--url, or by its URLs alone",
        )


class _ByClient:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def warm(self, url: str) -> Warmed:
        """Ask as any client does."""
        try:
            answer = await self._client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # no such host name
            return Warmed(url, stored=False, error=str(error) or type(error).__name__)
        return _of(url, outcome_of(answer.status_code, answer.headers.get("cache-status")))


class _ByApp:
    def __init__(self, cache: Cache, user: str | None, fields: Mapping[str, str]) -> None:
        self._cache = cache
        self._user = user
        self._fields = fields

    async def warm(self, url: str) -> Warmed:
        """Have the app run here."""
        try:
            outcome = await self._cache.warm(url, user=self._user, headers=self._fields)
        except Exception as error:  # noqa: BLE001 - the app's own
            return Warmed(url, stored=False, error=f"{type(error).__name__}: {error}")
        return _of(url, outcome)


class _ByApi:
    def __init__(self, api: AdminApi, user: str | None, fields: Mapping[str, str]) -> None:
        self._api = api
        self._more: dict[str, Any] = {"user": user, "headers": dict(fields)}

    async def warm(self, url: str) -> Warmed:
        """Have a running app do it."""
        plain = await self._api.warm({"urls": [url], **self._more})
        (result,) = plain["results"]
        known = {n: result.get(n) for n in ("result", "status", "detail", "error")}
        return Warmed(
            url, bool(result.get("stored")) or result.get("result") in _STORED_BY, **known
        )


def _of(url: str, outcome: Outcome) -> Warmed:
    result = outcome.result
    stored = result in _STORED_BY or outcome.stored
    return Warmed(url, stored, result, outcome.status, outcome.detail)
