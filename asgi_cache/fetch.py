"""One run of the app: what it answers is judged, recorded while it passes, and stored."""

from __future__ import annotations

import logging
from dataclasses import replace
from http import HTTPStatus
from math import inf

from starlette.types import ASGIApp, Message, Receive, Scope

from asgi_cache.asking import Asked
from asgi_cache.errors import StoreUnavailable
from asgi_cache.policy.cache_control import parse_response
from asgi_cache.policy.fields import Fields, combined, parse_date, vary_names
from asgi_cache.policy.keeping import client_fields, is_whole
from asgi_cache.policy.message import Response, StoredResponse
from asgi_cache.policy.reuse import ERRORS, may_replace_error
from asgi_cache.policy.serving import Reply, reply
from asgi_cache.policy.storing import Received, forbidding_clause
from asgi_cache.policy.validation import (
    VALIDATORS,
    head_agrees,
    is_not_modified,
    is_same_representation,
    merged_fields,
    not_modified_fields,
)
from asgi_cache.recorder import Recorder
from asgi_cache.request_body import WatchedReceive
from asgi_cache.responder import Responder
from asgi_cache.services import Services
from asgi_cache.tags import (
    are_storable,
    collecting_tags,
    group_tags,
    response_tags,
    with_ancestors,
)

logger: logging.Logger = logging.getLogger(__name__)


