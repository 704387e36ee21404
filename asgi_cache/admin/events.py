"""Server-sent events: the statistics every second, and what happens in between.

Each listener has a queue. One that reads too slowly loses what does not fit, and is told how
much that was. A stream ends after some minutes, so that it is asked again who may listen.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from asgi_cache.admin.problems import finite
from asgi_cache.observe.events import Event
from asgi_cache.observe.observer import Observer

QUEUE: Final = 256
"""Events that wait for one listener."""

LISTENERS: Final = 20
"""Streams at once, in one process."""

EVERY: Final = 1.0
"""Seconds between two statistics."""

LONGEST: Final = 300.0
"""Seconds after which a stream ends; who listens begins another."""


class Streams:
    """The streams that are open."""

    def __init__(self, stats: Callable[[], Any], observer: Callable[[], Observer]) -> None:
        self._stats = stats
        self._observer = observer
        self._open = 0

    @property
    def is_full(self) -> bool:
        """Whether no more are to be opened."""
        return self._open >= LISTENERS

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield events as they are sent, until the app is about to stop."""
        queue, ends_at = _Queue(), time.monotonic() + LONGEST
        if self.is_full:  # others have come between the question and this
            return
        self._open += 1
        with ExitStack() as stack:
            stack.callback(self._note_end)
            stack.callback(self._observer().subscribe(queue.put))
            yield b"retry: 1000\n\n"
            while time.monotonic() < ends_at and not is_stopping():
                yield event("stats", self._stats())
                next_at = time.monotonic() + EVERY
                while (left := next_at - time.monotonic()) > 0:
                    for each in await queue.take(left):
                        yield each

    def _note_end(self) -> None:
        self._open -= 1


class _Queue:
    """What one listener has not been sent yet."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        self._lost = 0

    def put(self, happened: Event) -> None:
        """Have an event sent, or count it as lost."""
        try:
            self._waiting.put_nowait(happened)
        except asyncio.QueueFull:
            self._lost += 1

    async def take(self, seconds: float) -> list[bytes]:
        """Return what there is to be sent, once there is anything or *seconds* have passed."""
        try:
            async with asyncio.timeout(seconds):
                waiting = [await self._waiting.get()]
        except TimeoutError:
            return []
        while not self._waiting.empty():
            waiting.append(self._waiting.get_nowait())
        lost, self._lost = self._lost, 0
        told = [event(each.name, {"at": each.at, **_plain(each.fields)}) for each in waiting]
        return [*told, event("lost", {"events": lost})] if lost else told


def _plain(fields: Mapping[str, object]) -> dict[str, object]:
    return {
        name: each if isinstance(each, str | int | float | None) else str(each)
        for name, each in fields.items()
    }


def event(name: str, said: Any) -> bytes:
    """Write an event (HTML Living Standard, section 9.2.5): JSON has no line breaks."""
    data = json.dumps(finite(said), allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()


def is_stopping() -> bool:
    """Whether uvicorn has been told to stop, which waits for streams to end before the app hears.

    It handles the signal with a method of the server, which says so.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
