"""Watches the app at work, and changes nothing: what it is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from re import compile as pattern_of
from time import perf_counter
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache.advisor.advice import Advice
from asgi_cache.advisor.deciding import TOLERANCE, decide
from asgi_cache.advisor.learning import ROUTES, Learned, Read, digest
from asgi_cache.advisor.writes import Writes
from asgi_cache.identity import NOBODY, Identity
from asgi_cache.observe.events import Tell
from asgi_cache.policy.cache_control import parse_response
from asgi_cache.policy.fields import Fields, has_any, vary_names
from asgi_cache.policy.invalidation import SAFE_METHODS, is_successful
from asgi_cache.routes import Routes
from asgi_cache.targets import Target, route_path

LOOKED_AT: Final = (
    b"accept",
    b"accept-language",
    b"accept-encoding",
    b"origin",
    b"x-requested-with",
)
"""Fields of requests on which answers may depend without the app's saying so."""

PARAMETERS: Final = 24
"""Parameters of one query that are looked at."""

_VALUE: Final = pattern_of(
    r"[0-9]+|[0-9a-fA-F]{8,}|[0-9a-fA-F-]{32,36}|.{33,}|[^/]*[%@:].*|(?s:.*[*{}?\x00-\x1f\x7f].*)"
)
"""Segments of a path that are more likely values than names."""


class Watcher:
    """Learns what an app's routes are asked and answer."""

    def __init__(
        self,
        identity: Identity,
        routes: Routes,
        clock: Callable[[], float],
        tell: Tell,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        self.timer: Callable[[], float] = timer
        self._identity = identity
        self._routes = routes
        self._clock = clock
        self._tell = tell
        self._learned: dict[str, Learned] = {}
        self._writes = Writes()
        self.is_on: bool = False
        """Whether anything is watched, so that writes are of interest."""

    def advise(self, tolerance: float = TOLERANCE) -> Advice:
        """Say what to do about each route that was watched; the most useful comes first."""
        advised = [decide(learned, tolerance) for learned in self._learned.values()]
        advised.sort(key=lambda advice: (-advice.seconds_saved, advice.route))
        began = min((each.began_at for each in self._learned.values()), default=0.0)
        ended = max((each.ended_at for each in self._learned.values()), default=0.0)
        unasked = sorted(set(self._routes.templates()) - self._learned.keys()) if advised else ()
        return Advice(max(0.0, ended - began), tuple(advised), tuple(unasked))

    def watched(self, app: ASGIApp, target: Target) -> ASGIApp:
        """Return *app*, watched while it answers one request for *target*."""
        self.is_on = True

        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            await _Watch(self, target, scope, send).run(app, receive)

        return watch

    def learn(self, target: Target, scope: Scope, seen: _Seen) -> None:
        """Learn from one request that was answered; a mistake in this costs no request."""
        try:
            self._learn(target, scope, seen)
        except Exception as error:  # noqa: BLE001 - see above
            self._tell("advisor-failed", error)

    def _learn(self, target: Target, scope: Scope, seen: _Seen) -> None:
        method, now = scope["method"], self._clock()
        route, params = self._route(scope, target)
        if method not in SAFE_METHODS:
            if is_successful(seen.status):
                self._writes.note(f"{method} {route}", params, now)
        elif method == "GET" and (learned := self._of(route, seen.status)) is not None:
            learned.note(self._read(target, scope, params, seen), now, self._writes)

    def _of(self, route: str, status: int) -> Learned | None:
        """Return what is known of *route*; what was never there is none, whoever asks for it."""
        learned = self._learned.get(route)
        if learned is None and len(self._learned) < ROUTES and status < 400:
            learned = self._learned[route] = Learned(route)
        return learned

    def _route(self, scope: Scope, target: Target) -> tuple[str, dict[str, int]]:
        """Return the template that a request falls under, and digests of its parameters."""
        found = self._routes.template(scope)
        if found is not None:
            route, params = found
        elif target.pattern is not None and "*" not in target.pattern:
            route, params = target.pattern.rpartition(" ")[2], dict(target.params)
        else:
            route, params = inferred(route_path(scope["path"], scope.get("root_path", "")))
        return route, {name: digest(value.encode()) for name, value in params.items()}

    def _read(self, target: Target, scope: Scope, params: Mapping[str, int], seen: _Seen) -> Read:
        fields: Fields = scope["headers"]
        directives = parse_response(seen.fields, ())
        marked = directives.no_store or directives.private
        given = dict(fields)
        return Read(
            path=digest(target.origin.encode(), scope["path"].encode()),
            params=params,
            query=_query(scope.get("query_string", b"")),
            fields={
                name.decode(): digest(given[name])
                for name in {*LOOKED_AT, *vary_names(seen.fields)}
                if name in given
            },
            user=self._user(scope, fields),
            status=seen.status,
            body=int.from_bytes(seen.body.digest(), "big"),
            size=seen.size,
            seconds=seen.seconds,
            vary=frozenset(name.decode() for name in vary_names(seen.fields)),
            is_secret=bool(marked) or has_any(seen.fields, frozenset({b"set-cookie"})),
            is_too_large=target.rule is not None and seen.size > target.rule.max_body,
        )

    def _user(self, scope: Scope, fields: Fields) -> int:
        credentials = self._identity.credentials(fields, cookies=True)
        try:
            whose = self._identity.partition_at_hand(scope, credentials)
        except LookupError:
            return digest(b"somebody")
        if whose == NOBODY:  # where the app tells who it is, that is not known here
            return digest(b"somebody") if self._identity.asks_the_app else 0
        return digest(whose)


class _Seen:
    """What was seen of one response."""

    def __init__(self) -> None:
        self.status: int = 0
        self.fields: tuple[tuple[bytes, bytes], ...] = ()
        self.body: blake2b = blake2b(digest_size=8)
        self.size: int = 0
        self.seconds: float = 0.0


class _Watch:
    """One request, watched."""

    def __init__(self, watcher: Watcher, target: Target, scope: Scope, send: Send) -> None:
        self._watcher = watcher
        self._target = target
        self._scope = scope
        self._asked = dict(scope)
        """As it came: routers put into it where they have mounted what answers."""
        self._send = send
        self._began_at = 0.0
        self._seen = _Seen()

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        """Run *app*."""
        self._began_at = self._watcher.timer()
        await app(self._scope, receive, self.send)

    async def send(self, message: Message) -> None:
        """Look at a message, and pass it on as it is."""
        seen, is_last = self._seen, False
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(message.get("headers", ()))}
            seen.status = message["status"]
            seen.fields = tuple((name.lower(), bytes(value)) for name, value in message["headers"])
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            seen.body.update(body)
            seen.size += len(body)
            is_last = not message.get("more_body", False)
        if is_last:
            seen.seconds = self._watcher.timer() - self._began_at
            self._watcher.learn(self._target, self._asked, seen)
        await self._send(message)


def _query(query: bytes) -> dict[str, int]:
    values: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in values or len(values) < PARAMETERS:
            values[name] = digest(values.get(name, 0).to_bytes(8, "big"), value.encode())
    return values


def inferred(path: str) -> tuple[str, dict[str, str]]:
    """Return a template for *path*, as far as its looks tell, and the values in it.

    What means something in a pattern is a value: a client may ask for ``/**``.
    """
    parts, params = path.split("/"), dict[str, str]()
    for place, part in enumerate(parts):
        if _VALUE.fullmatch(part):
            name = f"id{len(params) + 1}" if params else "id"
            parts[place], params[name] = f"{{{name}}}", part
    return "/".join(parts), params
