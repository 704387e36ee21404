"""``make flood``: 100,000 URLs and 10,000 variants that come once, beside a few that come often.

One request in eleven is for one of the hundred. Written down are how many of those were hits,
what the process takes of memory while the flood goes on, and what one user's flood costs another.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple

from asgi_cache import CacheMiddleware
from benchmarks.flood import one_user
from benchmarks.memory.apart import resident_now
from benchmarks.named import named
from tests.bare import App, Response, ask
from tests.redis_server import running_redis

RESULTS: Final = Path(__file__).parents[1] / "results"
BUDGET: Final = "16mb"
HOT: Final = 100
EVERY: Final = 10
"""Requests of the flood for each one that is for what is asked for often."""
URLS: Final = 100_000
VARIANTS: Final = 10_000
LOOKS: Final = 10
"""Times that the memory is looked at."""
RULES: Final = {"/**": {"ttl": "1h", "public": True}}
MEGABYTE: Final = 2**20


class Asked(NamedTuple):
    """One request."""

    target: str
    fields: Mapping[str, str] = {}


class Found(NamedTuple):
    """What came of one flood."""

    title: str
    requests: int
    often: int
    """How many of them were for what is asked for often."""
    hits: int
    """How many of those were answered from the store."""
    megabytes: list[float]
    """What the process took, while the flood went on."""

    @property
    def growth(self) -> float:
        """Megabytes by which it grew in the second half."""
        half = self.megabytes[len(self.megabytes) // 2 :]
        return half[-1] - half[0]


def main() -> None:
    """Measure, print the table and write the results."""
    with running_redis() as server:
        found = asyncio.run(_measure(server.url))
    shared = asyncio.run(one_user.beside_a_flood())
    text = f"{table(found)}\n{one_user.table(shared)}"
    sys.stdout.write(text)
    (RESULTS / "flood.md").write_text(text)
    report = {"floods": named(found), "one user's": named(shared)}
    (RESULTS / "flood.json").write_text(json.dumps(report, indent=1) + "\n")


async def _measure(url: str) -> list[Found]:
    stores = {
        "memory": f"memory://?max={BUDGET}",
        "copies of Redis": f"{url}?timeout=5s&local={BUDGET}",
    }
    found: list[Found] = []
    for name, store in stores.items():
        found.append(await _flood(f"{URLS:,} URLs, {name}", store, _urls(), URLS))
        found.append(await _flood(f"{VARIANTS:,} variants, {name}", store, _variants(), VARIANTS))
    return found


def _urls() -> Iterator[Asked]:
    return (Asked(f"/flood/{number}?cb={number * 7}") for number in range(URLS))


def _variants() -> Iterator[Asked]:
    return (Asked("/varied", {"X-Kind": str(number)}) for number in range(VARIANTS))


async def _flood(title: str, store: str, requests: Iterator[Asked], count: int) -> Found:
    app = App(Response(b"x" * 1000, {"Vary": "X-Kind"}))
    cache = CacheMiddleware(app, store=store, rules=RULES, namespace=f"flood-of-{count}")
    hot = [f"/hot/{number}" for number in range(HOT)]
    for target in hot * 3:
        await ask(cache, target)
    often, hits, megabytes, hottest = 0, 0, list[float](), cycle(hot)
    for number, asked in enumerate(requests):
        if number % EVERY == 0:
            answer = await ask(cache, next(hottest))
            often, hits = often + 1, hits + (answer.cache_status == "asgi-cache; hit")
        await ask(cache, asked.target, asked.fields)
        app.scopes.clear()
        if (number + 1) % (count // LOOKS) == 0:
            megabytes.append(resident_now() / MEGABYTE)
    await cache.cache.close()
    return Found(title, count + often, often, hits, megabytes)


def table(found: list[Found]) -> str:
    """Lay out a Markdown table."""
    head = ("flood", "hits of what is asked for often", "MB after each tenth", "in the second half")
    lines = ["# Floods", "", f"| {' | '.join(head)} |", "| --- | --: | --- | --: |"]
    for each in found:
        share = f"{100 * each.hits / each.often:.2f} % of {each.often:,}"
        memory = " ".join(f"{megabytes:.0f}" for megabytes in each.megabytes)
        lines.append(f"| {each.title} | {share} | {memory} | {each.growth:+.1f} MB |")
    note = (
        f"Each response has 1 kB, the store a budget of {BUDGET}. {HOT} URLs are asked for often: "
        f"one request in {EVERY + 1} is for the next of them. The memory is that of the process."
    )
    return "\n".join([*lines, "", note, ""])


if __name__ == "__main__":
    main()
