"""Flights: one run of the app, and everybody who waits for what it answers.

A flight is a task of its own. It captures what the app sends, and every client, the one that
began it too, reads from that capture at its own pace. A client that leaves does not stop it
while another waits. What is captured is let go once it is too large to be stored; then the
app is kept from running ahead of the slowest reader.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, Task
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import replace
from typing import TypeVar, assert_never

from starlette.types import Message, Receive

from asgi_cache.errors import LeftBehind
from asgi_cache.events import End, Event, Head, Part, Settled
from asgi_cache.policy.fields import Fields
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.reuse import ERRORS

T = TypeVar("T", Part, End)

WINDOW = 16
"""Messages by which the app may be ahead of the slowest reader of what is not recorded."""

STALL = 10.0
"""Seconds for which one follower may keep an app waiting; it is left behind then."""

PATIENCE = 30.0
"""Seconds that a follower waits for the head of a response; then it asks the app itself."""


def has_background() -> bool:
    """Whether tasks can be started that outlive a request: asyncio's can, trio's cannot."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Flight:
    """One run of the app, and what has become known of it so far."""

    def __init__(self, fields: Fields, close: Callable[[Flight], None]) -> None:
        self.task: Task[None]
        self.fields: Fields = fields
        """Those of the request that it was begun for."""
        self._close = close
        self.error: BaseException | None = None
        """What the app raised."""
        self._successor: Flight | None = None
        self.has_run: bool = False
        """The app was asked; else there was no need to, or it is for each request to do."""
        self.context: Context = copy_context()
        """What the run has of context variables, and sets."""
        self.former_context: Context = copy_context()
        """The same as it was at the beginning."""
        self.terms: StoredResponse | None = None
        """What is known of the response once its head is there; the body is not in it."""
        self._has_landed = False
        """The response is complete, or will not be."""
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._events: list[Event] = []
        self._dropped = 0
        """How many events are no longer held, as all readers have had them."""
        self._is_recorded = True
        self.is_over: bool = False
        """The app has returned, or raised."""
        self._waiting: list[Future[None]] = []
        """Those of who waits for something to change."""
        self._readers: list[Reader] = []
        self._is_abandoned = False
        self._is_deserted = False

    @property
    def successor(self) -> Flight | None:
        """The one that begins when this has landed, for those who want nothing older."""
        next_one = self._successor
        return next_one if next_one is not None and next_one.is_open else None

    @successor.setter
    def successor(self, flight: Flight) -> None:
        self._successor = flight

    @property
    def failed(self) -> bool:
        """Whether the app raised; else the run was stopped, or nothing is wrong."""
        return isinstance(self.error, Exception)

    @property
    def is_open(self) -> bool:
        """Whether somebody may join, and miss nothing; not if it seems to be stuck."""
        if not self._is_recorded or self.is_over or self._dropped or self._is_deserted:
            return False
        return bool(self._events) or self._loop.time() - self._began_at < PATIENCE

    @property
    def is_streaming(self) -> bool:
        """Whether the head has come, and nothing says when the body will have."""
        return any(isinstance(e, Head) and not e.is_measured for e in self._events[:1])

    async def tell(self, event: Event) -> None:
        """Take what the run tells; wait if readers could not keep up with it."""
        match event:
            case Head():
                self._is_recorded = event.obstacle is None
            case Part():
                self._is_recorded = self._is_recorded and not event.is_lost
                event = _with_own_body(event)
            case End():
                event = _with_own_body(event)
            case Settled():
                pass
            case _:
                assert_never(event)
        self._events.append(event)
        if isinstance(event, Head) and not self._is_news(event):
            return
        if isinstance(event, End | Settled):
            self._land()
        self._wake()
        await asyncio.sleep(0)  # what the app does next must not keep readers from it
        if not self._is_recorded:
            await self._room()

    def _is_news(self, head: Head) -> bool:
        """Whether somebody may act on *head* before the body, which is to come at once, is there.

        The client that began the flight holds it until then, unless it has something better.
        """
        if not head.is_measured or not self._is_recorded:
            return True
        followed = any(not reader.leads for reader in self._readers)
        return followed or head.received.response.status in ERRORS

    def end(self, error: BaseException | None = None) -> None:
        """Note that the app has returned, or what it raised."""
        if self.is_over:
            return
        self.error = error
        self.is_over = True
        self._land()
        self._wake()

    def _land(self) -> None:
        if not self._has_landed:
            self._has_landed = True
            self._close(self)

    async def until_landed(self) -> None:
        """Wait until the response is complete, or will not be."""
        while not self._has_landed:
            await self.change()

    def reader(self, *, leads: bool = False) -> Reader:
        """Return a new reader, of all that was and will be told."""
        reader = Reader(self, leads=leads)
        self._readers.append(reader)
        self._wake()
        return reader

    def event(self, index: int) -> Event | None:
        """Return what was told at *index*; nothing if nothing was, yet."""
        place = index - self._dropped
        return self._events[place] if place < len(self._events) else None

    def leave(self, reader: Reader) -> None:
        """Note that *reader* wants no more."""
        self._readers.remove(reader)
        self._wake()
        if self._is_abandoned:
            self._stop_if_deserted()

    def abandon(self) -> None:
        """Note that the call which began it was cancelled: it goes on only while others wait."""
        self._is_abandoned = True
        self._stop_if_deserted()

    def _stop_if_deserted(self) -> None:
        """Stop the run if nobody is left; nobody may join while it comes to its end."""
        if not self._readers:
            self.task.cancel()
            self.end(asyncio.CancelledError())

    async def until_deserted(self) -> None:
        """Wait until nobody reads it but the client that began it; then nobody may join any more.

        The app is told so, and may end the response as if it were whole.
        """
        while any(not reader.leads for reader in self._readers):
            await self.change()
        self._is_deserted = True

    async def _room(self) -> None:
        """Let go of what all have read; wait for the slowest, followers not for ever."""
        while True:
            held = self._dropped + len(self._events)
            slowest = min((reader.index for reader in self._readers), default=held)
            done = max(0, slowest - self._dropped)
            del self._events[:done]
            self._dropped += done
            if len(self._events) <= WINDOW:
                return
            try:
                async with asyncio.timeout(STALL):
                    await self.change()
            except TimeoutError:
                self._leave_behind(slowest)

    def _leave_behind(self, index: int) -> None:
        others_wait = any(reader.index > index for reader in self._readers)
        for reader in list(self._readers):
            if reader.index == index and (others_wait or not reader.leads):
                reader.is_left_behind = True
                self.leave(reader)

    def progress(self) -> None:
        """Note that a reader has got on, if that is of interest."""
        if not self._is_recorded:
            self._wake()

    async def change(self) -> None:
        """Wait until something more is known, or somebody comes or leaves."""
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class Reader:
    """One client's place in a flight."""

    def __init__(self, flight: Flight, *, leads: bool) -> None:
        self.leads: bool = leads
        self.index: int = 0
        self.is_left_behind: bool = False
        self._flight = flight

    async def next(self) -> Event | None:
        """Return what is told next; nothing when the run is over.

        Raises:
            LeftBehind: This reader was too slow, and the others could wait no longer.
        """
        if self.is_left_behind:
            raise LeftBehind("the client was too slow for the others that read this response")
        flight = self._flight
        while (event := flight.event(self.index)) is None and not flight.is_over:
            await flight.change()
        self.index += 1
        flight.progress()
        return event

    def leave(self) -> None:
        """Want no more."""
        if not self.is_left_behind:
            self._flight.leave(self)


class PatientReceive:
    """The leader's ``receive``, which does not speak of its leaving while others wait."""

    def __init__(self, receive: Receive, flight: Flight) -> None:
        self._receive = receive
        self._flight = flight

    async def __call__(self) -> Message:
        """Return the next message of the leader's client."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            await self._flight.until_deserted()
        return message


def _with_own_body(event: T) -> T:
    """Return *event* with a body of its own: an app may write to its buffer again."""
    body = event.message.get("body", b"")
    if isinstance(body, bytes):
        return event
    return replace(event, message={**event.message, "body": bytes(body)})
