"""What one client is sent of a run of the app, by what it asked for itself."""

from __future__ import annotations

from math import inf
from typing import assert_never

from asgi_cache.asking import Asked
from asgi_cache.events import End, Event, Head, Part, Settled
from asgi_cache.policy import status
from asgi_cache.policy.fields import combined, has_any, parse_date
from asgi_cache.policy.judging import client_fields
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.received import Received
from asgi_cache.policy.reuse import ERRORS, may_replace_error
from asgi_cache.policy.serving import LESS_THAN_ALL, Reply, reply
from asgi_cache.policy.validation import is_not_modified, not_modified_fields
from asgi_cache.responder import Responder
from asgi_cache.services import Services


class Delivery:
    """Answers one request from what a run tells, which may be that of another request.

    *stored* is a response that may stand in if the app fails. A head with a length is held
    until the body is there, as the client may need only part of it, or a 304.
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
        self._responder = responder
        self._outcome = responder.outcome
        self._held: Head | None = None
        self._is_answered = False
        """Whatever the app sends now is not for this client."""
        self.has_begun: bool = False
        """The client has been sent something."""

    async def take(self, event: Event) -> None:
        """Take what the run tells next."""
        if self._is_answered:
            return
        match event:
            case Head():
                await self._take_head(event)
            case Part():
                await self._release(stored=not event.is_lost)
                await self._responder.message(event.message)
            case End():
                await self._take_end(event)
            case Settled():
                await self._take_stored(event)
            case _:
                assert_never(event)

    async def end(self) -> None:
        """Note that the app has returned; a head that was held is passed on as it is."""
        await self._release(stored=False)

    async def replace_failure(self) -> bool:
        """Answer in place of an app that raised, if that can be; else pass on what there is."""
        if not self.has_begun and (stale := self.stale_for_error()) is not None:
            self._held = None
            self._outcome.stored = False
            await self.serve_stale(stale)
            return True
        held, self._held = self._held, None
        if held is not None:
            self._outcome.stored = False
            await self._responder.head(held.message)
        return False

    def stale_for_error(self) -> StoredResponse | None:
        """Return the stored response, if it may be served because the app failed."""
        asked, stored = self._asked, self._stored
        if stored is None:
            return None
        permitted = may_replace_error(stored, asked.request, asked.rule, self._services.clock())
        return stored if permitted else None

    def tell_of_failure(self, error: BaseException | None) -> None:
        """Tell that a stale response was served as the app failed."""
        self._services.tell("stale-for-failure", error, route=self._asked.target.pattern)

    async def _take_head(self, head: Head) -> None:
        answered = head.received.response.status
        if answered in ERRORS and (stale := self.stale_for_error()) is not None:
            self._outcome.forward_status = answered
            await self.serve_stale(stale)
        elif head.obstacle is not None:
            self._outcome.stored = head.renewed
            if not head.renewed:
                self._outcome.detail = head.obstacle
            await self._pass_head(head)
        else:
            self._outcome.stored = not self._outcome.collapsed
            self._outcome.ttl = head.received.lifetime
            self._held = head
            if not head.is_measured:  # a stream: its first bytes may be long in coming
                await self._release(stored=True)

    async def _take_end(self, end: End) -> None:
        """Answer with the response just stored, if its head has not been passed on."""
        held, stored = self._held, end.stored
        self._outcome.detail = end.detail or self._outcome.detail
        if stored is None or held is None:
            await self._release(stored=stored is not None and end.detail is None)
            await self._responder.message(end.message)
            return
        self._outcome.stored = end.detail is None and not self._outcome.collapsed
        self._held, self.has_begun = None, True
        if has_any(self._asked.request.fields, LESS_THAN_ALL):
            answer = reply(self._asked.request, stored, self._services.clock())
            if answer.status != stored.status:
                self._outcome.forward_status = stored.status
                await self._answer(answer)
                return
        await self._responder.head(held.message, stored.fields[len(stored.app_fields) :])
        await self._responder.message(end.message)

    async def _take_stored(self, event: Settled) -> None:
        now, stored = self._services.clock(), event.stored
        age = stored.age_at(now)
        self._outcome.ttl = stored.lifetime - age
        self._outcome.stored = event.renewed and not self._outcome.collapsed
        self._outcome.detail = event.detail or self._outcome.detail
        if not event.validated:
            self._outcome.collapsed = True
        else:
            self._outcome.forward_status = status.NOT_MODIFIED
        await self._answer(reply(self._asked.request, stored, now), age)

    async def _release(self, *, stored: bool) -> None:
        """Let go of a head that was held until the body could be seen whole."""
        head, self._held = self._held, None
        if head is not None:
            self._outcome.stored = self._outcome.stored and stored
            await self._pass_head(head, client_fields(head.received))

    async def _pass_head(self, head: Head, added: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Pass the app's head on; a 304 instead, if the client has what is coming."""
        self.has_begun = True
        if not self._client_has(head.received):
            await self._responder.head(head.message, added)
            return
        self._outcome.forward_status = status.OK
        kept = not_modified_fields((*head.received.response.fields, *added))
        await self._answer(Reply(status.NOT_MODIFIED, kept, b""))

    def _client_has(self, received: Received) -> bool:
        """Whether the client's own condition, if it was kept from the app, is met.

        Only what the app itself says of its response can tell, as none of it was seen yet.
        """
        response, request = received.response, self._asked.request
        if response.status != status.OK or request.method == "POST":
            return False
        if self._asked.target.pattern is None and self._stored is None:
            return False
        etag, modified = (combined(response.fields, n) for n in (b"etag", b"last-modified"))
        instant = parse_date(modified or b"", received.arrived_at)
        changed_at = inf if instant is None else instant
        return is_not_modified(request.fields, etag, changed_at, received.arrived_at)

    async def _answer(self, answer: Reply, age: float | None = None) -> None:
        """Answer the client now; whatever the app sends after this is not for it."""
        self.has_begun = True
        await self._responder.reply(answer, age)
        self._is_answered = True

    async def serve_stale(self, stored: StoredResponse) -> None:
        """Answer with a stale response in place of a failure."""
        now = self._services.clock()
        age = stored.age_at(now)
        self._outcome.ttl = stored.lifetime - age
        self._outcome.detail = "stale-if-error"
        await self._answer(reply(self._asked.request, stored, now), age)
