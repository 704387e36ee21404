"""What stands between a request and a server in trouble: a deadline, retries and a breaker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from asgi_cache.backoff import full_jitter
from asgi_cache.errors import CircuitOpen, StoreRefused, StoreTimeout, StoreUnavailable
from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.stats import FAILURES, NOT_TRIED, MemoryStats, ServerStats
from asgi_cache.stores.breaker import Breaker
from asgi_cache.stores.redis_client import LOST, within

T = TypeVar("T")

RETRIES: Final = 2
"""Times that something is sent once more over another connection, if the first one broke."""

FIRST_PAUSE: Final = 0.004
"""Seconds before the first of them, at most."""


class Guard:
    """Keeps each operation on a server within *timeout* seconds, and off one that is down."""

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.timeout: float = timeout
        self.breaker: Breaker = Breaker(monotonic)
        self._monotonic = monotonic
        self.operations: int = 0
        """What was tried."""
        self.failures: dict[str, int] = dict.fromkeys(FAILURES, 0)
        self.seconds: Histogram = Histogram()
        """How long that took which was answered."""

    def admit(self) -> None:
        """Let something be asked.

        Raises:
            CircuitOpen: It is not to be.
        """
        if not self.breaker.is_closed:
            self.failures[NOT_TRIED] += 1
            raise CircuitOpen(f"the store is left alone since it failed: {self.breaker.why}")

    async def run(
        self,
        operation: Callable[[], Awaitable[T]],
        seconds: float | None = None,
    ) -> T:
        """Do *operation*, and do it again if its connection breaks, all within the deadline.

        That is *seconds* away, if it is not the usual one.

        Raises:
            CircuitOpen: It was not tried.
            StoreRefused: The server refused it, and so is there.
            StoreUnavailable: It failed, or took longer.
        """
        self.admit()
        began_at = self._monotonic()
        self.operations += 1
        try:
            result = await within(seconds or self.timeout, _repeated(operation))
        except StoreRefused:
            self.failures["refused"] += 1
            raise
        except StoreUnavailable as error:
            self.failures["timeout" if isinstance(error, StoreTimeout) else "lost"] += 1
            self.breaker.note_failure(began_at, str(error))
            raise
        took = self._monotonic() - began_at
        self.seconds.note(took)
        if took <= self.timeout:  # later than that helps no request
            self.breaker.note_success()
        return result

    async def probe(
        self, operation: Callable[[], Awaitable[object]], seconds: float | None = None
    ) -> None:
        """Try whether a server answers again that was left alone."""
        if self.breaker.is_held:
            return
        probe = self.breaker.begin_probe()
        answered = False
        try:
            await within(seconds or self.timeout, operation())
            answered = True
        except StoreUnavailable:
            pass
        finally:
            self.breaker.end_probe(probe, answered=answered)

    def stats(
        self, corrupt: int, forged: int, unacknowledged: int, memory: MemoryStats | None = None
    ) -> ServerStats:
        """Return what it has counted, with what its store has."""
        return ServerStats(
            operations=self.operations,
            failures=dict(self.failures),
            seconds=self.seconds.copy(),
            breaker=self.breaker.state.value,
            opened=self.breaker.opened,
            corrupt=corrupt,
            forged=forged,
            unacknowledged=unacknowledged,
            memory=memory,
        )


async def _repeated(operation: Callable[[], Awaitable[T]]) -> T:
    left: Iterator[float] | None = None
    while True:
        try:
            return await operation()
        except LOST:
            left = left or full_jitter(FIRST_PAUSE, RETRIES)
            pause = next(left, None)
            if pause is None:
                raise
            await asyncio.sleep(pause)
