"""One user asks for what nobody asks for again, and what another one finds of their own then."""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

from asgi_cache import CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Clock, Response, ask

BYTES: Final = 16 * 2**20
URLS: Final = 1000
SKEW: Final = 0.8
"""Of how often the other user asks for each of these URLs (Zipf's law)."""
PER_SECOND: Final = 50
"""Requests of that user."""
FLOOD: Final = 500
"""Requests of the flooding one in the same time."""
SECONDS: Final = 60
UNCOUNTED: Final = 20
"""Of them the first ones, in which the store fills."""
ALONE: Final = "no flood"
UNLIMITED: Final[dict[str, Any]] = {"max_user_fills": None}
CASES: Final[dict[str, dict[str, Any]]] = {
    ALONE: UNLIMITED,
    "no limit": UNLIMITED,
    "`max_fills = 100` alone": UNLIMITED | {"max_fills": 100},
    "`max_user_fills = 100`, the default": {},
}


class Shared(NamedTuple):
    """What the other user found."""

    title: str
    requests: int
    hits: int


async def beside_a_flood() -> list[Shared]:
    """Measure each of the cases; their time is a clock's that is moved."""
    return [await _beside(title, rule) for title, rule in CASES.items()]


async def _beside(title: str, rule: dict[str, Any]) -> Shared:
    clock, app, random = Clock(), App(Response(b"x" * 1000)), Random(1)  # noqa: S311
    store = MemoryStore(BYTES, clock=clock)
    cache = CacheMiddleware(app, store=store, clock=clock, rules={"/**": {"ttl": "1h"} | rule})
    weights = list(accumulate((number + 1) ** -SKEW for number in range(URLS)))
    targets = random.choices(range(URLS), cum_weights=weights, k=PER_SECOND * SECONDS)
    each, flood, hits = FLOOD // PER_SECOND, 0, 0
    for number, target in enumerate(targets):
        clock.advance(1 / PER_SECOND)
        for _ in range(each if title != ALONE else 0):
            flood += 1
            await ask(cache, f"/flood/{flood}", {"Authorization": "one"})
        answer = await ask(cache, f"/{target}", {"Authorization": "another"})
        app.scopes.clear()
        if number >= PER_SECOND * UNCOUNTED:
            hits += "; hit" in answer.cache_status
    await cache.cache.close()
    return Shared(title, PER_SECOND * (SECONDS - UNCOUNTED), hits)


def table(found: list[Shared]) -> str:
    """Lay out a Markdown table."""
    head = ["## One user's flood", "", "| | hits of another user |", "| --- | --: |"]
    rows = [f"| {each.title} | {100 * each.hits / each.requests:.1f} % |" for each in found]
    note = (
        f"One user asks {FLOOD} times a second for a URL of 1 kB that is never asked for again, "
        f"another {PER_SECOND} times for one of {URLS:,}. The store has 16 MB; both have "
        "partitions of their own under one rule."
    )
    return "\n".join([*head, *rows, "", note, ""])
