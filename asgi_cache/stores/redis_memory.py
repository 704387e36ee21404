"""What servers say of their memory: asked for in the background, and only if somebody asks."""

from __future__ import annotations

import asyncio
import re
import time
from asyncio import Task
from collections.abc import Callable
from math import inf
from typing import Any, Final

from redis.exceptions import ResponseError

from asgi_cache.errors import StoreUnavailable
from asgi_cache.observe.stats import MemoryStats
from asgi_cache.stores.redis_client import Command, within
from asgi_cache.stores.redis_link import Link
from asgi_cache.stores.redis_servers import Servers

PERIOD: Final = 15.0
"""Seconds between two questions at least."""

QUESTIONS: Final[tuple[Command, ...]] = ((b"INFO", b"memory"), (b"INFO", b"stats"))

_LINE: Final = re.compile(rb"^(used_memory|maxmemory|evicted_keys):(\d+)\r?$", re.MULTILINE)


class Memory:
    """Knows what the servers last said; no request waits for it, and no breaker hears of it."""

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._monotonic = monotonic
        self._asked_at = -inf
        self._asking: Task[None] | None = None
        self._said: MemoryStats | None = None

    def latest(self, link: Link | None) -> MemoryStats | None:
        """Return what was last said, and ask again by *link* if that is some time ago.

        So the first who wants to know it is told nothing yet.
        """
        if link is not None and self._is_due(link):
            self._asked_at = self._monotonic()
            self._asking = link.begin(self._ask(link.servers))
        return self._said

    def _is_due(self, link: Link) -> bool:
        if link.is_closing or self._monotonic() < self._asked_at + PERIOD:
            return False
        try:
            return link.loop is asyncio.get_running_loop() and link.is_here
        except RuntimeError:  # there is no loop in which to ask
            return False

    async def _ask(self, servers: Servers) -> None:
        try:
            replies = await within(self._timeout, servers.everywhere(QUESTIONS))
        except StoreUnavailable:
            self._said = None
        else:
            self._said = _sum_of(replies)


def _sum_of(replies: list[list[Any]]) -> MemoryStats | None:
    """Add up what the servers said; nothing unless each of them has said all of it."""
    every: list[dict[bytes, bytes]] = []
    for own in replies:
        if any(isinstance(reply, ResponseError) for reply in own):
            return None
        every.append(dict(_LINE.findall(b"\n".join(own))))
    try:
        used, limit, evicted = (
            sum(int(said[name]) for said in every)
            for name in (b"used_memory", b"maxmemory", b"evicted_keys")
        )
    except KeyError:
        return None
    return MemoryStats(used, limit, evicted)
