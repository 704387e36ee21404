"""One client's part in a flight: what of it is for this request, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from asgi_cache.asking import Asked
from asgi_cache.delivery import Delivery
from asgi_cache.errors import LeftBehind
from asgi_cache.events import End, Event, Head, Part, Settled, is_of_one_request
from asgi_cache.flight import PATIENCE, Flight, Reader
from asgi_cache.policy.fields import vary_names
from asgi_cache.policy.keeping import stored_response
from asgi_cache.policy.key import selector
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.reuse import ERRORS, Reuse, assess


async def lead(flight: Flight, delivery: Delivery) -> bool:
    """Answer the client whose request began *flight*, and see the run of the app to its end.

    Whether it was answered; not so if there turned out to be nothing to share.

    Raises:
        Exception: What the app raised.
    """
    reader = flight.reader(leads=True)
    try:
        while (event := await reader.next()) is not None:
            await delivery.take(event)
    except BaseException:
        reader.leave()
        flight.abandon()
        if flight.task.cancelling():
            await asyncio.wait({flight.task})  # the app's own clean-up comes first
        raise
    reader.leave()
    _take_over(flight)
    if flight.failed:
        await _answer_for_failure(flight, delivery)
    elif flight.error is not None and not isinstance(flight.error, asyncio.CancelledError):
        raise flight.error
    elif flight.error is not None:
        raise LeftBehind("the run of the app was stopped")
    elif not flight.has_run and not delivery.has_begun:
        return False
    await delivery.end()
    return True


async def _answer_for_failure(flight: Flight, delivery: Delivery) -> None:
    error = flight.error
    if error is not None and not await delivery.replace_failure():
        raise error
    delivery.tell_of_failure(error)


def _take_over(flight: Flight) -> None:
    """Let what the app did to context variables be seen by who called it, as without a task."""
    for variable, value in flight.context.items():
        if flight.former_context.get(variable) is not value:
            variable.set(value)


class Follower:
    """A request that may be answered by the run that another one began."""

    def __init__(self, flight: Flight, delivery: Delivery, asked: Asked) -> None:
        self._flight = flight
        self._delivery = delivery
        self._asked = asked
        self.may_try_again: bool = False
        """What kept the flight from bringing a response for all was its leader's request."""
        self.varies_by: tuple[bytes, ...] = ()
        """The flight brings a variant for other requests, which these fields tell apart."""

    async def follow(self, clock: Callable[[], float]) -> bool:
        """Answer the client, if what the flight brings is for it; else send nothing.

        Raises:
            LeftBehind: The client has been sent a part of what will never be whole.
        """
        reader = self._flight.reader()
        try:
            return await self._follow(reader, clock)
        finally:
            reader.leave()

    async def _follow(self, reader: Reader, clock: Callable[[], float]) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                event = await reader.next()
        except TimeoutError:
            return False
        while event is not None:
            if not self._delivery.has_begun and not self._is_for_this(event, clock()):
                return False
            await self._delivery.take(event)
            if _is_last(event):
                return True
            event = await reader.next()
        if self._delivery.has_begun and self._flight.error is not None:
            raise LeftBehind("the run of the app failed") from self._flight.error
        return self._delivery.has_begun or await self._is_replaced()

    async def _is_replaced(self) -> bool:
        """Whether a stale response could be served, as the app raised."""
        if not self._flight.failed or not self._has_stale():
            return False
        return await self._delivery.replace_failure()

    def _is_for_this(self, event: Event, now: float) -> bool:
        match event:
            case Head() if event.received.response.status in ERRORS and self._has_stale():
                return True
            case Head() if event.obstacle is not None:
                self.may_try_again = is_of_one_request(event)
                return False
            case Head():
                return self._agrees(self._terms(event), now)
            case Settled():
                return event.obstacle is None and self._agrees(event.stored, now)
            case End():
                return event.stored is not None
            case Part():
                return not event.is_lost

    def _has_stale(self) -> bool:
        return self._delivery.stale_for_error() is not None

    def _terms(self, head: Head) -> StoredResponse:
        """Return what is known of the response by its head; the first follower finds it out.

        The time that it took to make is no part of its age for those who waited for it.
        """
        if self._flight.terms is None:
            terms = stored_response(head.received, self._asked.key, b"")
            took = head.received.arrived_at - head.received.requested_at
            age = max(0.0, terms.initial_age - max(0.0, took))
            self._flight.terms = replace(terms, initial_age=age)
        return self._flight.terms

    def _agrees(self, terms: StoredResponse, now: float) -> bool:
        """Whether a stored response like this would be the answer to this request."""
        asked, names = self._asked, vary_names(terms.fields)
        fields = asked.request.fields
        if names and selector(asked.key, names, fields) != selector(
            asked.key, names, self._flight.fields
        ):
            self.varies_by = names
            return False
        return isinstance(assess(terms, asked.request, asked.rule, now), Reuse)


def _is_last(event: Event) -> bool:
    """Whether the response is complete with it."""
    if not isinstance(event, Part):
        return isinstance(event, End | Settled)
    message = event.message
    return message["type"] == "http.response.body" and not message.get("more_body", False)
