"""A process's turn to run the app for a key: of several that miss the same, one has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from secrets import token_bytes

from asgi_cache.backoff import doubling
from asgi_cache.errors import StoreUnavailable
from asgi_cache.holdings import Holdings

TTL = 2.0
"""Seconds after which the lease of a process that died is free."""

WAIT = 5.0
"""Seconds that a process waits for another's run; then it runs the app itself."""

FIRST_LOOK = 0.002
LAST_LOOK = 0.05
"""Seconds between two looks at what another process is doing: at first, and in the end."""

BETWEEN_RELEASES = 0.05, 0.25
"""Seconds between two tries to give up a lease: at first, and in the end."""

MARK = b"-"
"""What is in the place of the token where the response turned out to be for one request alone."""

MARK_TTL = 120.0
"""Seconds for which other processes heed the mark."""


class Turn(Enum):
    """Whose turn it is."""

    OURS = auto()
    ANOTHERS = auto()
    EVERYBODYS = auto()
    """There is nothing to share: the response turned out to be for one request alone."""
    UNKNOWN = auto()
    """The store is out of reach."""


class Unreleased:
    """Leases that this process could not give up, as the store was out of reach.

    It goes on trying until they end by themselves, as others wait for them. It need not wait
    for them itself.
    """

    def __init__(self) -> None:
        self._tokens: dict[bytes, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, name: bytes, token: bytes, release: Callable[[], Awaitable[None]]) -> None:
        """Go on trying to *release* the lease of that *name*, which is held with *token*."""
        self._tokens[name] = token
        task = asyncio.get_running_loop().create_task(self._repeat(name, token, release))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def take_back(self, name: bytes, token: bytes) -> bool:
        """Whether the lease that is held with *token* is one of these; now it is in use again."""
        if self._tokens.get(name) != token:
            return False
        del self._tokens[name]
        return True

    async def _repeat(
        self, name: bytes, token: bytes, release: Callable[[], Awaitable[None]]
    ) -> None:
        clock = asyncio.get_running_loop().time
        ends_at = clock() + TTL
        for pause in doubling(*BETWEEN_RELEASES):
            await asyncio.sleep(pause)
            if clock() >= ends_at or self._tokens.get(name) != token:
                break
            with suppress(StoreUnavailable):
                await release()
                break
        self.take_back(name, token)

    def stop(self) -> None:
        """Leave them to end by themselves; nothing comes of what another event loop has begun."""
        for task in self._tasks:
            if task.get_loop() is asyncio.get_running_loop():
                task.cancel()
        self._tokens.clear()


class Lease:
    """One lease, for one flight; it is prolonged until it is given up."""

    def __init__(self, holdings: Holdings, name: bytes, unreleased: Unreleased) -> None:
        self._holdings = holdings
        self._name = name
        self._unreleased = unreleased
        self._token = token_bytes(8)
        self._ours_until = 0.0
        """Nobody else can have it before."""
        self._may_be_ours = False
        """The store was asked for it, and has not said that another has it."""
        self._timer: asyncio.TimerHandle | None = None
        self._prolonging: asyncio.Task[None] | None = None

    async def take(self) -> Turn:
        """Take the lease, unless another process has it."""
        self._may_be_ours, asked_at = True, asyncio.get_running_loop().time()
        try:
            holder = await self._holdings.claim(self._name, self._token, TTL)
        except StoreUnavailable:
            return Turn.UNKNOWN
        if holder == self._token:
            self._ours_until = asked_at + TTL / 2
            self._prolong_later()
            return Turn.OURS
        if self._unreleased.take_back(self._name, holder):
            self._token = holder
            return await self.take()
        self._may_be_ours = False
        return Turn.EVERYBODYS if holder == MARK else Turn.ANOTHERS

    async def give_up(self, *, marked: bool = False) -> None:
        """Let another process have it; *marked*, let all run the app for themselves."""
        if not self._may_be_ours:
            return
        self._may_be_ours = False
        if self._timer is not None:
            self._timer.cancel()
        if self._prolonging is not None:
            self._prolonging.cancel()
        mark = MARK if marked else None
        is_certain = asyncio.get_running_loop().time() < self._ours_until
        name, token, release = self._name, self._token, self._holdings.release
        try:
            await release(name, None if is_certain else token, mark, MARK_TTL)
        except StoreUnavailable:
            self._unreleased.add(name, token, partial(release, name, token, mark, MARK_TTL))

    def _prolong_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TTL / 3, self._prolong)

    def _prolong(self) -> None:
        self._prolonging = asyncio.get_running_loop().create_task(self._claim_again())
        self._prolong_later()

    async def _claim_again(self) -> None:
        with suppress(StoreUnavailable):  # there is another try before it ends
            await self._holdings.claim(self._name, self._token, TTL)
