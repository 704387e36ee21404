"""What the cache costs those who ask at once for what nobody can share with another."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_cache import CacheMiddleware
from benchmarks.coherence.client import App, Client

SECONDS: Final = 0.1
"""That the app takes."""
TIMES: Final = 100
ROUNDS: Final = 40
RULES: Final = {"/**": {"ttl": "1h", "early_refresh": 0}}


class Unshared(NamedTuple):
    """What all of the requests together took, in milliseconds."""

    without: float
    with_cache: float
    ratio: float
    together: int
    """The most runs of the app at the same time."""


class PrivateApp(App):
    """Answers for one client alone, and knows how many runs there were at once."""

    def __init__(self) -> None:
        super().__init__(SECONDS, cache_control="private")
        self.running = self.together = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count."""
        self.running += 1
        self.together = max(self.together, self.running)
        await super().__call__(scope, receive, send)
        self.running -= 1


async def measure(url: str) -> Unshared:
    """Ask with the cache and without in turns; what the first round finds out is not counted."""
    bare, app = PrivateApp(), PrivateApp()
    cache = CacheMiddleware(app, store=url, rules=RULES)
    await _together(cache)
    app.together = 0
    turns = [(await _together(bare), await _together(cache)) for _ in range(ROUNDS)]
    await cache.cache.close()
    without, with_cache = (median(each) * 1e3 for each in zip(*turns, strict=True))
    ratio = median(theirs / ours for ours, theirs in turns)
    return Unshared(round(without, 1), round(with_cache, 1), round(ratio, 3), app.together)


async def _together(asked: ASGIApp) -> float:
    began = time.monotonic()
    await asyncio.gather(*(Client("/private").ask(asked) for _ in range(TIMES)))
    return time.monotonic() - began
