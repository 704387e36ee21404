"""What belongs to one event loop of one process: a client, and what is asked of it."""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from redis.exceptions import ResponseError

from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.base import Held
from asgi_cache.stores.redis_client import CLOSING_TIMEOUT, Command, refusal, within
from asgi_cache.stores.redis_servers import Servers

T = TypeVar("T")

INTERRUPTED: Final = "the store was interrupted"

_INHERITED: Final[list[Link]] = []
"""What this process has of its parent's, and must not collect."""


@dataclass(slots=True)
class Batch:
    """What was asked for since the event loop's last turn, and who waits for it.

    The commands are sent in their order, and before the look-ups.
    """

    waiting: dict[bytes, list[Future[Held | None]]] = field(
        default_factory=dict[bytes, list[Future[Held | None]]]
    )
    commands: list[Command] = field(default_factory=list[Command])
    operations: list[tuple[int, Future[list[Any]]]] = field(
        default_factory=list[tuple[int, Future[list[Any]]]]
    )
    """Of how many commands each consists, and who waits for the replies."""

    def add(self, commands: Sequence[Command], loop: AbstractEventLoop) -> Future[list[Any]]:
        """Return a future of the replies to *commands*."""
        future: Future[list[Any]] = loop.create_future()
        self.commands += commands
        self.operations.append((len(commands), future))
        return future

    def reply(self, replies: Sequence[Any]) -> None:
        """Give out the replies to all commands; an error concerns its operation alone."""
        rest, operations = iter(replies), self.operations
        self.commands, self.operations = [], []
        for number, future in operations:
            own = list(islice(rest, number))
            error = next((each for each in own if isinstance(each, ResponseError)), None)
            if future.done():
                continue
            if error is None:
                future.set_result(own)
            else:
                future.set_exception(refusal(error))

    def join(self, key: bytes, loop: AbstractEventLoop) -> Future[Held | None]:
        """Return a future of this caller's own, so that its cancellation is its own too."""
        future: Future[Held | None] = loop.create_future()
        self.waiting.setdefault(key, []).append(future)
        return future

    def answer(self, key: bytes, held: Held | None) -> None:
        """Give *held* to all who wait for *key* still."""
        for future in self.waiting[key]:
            if not future.done():
                future.set_result(held)

    def refuse(self, key: bytes, error: ResponseError) -> None:
        """Tell all who wait for *key* still that its server does not give it."""
        _fail(self.waiting[key], refusal(error))

    def fail(self, error: StoreUnavailable) -> None:
        """Tell all who wait still that there is no answer, and why."""
        for futures in self.waiting.values():
            _fail(futures, error)
        _fail([future for _, future in self.operations], error)


def _fail(futures: Sequence[Future[Any]], error: StoreUnavailable) -> None:
    """Raise *error* where somebody waits still, each with a traceback of its own."""
    for future in futures:
        if not future.done():
            future.set_exception(type(error)(str(error)))


@dataclass(slots=True)
class Link:
    """The way to the servers, and the process and the event loop that it belongs to."""

    servers: Servers
    process: int
    loop: AbstractEventLoop
    batch: Batch | None = None
    sync: Task[None] | None = None
    """Reads the log."""
    tail: Task[None] | None = None
    """Waits for purges."""
    recovery: Task[None] | None = None
    """Tries whether a server that had failed answers again."""
    tasks: set[Task[Any]] = field(default_factory=set[Task[Any]])
    is_closing: bool = False
    """Whether nothing is to be begun that would go on."""
    ending: AsyncGenerator[None] = field(init=False)
    """Closes the connections, when it is closed itself."""
    end: Task[None] | None = None
    """What ends it after it was left."""

    def __post_init__(self) -> None:
        """Have the connections closed with the event loop, if not before.

        A loop closes the asynchronous generators that were begun in it before it ends; it is
        the only thing that it tells anybody of its end.
        """
        self.ending = _closing(self.servers)
        with suppress(StopIteration):
            self.ending.__anext__().send(None)

    @property
    def is_here(self) -> bool:
        """Whether it is of this process and of the event loop that runs."""
        return self.loop is asyncio.get_running_loop() and self.process == os.getpid()

    def begin(self, work: Coroutine[Any, Any, T]) -> Task[T]:
        """Do *work* in the background; `finish` waits for it."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def finish(self) -> None:
        """Begin nothing any more that would go on, and wait for what is under way."""
        self.is_closing = True
        for waiting in (self.tail, self.recovery):
            if waiting is not None:
                waiting.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)  # which does not cancel them with this one

    def leave(self) -> None:
        """Have it ended where it belongs, as the store is closed or used elsewhere.

        Left to the garbage collector, connections might go before what would close them; and
        those that a parent process has too would be taken from the parent's event loop.
        """
        if self.process != os.getpid():
            _INHERITED.append(self)
            return
        with suppress(RuntimeError):  # that loop has ended, and closed them
            self.loop.call_soon_threadsafe(self._begin_to_end)

    def _begin_to_end(self) -> None:
        if self.end is None:
            self.end = self.loop.create_task(self._end())

    async def _end(self) -> None:
        """Close the connections after all that is under way, purges that are repeated too."""
        if self.tail is not None:
            self.tail.cancel()
        while self.tasks:
            await asyncio.wait(self.tasks)
        await _close(self.servers)  # `ending` may be closed by the loop meanwhile


async def _closing(servers: Servers) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await _close(servers)


async def _close(servers: Servers) -> None:
    with suppress(StoreUnavailable):
        await within(CLOSING_TIMEOUT, servers.close())


def end_batch(link: Link, batch: Batch, task: Task[None]) -> None:
    """Leave nobody waiting for a task that was cancelled before it began."""
    if link.batch is batch:
        link.batch = None
    if task.cancelled():
        batch.fail(StoreUnavailable(INTERRUPTED))
