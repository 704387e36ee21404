"""Whose app is asked while Redis is in trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.faults.threads import in_thread
from benchmarks.peers.candidates import CANDIDATES
from benchmarks.peers.environments import prepare
from benchmarks.speed.order import Order
from benchmarks.speed.server import serving

SIZE: Final = 1024
"""Bytes of what the app answers, about."""
SECONDS: Final = 0.005
"""That it takes."""

_CANDIDATES = {candidate.name: candidate for candidate in CANDIDATES}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A cache, in front of the app."""

    title: str
    peer: str
    """Its name on PyPI."""
    cached: str
    alone: str
    """The functions that make the app with it and without, as ``module:name``."""
    options: str = ""
    """Of the store's URL."""

    @property
    def is_ours(self) -> bool:
        """Whether it can do more than one server."""
        return not _CANDIDATES[self.peer].version

    @property
    def version(self) -> str:
        """The release; nothing for what runs from its sources."""
        return _CANDIDATES[self.peer].version

    def orders(self, url: str) -> tuple[Order, Order]:
        """Return what the servers with the cache and without it are told."""
        options = f"{'&' if '?' in url else '?'}{self.options}" if self.options else ""
        return (
            Order(self.cached, SIZE, redis=url + options, seconds=SECONDS),
            Order(self.alone, SIZE, seconds=SECONDS),
        )


def _ours(title: str, options: str = "") -> Contestant:
    module = "benchmarks.faults.ours"
    return Contestant(title, "asgi-cache", f"{module}:cached", f"{module}:alone", options)


def _peer(name: str) -> Contestant:
    adapters = "benchmarks.faults.adapters"
    module = f"{adapters}.{name.replace('-', '_')}"
    return Contestant(name, name, f"{module}:cached", f"{adapters}.on_fastapi:alone")


CONTESTANTS: Final = {
    "ours": _ours("asgi-cache"),
    "ours-without-copies": _ours("asgi-cache, `local=0`", "local=0"),
    "fastapi-cache2": _peer("fastapi-cache2"),
    "cashews": _peer("cashews"),
}


@asynccontextmanager
async def served(contestant: Contestant, url: str) -> AsyncIterator[tuple[int, int]]:
    """Serve the app with the cache and without it; the ports."""
    python = prepare(_CANDIDATES[contestant.peer])
    with_cache, alone = contestant.orders(url)
    async with (
        in_thread(serving(with_cache, python=python)) as one,
        in_thread(serving(alone, python=python)) as other,
    ):
        yield one.port, other.port
