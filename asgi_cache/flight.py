"""Flights: one run of the app, and everybody who waits for what it answers.

A flight is a task of its own. It captures what the app sends, and every client, the one that
began it too, reads from that capture at its own pace. A client that leaves does not stop it
while another waits. What is captured is let go once it is too large to be stored; then the
app is kept from running ahead of the slowest reader.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Task
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, assert_never

from starlette.types import Message, Receive

from asgi_cache.events import End, Event, Head, Part, Settled
from asgi_cache.policy.fields import Fields
from asgi_cache.policy.message import StoredResponse

logger: logging.Logger = logging.getLogger(__name__)

WINDOW = 16
"""Messages by which the app may be ahead of the slowest reader of what is not recorded."""

STALL = 10.0
"""Seconds for which one follower may keep an app waiting; it is left behind then."""

PATIENCE = 30.0
"""Seconds that a follower waits for the head of a response; then it asks the app itself."""

BACKGROUND_LIMIT = 64
"""Flights without a client that run at once; beyond that a response stays stale for longer."""

UNSHARED_FOR = 120.0
"""Seconds for which it is remembered that a response cannot be shared (hit-for-miss)."""

UNSHARED_LIMIT = 4096
"""Keys of which that is remembered."""

Work: TypeAlias = Callable[["Flight"], Coroutine[Any, Any, None]]


def has_background() -> bool:
    """Whether tasks can be started that outlive a request: asyncio's can, trio's cannot."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class LeftBehind(Exception):
    """The run failed, or went on without this reader, in the middle of a response."""


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
        self.landed: asyncio.Event = asyncio.Event()
        """The response is complete, or will not be."""
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._events: list[Event] = []
        self._dropped = 0
        """How many events are no longer held, as all readers have had them."""
        self._is_recorded = True
        self._is_over = False
        self._changed = asyncio.Event()
        self._readers: list[Reader] = []
        self._is_abandoned = False

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
        if not self._is_recorded or self._is_over or self._dropped:
            return False
        return bool(self._events) or self._loop.time() - self._began_at < PATIENCE

    async def tell(self, event: Event) -> None:
        """Take what the run tells; wait if readers could not keep up with it."""
        match event:
            case Head():
                self._is_recorded = event.obstacle is None
            case Part():
                self._is_recorded = self._is_recorded and not event.is_lost
                event = replace(event, message=_copied(event.message))
            case End():
                event = replace(event, message=_copied(event.message))
            case Settled():
                pass
            case _:
                assert_never(event)
        self._events.append(event)
        if isinstance(event, End | Settled):
            self._land()
        self._wake()
        await asyncio.sleep(0)  # what the app does next must not keep readers from it
        if not self._is_recorded:
            await self._room()

    def end(self, error: BaseException | None = None) -> None:
        """Note that the app has returned, or what it raised."""
        if self._is_over:
            return
        self.error = error
        self._is_over = True
        self._land()
        self._wake()

    def _land(self) -> None:
        if not self.landed.is_set():
            self.landed.set()
            self._close(self)

    def reader(self, *, leads: bool = False) -> Reader:
        """Return a new reader, of all that was and will be told."""
        reader = Reader(self, leads=leads)
        self._readers.append(reader)
        self._wake()
        return reader

    async def event(self, index: int) -> Event | None:
        """Return what was told at *index*, once it is; nothing if no more comes."""
        while index >= self._dropped + len(self._events):
            if self._is_over:
                return None
            await self._changed.wait()
        return self._events[index - self._dropped]

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
        """Wait until nobody reads it but the client that began it."""
        while any(not reader.leads for reader in self._readers):
            await self._changed.wait()

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
                    await self._changed.wait()
            except TimeoutError:
                self._leave_behind(slowest)

    def _leave_behind(self, index: int) -> None:
        for reader in list(self._readers):
            if reader.index == index and not reader.leads:
                reader.is_left_behind = True
                self.leave(reader)

    def progress(self) -> None:
        """Note that a reader has got on, if that is of interest."""
        if not self._is_recorded:
            self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


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
        event = await self._flight.event(self.index)
        self.index += 1
        self._flight.progress()
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


class Flights:
    """The flights that are under way, and what is known not to be worth one."""

    def __init__(self) -> None:
        self._open: dict[bytes, Flight] = {}
        self._tasks: set[Task[None]] = set()
        self._background: set[Task[None]] = set()
        self._unshared: dict[bytes, float] = {}

    def under_way(self, key: bytes) -> Flight | None:
        """Return the flight under *key* that can be joined."""
        flight = self._open.get(key)
        if flight is None or not flight.is_open or not _is_here(flight.task):
            return None
        return flight

    def begin(
        self, key: bytes, fields: Fields, work: Work, *, after: Flight | None = None
    ) -> Flight:
        """Begin a flight for a request with *fields*, at once or when another one has landed."""
        flight = Flight(fields, partial(self._close, key))
        if after is None:
            self._open[key] = flight
        else:
            after.successor = flight
        flight.task = asyncio.get_running_loop().create_task(
            _fly(flight, work, after), context=flight.context
        )
        self._tasks.add(flight.task)
        flight.task.add_done_callback(partial(self._end, flight))
        return flight

    def begin_in_background(self, key: bytes, fields: Fields, work: Work) -> None:
        """Begin a flight for no client, unless one is under way or there are too many."""
        if len(self._background) >= BACKGROUND_LIMIT:
            self._background = set(filter(_is_here, self._background))
        if self.under_way(key) is None and len(self._background) < BACKGROUND_LIMIT:
            task = self.begin(key, fields, work).task
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    def is_unshared(self, key: bytes) -> bool:
        """Whether the response under *key* was one lately that nobody could share."""
        until = self._unshared.get(key)
        if until is None:
            return False
        if asyncio.get_running_loop().time() < until:
            return True
        del self._unshared[key]
        return False

    def mark_unshared(self, key: bytes) -> None:
        """Remember for a while that the response under *key* is for one request alone."""
        self._unshared.pop(key, None)
        while len(self._unshared) >= UNSHARED_LIMIT:
            del self._unshared[next(iter(self._unshared))]
        self._unshared[key] = asyncio.get_running_loop().time() + UNSHARED_FOR

    async def finish(self, seconds: float) -> None:
        """Wait that long for what is under way, then stop the rest."""
        tasks = list(filter(_is_here, self._tasks))
        if not tasks:
            return
        _, running = await asyncio.wait(tasks, timeout=seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _end(self, flight: Flight, task: Task[None]) -> None:
        """Leave nobody waiting, even for a task that was cancelled before it began."""
        self._tasks.discard(task)
        flight.end(asyncio.CancelledError())

    def _close(self, key: bytes, flight: Flight) -> None:
        """Let nobody join what has landed; the next in line takes its place."""
        if flight.successor is not None:
            self._open[key] = flight.successor
        elif self._open.get(key) is flight:
            del self._open[key]


def _is_here(task: Task[None]) -> bool:
    """Whether *task* is of the event loop that runs."""
    return task.get_loop() is asyncio.get_running_loop()


async def _fly(flight: Flight, work: Work, after: Flight | None) -> None:
    try:
        if after is not None:
            await after.landed.wait()
        await work(flight)
    except BaseException as error:
        flight.end(error)
        if not isinstance(error, Exception):
            raise
    else:
        flight.end()


def _copied(message: Message) -> Message:
    """Return *message* with a body of its own: an app may write to its buffer again."""
    body = message.get("body", b"")
    return message if isinstance(body, bytes) else {**message, "body": bytes(body)}