class Fetch:
    """One run of the app for one request, seen from the messages that it sends.

    *stored* is a response that the app may say is still good, or that may replace an error.
    """

    def __init__(
        self,
        asked: Asked,
        stored: StoredResponse | None,
        services: Services,
        responder: Responder,
    ) -> None:
        self._asked = asked
        self._stored = stored
        self._services = services
        self._holdings = services.holdings
        self._responder = responder
        self._outcome = responder.outcome
        self._birth = services.holdings.birth()
        self._requested_at = services.clock()
        self._received: Received | None = None
        self._recorder: Recorder | None = None
        self._held: Message | None = None
        self._answered = False
        self._watched: WatchedReceive | None = None
        self._handlers_tags: list[str] = []
        self._fields: Fields = ()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run *app*; an exception of it goes on, unless a stale response may stand in."""
        self._watched = WatchedReceive(receive)
        with collecting_tags() as self._handlers_tags:
            await self._run(app, scope, self._watched)

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        try:
            await app(scope, receive, self.send)
        except Exception:
            self._give_up()
            stale = self._stale_for_error()
            if stale is None or (self._received is not None and self._held is None):
                if self._held is not None:
                    await self._responder.head(self._held)
                raise
            logger.warning("the app failed; a stale response was served", exc_info=True)
            self._held = None
            await self._serve_stale(stale)
        else:
            await self.finish()

    async def finish(self) -> None:
        """Note that the app has returned; whatever was held is passed on as it is."""
        self._give_up()
        await self._release()

    def _give_up(self) -> None:
        """Record no more; the response will not be seen whole."""
        if self._recorder is not None:
            self._recorder = None
            self._outcome.stored = False

    async def send(self, message: Message) -> None:
        """Take one message of the app's."""
        match message["type"]:
            case "http.response.start":
                await self._take_head(message)
            case "http.response.body":
                await self._take_body(message)
            case _:  # a body sent by some other way is not seen here, so it is not stored
                self._give_up()
                await self._release()
                await self._pass(message)

    async def _take_head(self, message: Message) -> None:
        message = {**message, "headers": list(message.get("headers", ()))}
        fields = tuple((name.lower(), value) for name, value in message["headers"])
        self._fields, message = fields, self._services.shown(message)
        fields = tuple(pair for pair in fields if pair[0] not in self._services.hidden)
        directives = parse_response(fields, self._services.targeted)
        received = self._received = self._receive(Response(message["status"], fields, directives))
        if await self._settle_with_stored(received):
            return
        recorder = Recorder(fields, self._asked.rule.max_body)
        obstacle = self._obstacle(received, recorder, message)
        if obstacle is not None:
            if not self._outcome.stored:  # as a response to HEAD that renewed one to GET is
                self._outcome.detail = obstacle
            await self._pass_head(message)
            return
        self._recorder, self._held = recorder, message
        self._outcome.stored = True
        self._outcome.ttl = received.lifetime
        if not recorder.announces_length:  # a stream: its first bytes may be long in coming
            await self._release()

    def _receive(self, response: Response) -> Received:
        asked, arrived_at = self._asked, self._services.clock()
        return Received.at(arrived_at, asked.request, response, asked.rule, self._requested_at)

    def _obstacle(self, received: Received, recorder: Recorder, message: Message) -> str | None:
        """Say why the response is not recorded; nothing if it is."""
        clause = forbidding_clause(received)
        if clause is not None:
            return clause.detail
        if recorder.overflowed:
            return "too-large"
        return "trailers" if message.get("trailers") else None

    async def _take_body(self, message: Message) -> None:
        recorder = self._recorder
        if recorder is None:
            await self._pass(message)
            return
        recorder.add(message.get("body", b""))
        if message.get("more_body", False):
            await self._release()
            await self._pass(message)
            return
        self._recorder = None  # whatever an app sends after its last chunk is not of the body
        stored = await self._keep(None if self._is_doubtful(recorder) else recorder.body())
        if stored is not None and self._held is not None:
            await self._answer_from(stored, message)
        else:
            await self._release()
            await self._pass(message)

    def _is_doubtful(self, recorder: Recorder) -> bool:
        """Whether the response may have been cut short, or made for this request alone.

        An app that was told of its client's leaving may end a stream as if it were whole.
        """
        watched, method = self._watched, self._asked.request.method
        if watched is None:
            return False
        cut_short = watched.is_disconnected and not recorder.announces_length
        return cut_short or (watched.has_content and method != "POST")

    async def _keep(self, body: bytes | None) -> StoredResponse | None:
        """Store the complete response, before the client can know that it is complete."""
        if body is None or self._received is None or not is_whole(self._received, body):
            self._outcome.stored = False
            return None
        tags = self._tags()
        if not are_storable(tags):
            self._outcome.stored, self._outcome.detail = False, "tags"
            return None
        try:
            return await self._holdings.keep(
                self._received, self._asked.key, body, self._birth, tags, self._asked.tags
            )
        except StoreUnavailable:
            self._outcome.stored = False
            self._outcome.detail = "store-unavailable"
            return None

    def _tags(self) -> tuple[str, ...]:
        """Return the tags of the response: the rule's, its own, and its handler's."""
        names = [*self._asked.rule_tags(), *response_tags(self._fields), *self._handlers_tags]
        groups = group_tags(self._fields, b"cache-groups", self._asked.target.origin)
        return (*with_ancestors(names), *groups)

    async def _answer_from(self, stored: StoredResponse, message: Message) -> None:
        """Answer with the response just stored: the client may need only part of it, or a 304."""
        head, self._held = self._held, None
        answer = reply(self._asked.request, stored, self._services.clock())
        if head is None or answer.status != stored.status:
            self._outcome.forward_status = stored.status
            await self._answer(answer)
            return
        added = stored.fields[len(stored.fields) - stored.added :]
        await self._responder.head(head, added)
        await self._pass(message)

    async def _release(self) -> None:
        """Let go of a head that was held until the body could be seen whole."""
        message, self._held = self._held, None
        if message is not None and self._received is not None:
            await self._pass_head(message, client_fields(self._received))

    async def _pass_head(
        self, message: Message, added: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Pass the app's head on; a 304 instead, if the client has what is coming."""
        received = self._received
        if received is None or not self._client_has(received):
            await self._responder.head(message, added)
            return
        self._outcome.forward_status = HTTPStatus.OK
        kept = not_modified_fields((*received.response.fields, *added))
        await self._answer(Reply(HTTPStatus.NOT_MODIFIED, kept, b""))

    def _client_has(self, received: Received) -> bool:
        """Whether the client's own condition, if it was kept from the app, is met.

        Only what the app itself says of its response can tell, as none of it was seen yet.
        """
        response, request = received.response, received.request
        if response.status != HTTPStatus.OK or request.method == "POST":
            return False
        if self._asked.target.pattern is None and self._stored is None:
            return False
        etag, modified = (combined(response.fields, n) for n in (b"etag", b"last-modified"))
        instant = parse_date(modified or b"", received.arrived_at)
        changed_at = inf if instant is None else instant
        return is_not_modified(request.fields, etag, changed_at, received.arrived_at)

    async def _pass(self, message: Message) -> None:
        """Pass a message on, unless the client has been answered already."""
        if not self._answered:
            await self._responder.message(message)

    async def _answer(self, answer: Reply, age: float | None = None) -> None:
        """Answer the client now; whatever the app sends after this is not for it."""
        await self._responder.reply(answer, age)
        self._answered = True

    async def _settle_with_stored(self, received: Received) -> bool:
        """Use the stored response, if what the app answered speaks of it or fails."""
        stored = self._stored
        if stored is None:
            return False
        status = received.response.status
        if self._asked.request.method == "HEAD":
            await self._update_from_head(stored, received)
        elif status == HTTPStatus.NOT_MODIFIED:
            await self._serve_validated(stored, received)
            return True
        stale = self._stale_for_error() if status in ERRORS else None
        if stale is None:
            return False
        self._outcome.forward_status = status
        await self._serve_stale(stale)
        return True

    async def _serve_validated(self, stored: StoredResponse, received: Received) -> None:
        """The app said that *stored* is still good: renew it, and answer with it (4.3.3).

        A 304 that names another representation contradicts itself. It renews nothing, and
        the next request asks for the whole response (section 4.3.4).
        """
        if is_same_representation(stored, received.response.fields):
            renewed = await self._renew(stored, received)
        else:
            renewed = stored
            await self._drop(stored)
        now = self._services.clock()
        age = renewed.age_at(now)
        self._outcome.forward_status = HTTPStatus.NOT_MODIFIED
        self._outcome.ttl = renewed.lifetime - age
        await self._answer(reply(self._asked.request, renewed, now), age)

    async def _renew(self, stored: StoredResponse, received: Received) -> StoredResponse:
        fields = merged_fields(stored.app_fields, received.response.fields)
        directives = parse_response(fields, self._services.targeted)
        merged = self._receive(Response(stored.status, fields, directives))
        merged = replace(merged, request=replace(merged.request, method="GET"))
        renewed = self._holdings.renewed(stored, merged, self._birth)
        same_selection = vary_names(fields) == vary_names(stored.fields)
        if forbidding_clause(merged) is not None or not same_selection:
            await self._drop(stored)
            return renewed
        try:
            await self._holdings.put(renewed)
            self._outcome.stored = True
        except StoreUnavailable:
            self._outcome.detail = "store-unavailable"
        return renewed

    async def _drop(self, stored: StoredResponse) -> None:
        try:
            await self._holdings.drop(stored)
        except StoreUnavailable:
            self._outcome.detail = "store-unavailable"

    async def _update_from_head(self, stored: StoredResponse, received: Received) -> None:
        """A response to HEAD renews the stored response to GET, or shows it wrong (4.3.5)."""
        response = received.response
        if response.status != stored.status:
            return
        if not head_agrees(stored, response.status, response.fields):
            await self._drop(stored)
        elif any(name in VALIDATORS for name, _ in response.fields):
            await self._renew(stored, received)  # without one nothing says the content is the same

    def _stale_for_error(self) -> StoredResponse | None:
        """Return the stored response, if it may be served because the app failed."""
        asked, stored = self._asked, self._stored
        if stored is None:
            return None
        permitted = may_replace_error(stored, asked.request, asked.rule, self._services.clock())
        return stored if permitted else None

    async def _serve_stale(self, stored: StoredResponse) -> None:
        now = self._services.clock()
        age = stored.age_at(now)
        self._outcome.ttl = stored.lifetime - age
        self._outcome.detail = "stale-if-error"
        await self._answer(reply(self._asked.request, stored, now), age)
