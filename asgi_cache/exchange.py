"""The life of one request: where the decisions of the policy meet the app and the store.

``ask → find → assess → serve | fetch``, and one `Outcome` that says which way it went.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from functools import partial
from random import random
from time import perf_counter
from typing import Any, assert_never

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache.app_scope import app_scope, note_what_the_app_said
from asgi_cache.asking import OWN, Asked, Unanswerable, ask
from asgi_cache.delivery import Delivery
from asgi_cache.errors import CircuitOpen, StoreUnavailable
from asgi_cache.fill import Fill, Sought, refresh
from asgi_cache.flight import Flight, PatientReceive, has_background
from asgi_cache.holdings import Begun, Found
from asgi_cache.observe.tally import is_logged
from asgi_cache.outcome import Outcome
from asgi_cache.passenger import Follower, lead
from asgi_cache.patience import Patience, patiently
from asgi_cache.policy import status
from asgi_cache.policy.cache_control import RequestDirectives, parse_request
from asgi_cache.policy.fields import combined
from asgi_cache.policy.invalidation import SAFE_METHODS
from asgi_cache.policy.key import selector
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.reuse import (
    Forward,
    Reuse,
    Validate,
    assess,
    effective_directives,
    never,
)
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.serving import Reply, reply, reply_from_part
from asgi_cache.policy.validation import CONDITIONALS
from asgi_cache.responder import Responder
from asgi_cache.run import Run
from asgi_cache.services import Services
from asgi_cache.targets import Target
from asgi_cache.unsafe import Unsafe

CLIENT_WISHES = CONDITIONALS | {b"range", b"if-range", b"cache-control", b"pragma"}
"""Fields by which a client asks for less than, or other than, what can be stored for all."""

EMPTY = ((b"content-length", b"0"),)


class Exchange:
    """One request and its response."""

    def __init__(
        self,
        services: Services,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        patience: Patience | None,
        begun: Begun | None = None,
    ) -> None:
        """Take a request; *begun* are look-ups that were begun for it."""
        self._services = services
        self._patience = patience
        self._begun = begun
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self.outcome: Outcome = Outcome()
        self._responder = Responder(send, services.name, self.outcome)
        self._tally = services.observer.tally(None)

    async def run(self) -> None:
        """Answer the request, from the store or by the app."""
        scope, services = self._scope, self._services
        method, targets = scope["method"], services.targets
        target = targets.resolve(scope, method)
        own = targets.resolve(scope, "GET") if method not in SAFE_METHODS else None
        if target is not None:
            self._tally = target.tally
        app = self._app
        if target is not None and (target.is_observed or services.watcher.is_on):
            app = services.watcher.watched(app, target)
        if target is not None and target.is_observed and (own is None or target.reads(method)):
            await app(scope, self._receive, self._send)
        elif target is not None and target.rule is not None and method in target.rule.methods:
            await self.answer(target, target.rule)
        elif target is not None and own is not None:
            unsafe = Unsafe(self._services, target, own, scope, self._responder)
            await unsafe.run(app, self._receive)
        else:
            await self._app(scope, self._receive, self._send)

    def count(self, began_at: float) -> None:
        """Count what became of the request, which came at *began_at* (by `perf_counter`)."""
        if OWN in self._scope:
            self._tally.passed += 1
            return
        ended_at = self._responder.ended_at or perf_counter()
        seconds, size, outcome = ended_at - began_at, self._responder.size, self.outcome
        self._tally.note(outcome, size, seconds)
        if is_logged():
            method, route = self._scope["method"], self._tally.route
            self._services.observer.log_request(outcome, route, method, size, seconds)

    async def answer(self, target: Target, rule: Rule) -> None:
        """Answer a request for *target*, whose responses are stored as *rule* says."""
        services, self._tally = self._services, target.tally
        asked = await ask(self._scope, self._receive, target, rule, services)
        if isinstance(asked, Unanswerable):
            await self._bypass(asked, target, rule)
            return
        try:
            found = await self._find(asked)
            wants_part = combined(asked.request.fields, b"range") is not None
            if found.stored is None and wants_part and await self._serve_part(asked):
                return
        except StoreUnavailable as error:
            detail = "store-open" if isinstance(error, CircuitOpen) else "store-unavailable"
            if not await self._serve_unlinked(asked, detail):
                await self._bypass(Unanswerable("bypass", detail, asked.receive), target, rule)
            return
        if found.stored is None:
            await self._fetch(found.reason, asked, found)
            return
        chance = never if target.pattern is None else _chance
        match assess(found.stored, asked.request, rule, services.clock(), chance):
            case Reuse(refresh=True, ttl=ttl) if ttl <= 0 and not has_background():
                await self._fetch("stale", asked, found)
            case Reuse() as reuse:
                await self._serve(reuse, asked, found.stored, found.vary)
            case Validate(reason):
                await self._fetch(reason, asked, found)
            case Forward(reason):
                await self._fetch(reason, asked, found._replace(stored=None))
            case decision:
                assert_never(decision)

    def _find(self, asked: Asked) -> Awaitable[Found]:
        looking = self._services.holdings.find(
            asked.key,
            asked.request.fields,
            asked.tags,
            latest=asked.rule.coherence == "strict",
            begun=self._begun,
        )
        traced = self._services.observer.traced("lookup", asked.target.pattern, looking)
        return patiently(self._patience, traced)

    async def _serve_unlinked(self, asked: Asked, detail: str) -> bool:
        """Answer from this process's own copy if the rule prefers that to asking the app.

        What was purged elsewhere while the store was out of reach, as *detail* says, is not
        known here.
        """
        if asked.rule.unlinked != "serve":
            return False
        found = self._services.holdings.find_unlinked(asked.key, asked.request.fields, asked.tags)
        if found.stored is None:
            return False
        reuse = assess(found.stored, asked.request, asked.rule, self._services.clock())
        if not isinstance(reuse, Reuse) or reuse.ttl <= 0:
            return False
        self.outcome.detail = detail
        await self._reply_from(asked, found.stored, reuse)
        return True

    async def _serve(
        self, reuse: Reuse, asked: Asked, stored: StoredResponse, vary: tuple[bytes, ...]
    ) -> None:
        if reuse.refresh and has_background():
            self._begin_refresh(asked, stored, vary)
        await self._reply_from(asked, stored, reuse)

    async def _reply_from(self, asked: Asked, stored: StoredResponse, reuse: Reuse) -> None:
        self.outcome.hit, self.outcome.ttl = True, reuse.ttl
        await self._responder.reply(reply(asked.request, stored, self._services.clock()), reuse.age)

    async def _serve_part(self, asked: Asked) -> bool:
        """Answer a range request from a fresh part, where the whole is not stored."""
        looking = self._services.holdings.find_part(
            asked.key, asked.tags, latest=asked.rule.coherence == "strict"
        )
        stored = await patiently(self._patience, looking)
        now = self._services.clock()
        if stored is None or (part := reply_from_part(asked.request, stored, now)) is None:
            return False
        reuse = assess(stored, asked.request, asked.rule, now)
        if not isinstance(reuse, Reuse) or reuse.refresh:
            return False
        self.outcome.hit, self.outcome.ttl = True, reuse.ttl
        await self._responder.reply(part, reuse.age)
        return True

    async def _fetch(self, reason: str, asked: Asked, found: Found) -> None:
        """Have the app asked; what is stored, if anything, may be found still good."""
        if effective_directives(asked.request, asked.rule).only_if_cached:
            await self._refuse_to_ask()
            return
        if found.stored is not None and await self._spare(asked, found.stored):
            return
        self.outcome.forwarded = reason
        is_shareable = self._is_worth_sharing(asked, found) and await _is_empty(asked)
        if is_shareable and await self._share(asked, found):
            return
        await self._run_alone(asked, found.stored)

    async def _spare(self, asked: Asked, stored: StoredResponse) -> bool:
        """Serve stale without asking an app that has just failed, if the request permits it."""
        if not self._services.throttle.holds(stored.key):
            return False
        delivery = Delivery(asked, stored, self._services, self._responder)
        stale = delivery.stale_for_error()
        if stale is None:
            return False
        self.outcome.hit = True
        await delivery.serve_stale(stale)
        return True

    async def _run_alone(self, asked: Asked, stored: StoredResponse | None) -> None:
        """Run the app for this request only."""
        if refusal := self._refusal(asked, stored):
            why = Unanswerable(self.outcome.forwarded or "bypass", refusal, asked.receive)
            await self._bypass(why, asked.target, asked.rule)
            return
        services, scope = self._services, app_scope(self._scope, asked, stored)
        delivery = Delivery(asked, stored, services, self._responder)
        run = Run(asked, stored, services, services.holdings.birth(), delivery.take)
        try:
            running = run.run(self._app, scope, asked.receive)
            await services.observer.traced("fill", asked.target.pattern, running)
        except Exception as error:
            if not await delivery.replace_failure():
                raise
            delivery.tell_of_failure(error)
        else:
            await delivery.end()
        finally:
            note_what_the_app_said(scope, self._scope)

    def _refusal(self, asked: Asked, stored: StoredResponse | None) -> str | None:
        """Return the limit that keeps what the app answers from being stored anew, if one does."""
        pattern = asked.target.pattern
        if pattern is None or stored is not None:
            return None
        return self._services.fill_rate.refusal(pattern, asked.rule, asked.partition)

    def _is_worth_sharing(self, asked: Asked, found: Found) -> bool:
        """Whether what the app answers is likely to be of use to others who ask meanwhile.

        A rule says so, or a response that was stored. A response to HEAD is no answer to GET.
        """
        if asked.request.method == "HEAD" or not has_background():
            return False
        if asked.target.pattern is None and found.stored is None:
            return False
        return not self._services.flights.is_unshared(_shared_key(asked, found.vary))

    async def _share(self, asked: Asked, found: Found) -> bool:
        """Join the flight under way, or begin one; whether that has answered the request."""
        directives = effective_directives(asked.request, asked.rule)
        insists = directives.no_cache or directives.max_age == 0
        vary, birth = found.vary, self._services.holdings.birth()
        withholding = self._services.holdings.log.withholding
        for _ in range(2):  # a flight may show by which fields the response varies
            key = _shared_key(asked, vary)
            sought = Sought(
                asked, found.stored, key, birth, withholding, insists, patience=self._patience
            )
            flight = self._services.flights.under_way(sought.flight_key)
            if flight is not None and insists:
                former = flight
                flight = former.successor
                if flight is None:
                    after = None if former.is_streaming else former
                    return await self._lead(sought, after=after)
            if flight is None:
                return await self._lead(sought)
            self.outcome.collapsed = True
            self._services.flights.joined += 1
            delivery = Delivery(asked, found.stored, self._services, self._responder)
            follower = Follower(flight, delivery, _content_with_a_run(asked) if insists else asked)
            if await follower.follow(self._services.clock):
                return True
            self.outcome = self._responder.outcome = Outcome(forwarded=self.outcome.forwarded)
            if follower.varies_by and follower.varies_by != vary:
                vary = follower.varies_by
            elif not follower.may_try_again:
                return False
        return False

    async def _lead(self, sought: Sought, after: Flight | None = None) -> bool:
        """Begin a flight, unless what the app answers is likely to be a part only."""
        asked, stored, services = sought.asked, sought.stored, self._services
        if combined(asked.request.fields, b"range") is not None:
            return False
        if after is None and services.flights.are_enough:
            self.outcome.detail = "max-flights"
            services.flights.too_many += 1
            return False
        if self._refusal(asked, stored):
            return False
        scope = app_scope(self._scope, asked, stored)

        def work(flight: Flight) -> Coroutine[Any, Any, None]:
            receive = PatientReceive(asked.receive, flight)
            filling = Fill(services, sought, flight).run(self._app, scope, receive)
            return services.observer.traced("fill", asked.target.pattern, filling)

        flight = services.flights.begin(sought.flight_key, asked.request.fields, work, after=after)
        try:
            return await lead(flight, Delivery(asked, stored, services, self._responder))
        finally:
            note_what_the_app_said(scope, self._scope)

    def _begin_refresh(self, asked: Asked, stored: StoredResponse, vary: tuple[bytes, ...]) -> None:
        """Have the app run for no client, so that the next one finds a fresh response."""
        if self._services.throttle.holds(stored.key):
            return
        method = "GET" if asked.request.method == "HEAD" else asked.request.method
        fields = [pair for pair in asked.request.fields if pair[0] not in CLIENT_WISHES]
        request = replace(
            asked.request, method=method, fields=fields, directives=RequestDirectives()
        )
        whole = replace(asked, request=request)
        key, holdings = _shared_key(whole, vary), self._services.holdings
        withholding = holdings.log.withholding
        sought = Sought(whole, stored, key, holdings.birth(), withholding, for_later=True)
        scope = {**app_scope(self._scope, whole, stored), "method": method}
        work = partial(refresh, self._services, sought, self._app, scope)
        self._services.flights.begin_in_background(sought.flight_key, fields, work)

    async def _refuse_to_ask(self) -> None:
        """Answer 504, as the client wants the app left alone (RFC 9111, section 5.2.1.7)."""
        self.outcome.detail = "only-if-cached"
        await self._responder.reply(Reply(status.GATEWAY_TIMEOUT, EMPTY, b""))

    async def _bypass(self, why: Unanswerable, target: Target, rule: Rule) -> None:
        """Let the app answer, and say why; nothing is stored."""
        if rule.client_bypass and parse_request(self._scope["headers"]).only_if_cached:
            await self._refuse_to_ask()
            return
        self.outcome.forwarded, self.outcome.detail = why.reason, why.detail

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._responder.head(self._services.shown(message))
            else:
                await self._responder.message(message)

        # The app sees the same query whether or not the cache is at work.
        scope = {**self._scope, "query_string": target.query}
        began_at = perf_counter()
        try:
            await self._app(scope, why.receive, send)
        finally:
            target.tally.app.note((self._responder.ended_at or perf_counter()) - began_at)
            note_what_the_app_said(scope, self._scope)


async def _is_empty(asked: Asked) -> bool:
    """Whether a request brings no content that is not part of its key.

    Others must neither wait for it nor be answered with what the app makes of it.
    """
    return asked.request.method == "POST" or await asked.receive.body(0) is not None


def _shared_key(asked: Asked, vary: tuple[bytes, ...]) -> bytes:
    """Return the key of the responses that this request could share with others."""
    return selector(asked.key, vary, asked.request.fields) if vary else asked.key


def _content_with_a_run(asked: Asked) -> Asked:
    """Return what a client asks who wants no stored response, once the app runs after it asked."""
    return replace(asked, request=replace(asked.request, directives=RequestDirectives()))


def _chance() -> float:
    """Draw a number from 0, which is none of them, to 1."""
    return 1.0 - random()  # noqa: S311 - nobody gains by guessing it
