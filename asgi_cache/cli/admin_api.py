"""A cache that is asked over its admin API, which a running app answers, or this process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NoReturn, Self, cast

import httpx

from asgi_cache.cli.addresses import check_address, unusable
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.stores.urls import shown

_TIMEOUT: Final = 30.0
"""Seconds that an answer may take: a purge waits, a dry run reads all that is stored."""

_DEEPEST: Final = 32
"""Objects and lists within each other in an answer; the API's have far fewer."""

Plain = dict[str, Any]
"""What JSON calls an object."""


class _Answered(Plain):
    """An object in an answer, which is no admin API's if a name is missing in it."""

    def __init__(self, plain: Plain, where: str) -> None:
        super().__init__(plain)
        self._where = where

    def __missing__(self, name: str) -> NoReturn:
        raise odd(self._where, f"{name!r} is missing")


def odd(where: str, why: str) -> Failure:
    """Return what to say of an answer of *where* that no admin API gives."""
    return Failure(Exit.USAGE, f"{where} did not answer as an admin API does: {why}")


class AdminApi:
    """What `Cache.admin` answers, with errors that say what to do about them.

    Redirects are not followed: the token is for nobody else.
    """

    def __init__(
        self, url: str, token: str | None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.is_own: bool = transport is not None
        """It is answered in this process, and ends with it."""
        self.knows_store: bool = True
        """What it says is stored is what clients are answered with."""
        check_address(url, "--url ")
        self._url = url
        self.shown: str = shown(url)
        """Its URL, with nothing secret in it."""
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise Failure(
                Exit.USAGE,
                "the token (--token or ASGI_CACHE_ADMIN_TOKEN) has characters that none has, such "
                "as a line break at its end",
            )
        fields = {"Authorization": f"Bearer {token}"} if token else {}
        base = url if url.endswith("/") else f"{url}/"
        try:
            self._client = httpx.AsyncClient(
                base_url=base, headers=fields, timeout=_TIMEOUT, transport=transport
            )
        except httpx.InvalidURL as error:
            raise unusable(url, error, "--url ") from None

    async def __aenter__(self) -> Self:
        """Be used."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def stats(self) -> Plain:
        """Return what was counted."""
        return await self._ask("GET", "stats")

    async def advice(self) -> Plain:
        """Return what it advises to store."""
        return await self._ask("GET", "advice")

    async def entries(self, *, prefix: str, tag: str, limit: int, cursor: str | None) -> Plain:
        """Return some of what is stored, and where to go on."""
        asked = {"prefix": prefix, "tag": tag, "limit": limit, "cursor": cursor}
        return await self._ask("GET", "entries", query={n: v for n, v in asked.items() if v})

    async def entry(self, key: str, *, body: bool) -> Plain | None:
        """Return what is stored under *key*."""
        path, query = f"entries/{key}", {"body": 1} if body else {}
        answer = await self._answer("GET", path, query, None)
        if answer.status_code == 404 and _said(answer):
            return None
        return self._object(answer)

    async def rules(self) -> list[Plain]:
        """Return what each rule says, and where that is stated."""
        plain = await self._ask("GET", "rules")
        return cast("list[Plain]", plain["rules"])

    async def explain(self, question: Mapping[str, Any]) -> Plain:
        """Return what would become of a request."""
        return await self._ask("POST", "explain", content=question)

    async def purge(self, order: Mapping[str, Any]) -> Plain:
        """Purge, or count what a purge would void."""
        return await self._ask("POST", "purge", content=order)

    async def warm(self, order: Mapping[str, Any]) -> Plain:
        """Have responses made and stored."""
        plain = await self._ask("POST", "warm", content=order)
        if len(plain["results"]) != len(order["urls"]):
            raise odd(self.shown, "it has not one result for each URL")
        return plain

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: Mapping[str, Any] | None = None,
    ) -> Plain:
        return self._object(await self._answer(method, path, query, content))

    def _object(self, answer: httpx.Response) -> Plain:
        """Return what the API answers, which is an object."""
        self._check(answer)
        plain = _json(answer)
        if not isinstance(plain, dict):
            raise Failure(Exit.USAGE, self._no_api(answer))
        try:
            return cast("Plain", _answered(plain, self.shown, _DEEPEST))
        except RecursionError as error:
            raise odd(self.shown, str(error)) from error

    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        content: Mapping[str, Any] | None,
    ) -> httpx.Response:
        if content is not None:
            content = {name: value for name, value in content.items() if value is not None}
        try:
            return await self._client.request(method, path, params=query, json=content)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise unusable(self._url, error, "--url ") from error
        except httpx.HTTPError as error:
            raise Failure(
                Exit.UNREACHABLE,
                f"nothing answers at {self.shown} ({_why(error)}); is the app running?",
            ) from error

    def _check(self, answer: httpx.Response) -> None:
        """Go on with what the app has done.

        Raises:
            Failure: It would not, or could not.
        """
        status, said = answer.status_code, _said(answer)
        if status < 300:
            return
        if status in {401, 403}:
            raise Failure(
                Exit.USAGE,
                f"{self.shown} does not let us in ({status}): give the token of cache.admin() "
                "with --token or ASGI_CACHE_ADMIN_TOKEN",
            )
        if status < 400 or (status in {404, 405, 422} and not said):
            raise Failure(Exit.USAGE, self._no_api(answer))
        code = {409: Exit.NO, 502: Exit.UNREACHABLE, 503: Exit.UNREACHABLE, 504: Exit.UNREACHABLE}
        default = Exit.USAGE if status < 500 else Exit.NO
        why = said or answer.reason_phrase
        who = "" if self.is_own else f"{self.shown} refuses ({status}): "
        raise Failure(code.get(status, default), who + why)

    def _no_api(self, answer: httpx.Response) -> str:
        return (
            f"what answers at {self.shown} ({answer.status_code}) is no admin API of asgi_cache: "
            "give the URL where cache.admin() is mounted"
        )


def _answered(plain: Any, where: str, left: int) -> Any:
    """Return *plain*, whose objects know what they are part of.

    Raises:
        RecursionError: More than *left* are within each other.
    """
    if not left:
        raise RecursionError("it is nested too deep")
    if isinstance(plain, dict):
        said = cast("Plain", plain)
        return _Answered({n: _answered(v, where, left - 1) for n, v in said.items()}, where)
    if isinstance(plain, list):
        return [_answered(each, where, left - 1) for each in plain]  # pyright: ignore[reportUnknownVariableType]
    return plain


def _json(answer: httpx.Response) -> Any:
    with suppress(ValueError, RecursionError):
        return answer.json()
    return None


def _said(answer: httpx.Response) -> str:
    """Return the reason that the API gives for a refusal, if it was the API.

    Its own have a ``field`` too, which may be nothing; those of a framework have not.
    """
    plain = _json(answer)
    if not isinstance(plain, dict) or "field" not in plain:
        return ""
    reason = cast("Plain", plain).get("error")
    return reason if isinstance(reason, str) else ""


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
