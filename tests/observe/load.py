"""Ten thousand requests over twenty routes, and what their headers say became of them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from http_sf import parse

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Clock, Response, ask

LOAD = 10_000
ROUTES = 20
NO_CACHE = [("Cache-Control", "no-cache")]
SECRET = Response(fields=[("Cache-Control", "private")])
TAGGED = Response(fields=[("ETag", '"1"')])


def answer(scope):
    """Answer for one user alone where the path says so."""
    return SECRET if scope["path"].startswith("/private") else TAGGED


def after_the_load():
    """Return a cache, and what it was asked and has said by route."""
    draw, clock = random.Random(2026), Clock()
    rules = {f"/r{n}/{{id}}": {"ttl": 30, "stale_while_revalidate": 10} for n in range(ROUTES - 2)}
    rules |= {"/never/{id}": None, "/private/{id}": 30}

    async def main():
        cache = Cache(store=MemoryStore(clock=clock), rules=rules, clock=clock)
        app, asked, said = CacheMiddleware(App(answer), cache=cache), Counter(), Counter()
        for _ in range(LOAD):
            pattern = draw.choice([*rules])
            fields = draw.choice([(), (), (), NO_CACHE, [("If-None-Match", '"1"')]])
            got = await ask(app, pattern.replace("{id}", str(draw.randrange(20))), fields)
            asked[pattern] += 1
            said[pattern, result_in(got), got.status] += 1
            clock.advance(draw.random() / 2)
        await cache.close()
        return cache, asked, said

    return asyncio.run(main())


def result_in(answer):
    """Read off the header what became of a request."""
    if "cache-status" not in answer:
        return "passed"
    ((_, said),) = parse(answer["cache-status"].encode(), tltype="list")
    if "hit" in said:
        return "hit" if said["ttl"] >= 0 else "stale"
    return "miss" if "stored" in said else "uncacheable"
