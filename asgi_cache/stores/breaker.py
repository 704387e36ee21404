"""A circuit breaker: a server that does not answer is left alone, and tried now and then.

It is closed while the server answers; then everything passes. After some failures in a row
it opens, and nothing passes. When its time has come one probe passes, which is to be half
open, and what comes of that closes it or keeps it open for longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import Enum
from math import inf
from random import uniform
from typing import Final

from asgi_cache.backoff import Draw, doubling
from asgi_cache.observe.events import Tell
from asgi_cache.observe.observer import Observer

FAILURES: Final = 3
"""Failures in a row that open it; those of what was under way at the same time count as one."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 2.0
"""Seconds that it is open for, at the first time and at the most; it doubles in between."""


class State(Enum):
    """What passes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """The breaker of one store in one process."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, draw: Draw = uniform
    ) -> None:
        self.is_closed: bool = True
        """Everything passes."""
        self.tell: Tell = Observer().tell
        self.opened: int = 0
        """How often it has opened."""
        self.why: str = ""
        """What went wrong before it opened."""
        self._held_until = -inf
        self._is_probed = False
        self._probe = 0
        """The number of the last one."""
        self._monotonic = monotonic
        self._draw = draw
        self._failures = 0
        self._failed_at = -inf
        self._pauses = self._pauses_anew()
        self._open_until = -inf

    @property
    def state(self) -> State:
        """What passes."""
        if self.is_closed:
            return State.CLOSED
        return State.HALF_OPEN if self._is_probed else State.OPEN

    @property
    def is_held(self) -> bool:
        """Whether somebody has opened it, so that it is not to be tried."""
        return self._monotonic() < self._held_until

    @property
    def is_due(self) -> bool:
        """Whether it is time for a probe, and none is under way."""
        is_open = self.state is State.OPEN and not self.is_held
        return is_open and self._monotonic() >= self._open_until

    @property
    def remaining(self) -> float:
        """Seconds until it is time for a probe, or to look again whether it is."""
        if self.is_held:
            return LONGEST_PAUSE
        return max(0.0, self._open_until - self._monotonic())

    def note_success(self) -> None:
        """Note that what had passed was answered."""
        if self.is_closed:
            self._failures = 0

    def note_failure(self, began_at: float, why: str) -> None:
        """Note that what had passed at *began_at* was not, and *why*.

        A process that was too busy to read the replies to all that it had asked for, or a
        connection that was lost with all that was sent over it, is one failure.
        """
        if not self.is_closed or began_at < self._failed_at:
            return
        self._failed_at = self._monotonic()
        self._failures += 1
        if self._failures >= FAILURES:
            self.why = why
            self.opened += 1
            self._pauses = self._pauses_anew()
            self._open()
            self.tell("breaker-opened", why=why)

    def hold(self, seconds: float) -> None:
        """Open it for so long, whatever the server does, unless it is released before."""
        if self.is_closed:
            self.opened += 1
        self.is_closed, self._is_probed = False, False
        self._held_until = self._monotonic() + seconds
        self.why = "somebody has ordered it"

    def release(self) -> None:
        """Have the server tried at once, if it is left alone."""
        self._held_until = self._open_until = -inf

    def begin_probe(self) -> int:
        """Let one pass; its number."""
        self._is_probed = True
        self._probe += 1
        return self._probe

    def end_probe(self, probe: int, *, answered: bool) -> None:
        """Close it, or leave it open for longer, if that *probe* was not abandoned."""
        if not self._is_probed or probe != self._probe:
            return
        self._is_probed = False
        if answered:
            self.is_closed, self._failures = True, 0
            self.tell("breaker-closed")
        else:
            self._open()

    def abandon_probe(self) -> None:
        """Note that nobody will hear of the probe, as its event loop or its process has ended."""
        self._is_probed = False

    def _open(self) -> None:
        self.is_closed = False
        self._open_until = self._monotonic() + next(self._pauses)

    def _pauses_anew(self) -> Iterator[float]:
        return doubling(FIRST_PAUSE, LONGEST_PAUSE, self._draw)
