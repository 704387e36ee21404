"""The life of one request: where the decisions of the policy meet the app and the store.

``ask → find → assess → serve | fetch``, and one `Outcome` that says which way it went.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import assert_never

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache.asking import Asked, Unanswerable, ask
from asgi_cache.errors import StoreUnavailable
from asgi_cache.fetch import Fetch
from asgi_cache.outcome import Outcome
from asgi_cache.policy.cache_control import RequestDirectives, parse_request
from asgi_cache.policy.fields import combined
from asgi_cache.policy.invalidation import (
    SAFE_METHODS,
)
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.reuse import Forward, Reuse, Validate, assess
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.serving import Reply, reply, reply_from_part
from asgi_cache.policy.validation import (
    CONDITIONALS,
    has_validator,
    unconditional_fields,
    validating_fields,
)
from asgi_cache.refresh import has_background
from asgi_cache.request_body import Nobody
from asgi_cache.responder import Responder
from asgi_cache.services import Services
from asgi_cache.targets import LENGTH_LIMIT, Target
from asgi_cache.unsafe import Unsafe

UNSEEN_EXTENSIONS = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Ways to send a body that the cache does not see; apps under a rule are not offered them."""


CLIENT_WISHES = CONDITIONALS | {b"range", b"if-range", b"cache-control", b"pragma"}
"""Fields by which a client asks for less than, or other than, what can be stored for all."""

CHANGED = frozenset({"headers", "query_string", "extensions"})
"""What of a scope the cache changes for the app, and not for whoever is in front of it."""

EMPTY = ((b"content-length", b"0"),)


