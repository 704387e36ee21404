"""Who may use the admin API, and what every answer of it tells browsers and caches.

There is no limit to how often a token may be guessed: one that shut out addresses would let
anybody shut the operator out, and one that did not would stop nobody. The token has to be long
enough, and failures are logged.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from math import inf
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache.admin.problems import problem
from asgi_cache.asking import OWN
from asgi_cache.errors import ConfigurationError
from asgi_cache.observe.saying import say
from asgi_cache.targets import route_path

logger: logging.Logger = logging.getLogger("asgi_cache.admin")

Guard: TypeAlias = Callable[[Request], Awaitable[str | bool | None] | str | bool | None]
"""The app's own answer to who may use the admin API: a name for the log, or ``True``."""

SHORTEST_TOKEN: Final = 16
"""Characters; ``secrets.token_urlsafe()`` makes one of 43."""

WHO: Final = "asgi_cache.admin.who"
"""Where in the scope it stands who asks."""

SAFE: Final = frozenset({"GET", "HEAD"})

SILENCE: Final = 1.0
"""Seconds after a refusal was logged in which others are only counted."""

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

FIELDS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""What every answer says."""

_NAMES: Final = frozenset(name for name, _ in FIELDS)


def checked(token: object, guard: object) -> None:
    """See that there is one way to tell who may use the admin API.

    Raises:
        ConfigurationError: There is none, or two; or the token is too short to be a secret.
    """
    if (token is None) == (guard is None):
        raise ConfigurationError("admin: it takes either token= or guard=, to tell who may use it")
    if guard is not None and not callable(guard):
        raise ConfigurationError(f"admin: guard={guard!r} is not a function of the request")
    if token is None:
        return
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ConfigurationError("admin: token=... is not text that a field can hold")
    if len(token) < SHORTEST_TOKEN or " " in token:
        raise ConfigurationError(
            f"admin: token=... has fewer than {SHORTEST_TOKEN} characters, or blanks; "
            "secrets.token_urlsafe() makes one"
        )


class Access:
    """Lets those ask *app* who may, and those alone."""

    def __init__(self, app: ASGIApp, token: str | None, guard: Guard | None) -> None:
        """Take what tells who may.

        Raises:
            ConfigurationError: Nothing does, or too much.
        """
        checked(token, guard)
        self._app = app
        self._token = None if token is None else token.encode()
        self._guard = guard
        self._refused = 0
        self._silent_until = -inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, if it may be answered."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            scope[OWN] = True
            await self._answer(scope, receive, _Plain(send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        refusal = await self._refusal(request)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problem(refusal)(scope, receive, send)

    async def _refusal(self, request: Request) -> HTTPException | None:
        is_page = _is_page(request)
        if not is_page and not _is_same_origin(request):
            return HTTPException(403, "the request comes from a page of another site")
        if self._guard is not None:
            return await self._asked(self._guard, request)
        if is_page or self._knows_token(request):
            request.scope[WHO] = "token"
            return None
        self._note_refusal(request)
        return HTTPException(
            401,
            "the token is missing or wrong: Authorization: Bearer ...",
            {"www-authenticate": 'Bearer realm="asgi_cache"'},
        )

    async def _asked(self, guard: Guard, request: Request) -> HTTPException | None:
        """Ask the app; where that fails, nobody is let in."""
        try:
            answer = guard(request)
            said: object = await answer if isawaitable(answer) else answer
        except HTTPException as error:
            return error
        except Exception as error:  # noqa: BLE001 - the app's own function lets nobody in
            say(logger, logging.ERROR, "the guard failed, and let nobody in", error=error)
            return HTTPException(403, "who asks could not be told")
        if said and said is not True and not isinstance(said, str):  # such as an anonymous user
            kind = type(said).__name__
            say(logger, logging.ERROR, "the guard returned neither a name nor True: %r", kind)
            said = False
        if not said:
            self._note_refusal(request)
            return HTTPException(403, "the guard does not let this request in")
        request.scope[WHO] = said if isinstance(said, str) else "guard"
        return None

    def _knows_token(self, request: Request) -> bool:
        sent = [value for name, value in request.headers.raw if name.lower() == b"authorization"]
        scheme, _, credentials = (sent[0] if len(sent) == 1 else b"").partition(b" ")
        known = hmac.compare_digest(credentials.strip(), self._token or b"")
        return known and self._token is not None and scheme.lower() == b"bearer"

    def _note_refusal(self, request: Request) -> None:
        self._refused += 1
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + SILENCE
            count, self._refused = self._refused, 0
            said = "%d requests refused, the last from %r"
            say(logger, logging.WARNING, said, count, address_of(request))


class _Plain:
    """Sends answers with what each has to say."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send *message*."""
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in _NAMES]
            message = {**message, "headers": [*kept, *FIELDS]}
        await self._send(message)


def address_of(request: Request) -> str:
    """Return where a request comes from, as the server has it."""
    return request.client.host if request.client else "?"


def _is_page(request: Request) -> bool:
    path = route_path(request.scope["path"], request.scope.get("root_path", ""))
    return request.method in SAFE and (path in {"", "/"} or path.startswith("/static/"))


def _is_same_origin(request: Request) -> bool:
    """Whether a request comes from a page of this very origin, or from none.

    Browsers say so themselves, unless they are old; then the origin has to be this host.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower() != ""
    except ValueError:
        return False
