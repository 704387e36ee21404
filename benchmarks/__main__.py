"""``make bench``: what a hit costs, against a bare app that sends the same body.

No sockets: the ASGI apps are called directly, so that nothing but their own work is measured, and
that in processor time, which other programs disturb less. The two take turns, so that a machine
which slows down slows both; what is reported is the median of the ratios of neighbouring turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import median, quantiles

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache import CacheMiddleware

ROUNDS = 60
REQUESTS = 500
BODY = b"x" * 1024
FIELDS = [
    (b"host", b"example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
]


class BareApp:
    """Sends the same kilobyte each time, and knows how often it did."""

    def __init__(self) -> None:
        self.runs = 0
        self._fields = [(b"content-type", b"text/plain"), (b"content-length", b"1024")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer without looking at the request."""
        self.runs += 1
        await send({"type": "http.response.start", "status": 200, "headers": self._fields})
        await send({"type": "http.response.body", "body": BODY})


class Client:
    """Calls an app as a server does, and counts the bytes of the bodies."""

    def __init__(self) -> None:
        self.received = 0

    async def call(self, app: ASGIApp, times: int) -> float:
        """Make so many requests one after another; the seconds of processor time they took."""
        began = time.process_time()
        for _ in range(times):
            await app(_scope(), self._receive, self._send)
        return time.process_time() - began

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        self.received += len(message.get("body", b""))


def _scope() -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": list(FIELDS),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _measure() -> tuple[Sequence[float], Sequence[float]]:
    """Time both apps in turns; the seconds of processor time of each turn."""
    bare, cached = BareApp(), BareApp()
    cache = CacheMiddleware(cached, rules={"/": "1h"})
    client = Client()
    for app in (bare, cache):
        await client.call(app, REQUESTS)
    turns = [
        (await client.call(bare, REQUESTS), await client.call(cache, REQUESTS))
        for _ in range(ROUNDS)
    ]
    if cached.runs != 1 or client.received != 2 * (ROUNDS + 1) * REQUESTS * len(BODY):
        raise SystemExit("Not every request was a hit with the whole body: nothing was measured.")
    bare_turns, cache_turns = zip(*turns, strict=True)
    return bare_turns, cache_turns


def main() -> None:
    """Print the table."""
    bare, cache = asyncio.run(_measure())
    ratios = [theirs / ours for theirs, ours in zip(bare, cache, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    print(f"1 KB body, memory store, {ROUNDS} turns of {REQUESTS} requests, median, processor time")
    print(f"{'':28}{'requests/s':>12}{'µs/request':>12}")
    for name, turns in (("bare app", bare), ("CacheMiddleware, hit", cache)):
        seconds = median(turns) / REQUESTS
        print(f"{name:28}{1 / seconds:>12,.0f}{seconds * 1e6:>12.1f}")
    print(f"ratio {median(ratios):.3f} (middle half: {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