class Exchange:
    """One request and its response."""

    def __init__(
        self, services: Services, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._services = services
        self._app = app
        if not isinstance(scope["headers"], list | tuple):
            scope["headers"] = list(scope["headers"])  # an iterator can be read only once
        self._scope = scope
        self._receive = receive
        self._send = send
        self._outcome = Outcome()
        self._responder = Responder(send, services.name, self._outcome)

    async def run(self) -> None:
        """Answer the request, from the store or by the app."""
        scope, targets = self._scope, self._services.targets
        host = targets.host(scope)
        if host is None or _is_too_long(scope):
            await self._app(scope, self._receive, self._send)
            return
        target = targets.resolve(scope, host)
        if target.rule is not None and scope["method"] in target.rule.methods:
            await self._answer(target, target.rule)
        elif scope["method"] in SAFE_METHODS:
            await self._app(scope, self._receive, self._send)
        else:
            own = targets.resolve({**scope, "method": "GET"}, host)
            unsafe = Unsafe(self._services, target, own, scope, self._responder)
            await unsafe.run(self._app, self._receive)

    async def _answer(self, target: Target, rule: Rule) -> None:
        services = self._services
        asked = await ask(self._scope, self._receive, target, rule, services.identity)
        if isinstance(asked, Unanswerable):
            await self._bypass(asked, target, rule)
            return
        try:
            found = await services.holdings.find(asked.key, asked.request.fields, asked.tags)
            if found.stored is None and await self._serve_part(asked):
                return
        except StoreUnavailable:
            why = Unanswerable("bypass", "store-unavailable", asked.receive)
            await self._bypass(why, target, rule)
            return
        if found.stored is None:
            await self._fetch(found.reason, asked, None)
            return
        match assess(found.stored, asked.request, rule, services.clock()):
            case Reuse(refresh=True) if not has_background():
                await self._fetch("stale", asked, found.stored)
            case Reuse() as reuse:
                await self._serve(reuse, asked, found.stored)
            case Validate(reason):
                await self._fetch(reason, asked, found.stored)
            case Forward(reason):
                await self._fetch(reason, asked, None)
            case decision:
                assert_never(decision)

    async def _serve(self, reuse: Reuse, asked: Asked, stored: StoredResponse) -> None:
        if reuse.refresh:
            self._services.refresher.start(stored.key, partial(self._refresh, asked, stored))
        self._outcome.hit, self._outcome.ttl = True, reuse.ttl
        await self._responder.reply(reply(asked.request, stored, self._services.clock()), reuse.age)

    async def _serve_part(self, asked: Asked) -> bool:
        """Answer a range request from a fresh part, where the whole is not stored."""
        if combined(asked.request.fields, b"range") is None:
            return False
        stored = await self._services.holdings.find_part(asked.key, asked.tags)
        now = self._services.clock()
        if stored is None or (part := reply_from_part(asked.request, stored, now)) is None:
            return False
        reuse = assess(stored, asked.request, asked.rule, now)
        if not isinstance(reuse, Reuse) or reuse.refresh:
            return False
        self._outcome.hit, self._outcome.ttl = True, reuse.ttl
        await self._responder.reply(part, reuse.age)
        return True

    async def _fetch(self, reason: str, asked: Asked, stored: StoredResponse | None) -> None:
        """Run the app for this request; the stored response, if any, may be found still good."""
        if await self._refuse_to_ask(asked.rule):
            return
        self._outcome.forwarded = reason
        scope = self._app_scope(asked, stored)
        fetch = Fetch(asked, stored, self._services, self._responder)
        try:
            await fetch.run(self._app, scope, asked.receive)
        finally:
            self._note_what_the_app_said(scope)

    async def _refresh(self, asked: Asked, stored: StoredResponse) -> None:
        """Run the app for no client, so that the next one finds a fresh response."""
        method = "GET" if asked.request.method == "HEAD" else asked.request.method
        fields = [pair for pair in asked.request.fields if pair[0] not in CLIENT_WISHES]
        request = replace(
            asked.request, method=method, fields=fields, directives=RequestDirectives()
        )
        whole = replace(asked, request=request)
        scope = {**self._app_scope(whole, stored), "method": method}
        nobody = Nobody(asked.body)
        responder = Responder(nobody.send, None, Outcome(forwarded="stale"))
        fetch = Fetch(whole, stored, self._services, responder)
        await fetch.run(self._app, scope, nobody.receive)

    def _note_what_the_app_said(self, scope: Scope) -> None:
        """Let outer middleware find what the app put into its scope, such as its route."""
        for name, value in scope.items():
            if name not in CHANGED:
                self._scope[name] = value

    def _app_scope(self, asked: Asked, stored: StoredResponse | None) -> Scope:
        """Return the scope for the app: nothing in it that the key does not hold."""
        fields = asked.request.fields
        ruled = asked.target.pattern is not None
        if asked.request.method != "HEAD":
            if stored is not None and has_validator(stored):
                fields = validating_fields(fields, stored)
            elif stored is not None or ruled:
                fields = unconditional_fields(fields)
        scope = {**self._scope, "headers": list(fields), "query_string": asked.target.query}
        if ruled and "extensions" in scope:
            offered = scope["extensions"] or {}
            scope["extensions"] = {
                name: value for name, value in offered.items() if name not in UNSEEN_EXTENSIONS
            }
        return scope

    async def _refuse_to_ask(self, rule: Rule) -> bool:
        """Answer 504 if the client wants the app left alone (RFC 9111, section 5.2.1.7)."""
        asks = rule.client_bypass and parse_request(self._scope["headers"]).only_if_cached
        if asks:
            self._outcome.detail = "only-if-cached"
            await self._responder.reply(Reply(HTTPStatus.GATEWAY_TIMEOUT, EMPTY, b""))
        return asks

    async def _bypass(self, why: Unanswerable, target: Target, rule: Rule) -> None:
        """Let the app answer, and say why; nothing is stored."""
        if await self._refuse_to_ask(rule):
            return
        self._outcome.forwarded, self._outcome.detail = why.reason, why.detail

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._responder.head(self._services.shown(message))
            else:
                await self._responder.message(message)

        # The app sees the same query whether or not the cache is at work.
        scope = {**self._scope, "query_string": target.query}
        try:
            await self._app(scope, why.receive, send)
        finally:
            self._note_what_the_app_said(scope)


def _is_too_long(scope: Scope) -> bool:
    path = scope.get("raw_path") or scope["path"]
    return len(path) + len(scope.get("query_string", b"")) > LENGTH_LIMIT
