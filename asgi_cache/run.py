"""One run of the app: what it answers is judged, recorded while it passes, and stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from time import perf_counter
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope

from asgi_cache.asking import OWN, Asked
from asgi_cache.errors import StoreUnavailable
from asgi_cache.events import End, Event, Head, Part, Settled
from asgi_cache.flight import has_background
from asgi_cache.holdings import Birth
from asgi_cache.patience import patiently
from asgi_cache.policy import status
from asgi_cache.policy.cache_control import parse_response
from asgi_cache.policy.fields import Fields, has_any, vary_names
from asgi_cache.policy.judging import judge
from asgi_cache.policy.keeping import is_whole, stored_response
from asgi_cache.policy.key import part_key, variant_of
from asgi_cache.policy.message import Response, StoredResponse
from asgi_cache.policy.received import Received
from asgi_cache.policy.reuse import ERRORS, may_replace_error
from asgi_cache.policy.storing import Clause, forbidding_clause
from asgi_cache.policy.validation import (
    VALIDATORS,
    head_agrees,
    is_same_representation,
    merged_fields,
)
from asgi_cache.recorder import Recorder
from asgi_cache.request_body import WatchedReceive
from asgi_cache.services import Services
from asgi_cache.tags import (
    TAGGING,
    are_storable,
    collecting_tags,
    group_tags,
    owner_of,
    response_tags,
    with_ancestors,
)

Tell: TypeAlias = Callable[[Event], Awaitable[None]]


class Run:
    """One run of the app, seen from the messages that it sends; *tell* hears what they mean.

    *stored* is a response that the app may say is still good, or that may replace an error.
    *birth* is where in the purge log the run began.
    """

    def __init__(
        self,
        asked: Asked,
        stored: StoredResponse | None,
        services: Services,
        birth: Birth,
        tell: Tell,
    ) -> None:
        self._asked = asked
        self._stored = stored
        self._services = services
        self._holdings = services.holdings
        self._birth = birth
        self._tell = tell
        self._requested_at = services.clock()
        self._received: Received | None = None
        self._recorder: Recorder | None = None
        self._is_settled = False
        self._watched: WatchedReceive | None = None
        self.kept: StoredResponse | None = None
        """What has come of it in the store."""
        self._task: asyncio.Task[object] | None = None
        self._tally = asked.target.tally
        self._answered_at: float | None = None
        """When the app had sent its last byte, by `perf_counter`."""
        self._handlers_tags: list[str] = []
        self._fields: Fields = ()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run *app* to its end, or until it raises."""
        watched, began_at = WatchedReceive(receive), perf_counter()
        try:
            with collecting_tags() as tags:
                self.attend(watched, tags)
                await app(scope, watched, self.send)
        except Exception:
            self._note_health(failed=True)
            raise
        finally:
            if OWN not in scope:
                self._tally.app.note((self._answered_at or perf_counter()) - began_at)

    def attend(self, watched: WatchedReceive | None, tags: list[str]) -> None:
        """Judge by what the app hears through *watched*, and by the *tags* that it names."""
        self._watched, self._handlers_tags = watched, tags
        self._task = asyncio.current_task() if has_background() else None

    async def send(self, message: Message) -> None:
        """Take one message of the app's."""
        if self._is_settled:
            return  # clients were answered with what is stored
        match message["type"]:
            case "http.response.start" if self._received is None:
                await self._take_head(message)
            case "http.response.body":
                await self._take_body(message)
            case _:  # a body that is sent by some other way, or a second head: neither is stored
                self._recorder = None
                await self._tell(Part(message, is_lost=True))

    async def _take_head(self, message: Message) -> None:
        message = {**message, "headers": list(message.get("headers", ()))}
        # An app may send a bytearray, which could be written to and cannot be shared.
        fields = tuple([(name.lower(), bytes(value)) for name, value in message["headers"]])
        self._fields, hidden = fields, self._services.hidden
        if has_any(fields, hidden):
            message = self._services.shown(message)
            fields = tuple([pair for pair in fields if pair[0] not in hidden])
        directives = parse_response(fields, self._services.targeted)
        received = self._received = self._receive(Response(message["status"], fields, directives))
        self._note_health(failed=received.response.status in ERRORS)
        renewed, stored = False, self._stored
        if stored is not None and self._asked.request.method == "HEAD":
            renewed = await self._update_from_head(stored, received)
        elif stored is not None and message["status"] == status.NOT_MODIFIED:
            self._is_settled = True
            await self._tell(await self._validated(stored, received))
            return
        recorder = Recorder(fields, self._asked.rule.max_body)
        judgement = judge(received)
        obstacle = self._obstacle(received, judgement.clause, recorder, message)
        self._recorder = recorder if obstacle is None else None
        is_measured, is_reusable = recorder.announces_length, judgement.is_reusable
        await self._tell(Head(message, received, obstacle, is_measured, is_reusable, renewed))

    def _note_health(self, *, failed: bool) -> None:
        """Note whether the app can be asked for this response, where another can stand in."""
        throttle = self._services.throttle
        if self._stored is None:
            return
        if failed:
            throttle.note_failure(self._stored.key)
        else:
            throttle.note_success(self._stored.key)

    def _receive(self, response: Response) -> Received:
        asked, arrived_at = self._asked, self._services.clock()
        return Received.at(arrived_at, asked.request, response, asked.rule, self._requested_at)

    def _obstacle(
        self, received: Received, clause: Clause | None, recorder: Recorder, message: Message
    ) -> str | None:
        """Say why the response is not recorded; nothing if it is."""
        if clause is not None:
            return clause.detail
        if self._stored is not None and self._is_replaced(self._stored, received):
            return "stale-if-error"
        if recorder.overflowed:
            return "too-large"
        if message.get("trailers"):
            return "trailers"
        return "request-body" if self._has_content() else None

    def _is_replaced(self, stored: StoredResponse, received: Received) -> bool:
        """Whether the app failed, and the stored response is the better answer."""
        if received.response.status not in ERRORS:
            return False
        asked = self._asked
        return may_replace_error(stored, asked.request, asked.rule, received.arrived_at)

    async def _take_body(self, message: Message) -> None:
        if not message.get("more_body", False):
            self._answered_at = perf_counter()
        recorder = self._recorder
        if recorder is None:
            await self._tell(Part(message))
            return
        recorder.add(message.get("body", b""))
        if recorder.overflowed:
            self._recorder = None
            await self._tell(Part(message, is_lost=True))
            return
        if message.get("more_body", False):
            await self._tell(Part(message))
            return
        self._recorder = None  # whatever an app sends after its last chunk is not of the body
        body = None if self._is_doubtful(recorder) else recorder.body()
        await self._tell(await self._kept(message, body))

    def _is_doubtful(self, recorder: Recorder) -> bool:
        """Whether the response may have been cut short, or made for this request alone.

        An app that was told of its client's leaving may end a stream as if it were whole.
        """
        if self._has_content():
            return True
        if recorder.announces_length:
            return False
        told = self._watched is not None and self._watched.is_disconnected
        return told or (self._task is not None and self._task.cancelling() > 0)

    def _has_content(self) -> bool:
        """Whether the request brought content that is not part of the key."""
        return (
            self._watched is not None
            and self._watched.has_content
            and self._asked.request.method != "POST"
        )

    async def _kept(self, message: Message, body: bytes | None) -> End:
        """Store the complete response, before the client can know that it is complete."""
        received = self._received
        if body is None or received is None or not is_whole(received, body):
            return End(message, None)
        tags = self._tags()
        if tags and not are_storable(tags):
            return End(message, None, "tags")
        stored, detail = await self._keep(received, body, tags)
        self.kept = stored
        return End(message, stored, detail)

    async def _keep(
        self, received: Received, body: bytes, tags: tuple[str, ...]
    ) -> tuple[StoredResponse, str | None]:
        primary = self._asked.key
        if received.response.status == status.PARTIAL_CONTENT:
            primary = part_key(primary)
        variant = variant_of(primary, received.request.fields, received.response.fields)
        key = primary if variant is None else variant.selector
        former = self._stored
        if former is None or former.key != key or former.body != body:
            former = None
        cost = max(0.0, self._services.clock() - self._requested_at)
        content = body if former is None else former.body
        url, owner = self._asked.target.stored_url, owner_of(self._asked.partition)
        stored = stored_response(
            received, key, content, *self._birth, tags, cost=cost, url=url, owner=owner
        )
        keeping = self._holdings.keep(stored, variant, primary, self._asked.tags, former)
        failed = await self._change(keeping)
        if failed is None:
            self._tally.note_stored(len(content))
            self._compare(stored)
            self._tell_of(stored, renewed=False)
        return stored, failed

    def _compare(self, stored: StoredResponse) -> None:
        """Compare what is for everybody with what another user was answered."""
        asked, services = self._asked, self._services
        if asked.rule.public and asked.target.pattern is not None:
            credentials = services.identity.credentials(asked.request.fields, cookies=True)
            changes, route = self._holdings.changes, self._tally.route
            services.conflicts.note(stored, route, credentials, services.clock(), changes)

    def _tell_of(self, stored: StoredResponse, *, renewed: bool) -> None:
        self._services.tell(
            "stored",
            route=self._tally.route,
            status=stored.status,
            size=len(stored.body),
            ttl=stored.lifetime,
            seconds=stored.cost,
            renewed=renewed,
        )

    def _tags(self) -> tuple[str, ...]:
        """Return the tags of the response: the rule's, its own, and its handler's."""
        names = self._asked.rule_tags()
        if not has_any(self._fields, TAGGING):
            names += self._handlers_tags
            return with_ancestors(names) if names else ()
        names += [*response_tags(self._fields), *self._handlers_tags]
        groups = group_tags(self._fields, b"cache-groups", self._asked.target.origin)
        return (*with_ancestors(names), *groups)

    async def _validated(self, stored: StoredResponse, received: Received) -> Settled:
        """The app said that *stored* is still good: renew it, to answer with it (4.3.3).

        A 304 that names another representation contradicts itself. It renews nothing, and
        the next request asks for the whole response (section 4.3.4).
        """
        if is_same_representation(stored, received.response.fields):
            return await self._renew(stored, received)
        return Settled(stored, validated=True, detail=await self._drop(stored))

    async def _renew(self, stored: StoredResponse, received: Received) -> Settled:
        fields = merged_fields(stored.app_fields, received.response.fields)
        directives = parse_response(fields, self._services.targeted)
        merged = self._receive(Response(stored.status, fields, directives))
        merged = replace(merged, request=replace(merged.request, method="GET"))
        renewed = stored_response(
            *(merged, stored.key, stored.body, *self._birth, stored.tags),
            cost=stored.cost,
            url=stored.url,
            owner=stored.owner,
        )
        same_selection = vary_names(fields) == vary_names(stored.fields)
        clause = forbidding_clause(merged)
        if clause is not None:
            failed = await self._drop(stored)
            return Settled(renewed, validated=True, obstacle=clause.detail, detail=failed)
        if not same_selection:
            return Settled(renewed, validated=True, detail=await self._drop(stored))
        failed = await self._change(self._holdings.put(renewed, stored))
        if failed is None:
            self._tally.renewed += 1
            self._tell_of(renewed, renewed=True)
        return Settled(renewed, validated=True, renewed=failed is None, detail=failed)

    async def _drop(self, stored: StoredResponse) -> str | None:
        """Forget *stored*; say why if that could not be done."""
        return await self._change(self._holdings.drop(stored))

    async def _change(self, operation: Coroutine[Any, Any, None]) -> str | None:
        """Change what is stored while the client waits; say why if that could not be done."""
        traced = self._services.observer.traced("store", self._asked.target.pattern, operation)
        try:
            await patiently(self._holdings.patience(), traced)
        except StoreUnavailable:
            return "store-unavailable"
        return None

    async def _update_from_head(self, stored: StoredResponse, received: Received) -> bool:
        """A response to HEAD renews the stored response to GET, or shows it wrong (4.3.5)."""
        response = received.response
        if response.status != stored.status:
            return False
        if not head_agrees(stored, response.status, response.fields):
            await self._drop(stored)
            return False
        if not has_any(response.fields, VALIDATORS):
            return False  # without one nothing says that the content is the same
        return (await self._renew(stored, received)).renewed
