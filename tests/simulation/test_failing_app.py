"""An app that fails for minutes under load: stale answers, and hardly a request to the app."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from random import Random

import pytest

from asgi_cache.cache import Cache
from asgi_cache.middleware import CacheMiddleware
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.tiered import TieredStore
from asgi_cache.throttle import WINDOW
from tests.bare import Response, no_body, scope_of
from tests.simulation.client import SimulatedClient
from tests.simulation.network import SimulatedNetwork
from tests.simulation.server import SimulatedServer
from tests.simulation.virtual_time import run, wall_clock

SECONDS = min(600, 30 * int(os.environ.get("SIMULATION_SCALE", "1")))
"""How long the app fails: ten minutes, where more is tried."""

RATE = 1000
"""Requests in a second."""

PATHS = ("/a", "/b")
RULES = {"/**": {"ttl": 1, "stale_if_error": 3600}}


class FailingApp:
    """Answers once for each path; then it raises or answers 503, and takes its time for it."""

    def __init__(self):
        self.asked_at = {path: [] for path in PATHS}

    async def __call__(self, scope, receive, send):
        asked_at = self.asked_at[scope["path"]]
        asked_at.append(asyncio.get_running_loop().time())
        if len(asked_at) == 1:
            await Response(b"good").send_to(scope, send)
            return
        await asyncio.sleep(0.05)
        if len(asked_at) % 2:
            raise ZeroDivisionError
        await Response(b"bad", status=503).send_to(scope, send)


class Answers:
    """Counts what clients were sent."""

    def __init__(self):
        self.good = 0
        self.others = []

    async def ask(self, app, path):
        """Send one request."""

        async def send(message):
            if message["type"] == "http.response.start":
                status.append(message["status"])
            elif message["body"] == b"good" and status == [200]:
                self.good += 1
            else:
                self.others.append((status, message))

        status = []
        await app(scope_of("GET", path, ()), no_body, send)


def _middleware(app):
    network = SimulatedNetwork(SimulatedServer(), Random(0))
    network.latencies = {(0.0001, 0.002): 1}
    shared = RedisStore(
        lambda: SimulatedClient(network),
        namespace="test",
        monotonic=asyncio.get_running_loop().time,
    )
    store = TieredStore(shared, clock=wall_clock)
    return CacheMiddleware(app, cache=Cache(store=store, rules=RULES, clock=wall_clock))


async def _load(app, seconds):
    """Send requests at a steady rate."""
    answers, middleware = Answers(), _middleware(app)
    for path in PATHS:
        await answers.ask(middleware, path)
    await asyncio.sleep(2)
    async with asyncio.TaskGroup() as tasks:
        for number in range(RATE * seconds):
            tasks.create_task(answers.ask(middleware, PATHS[number % 2]))
            await asyncio.sleep(1 / RATE)
    await middleware.cache.close()
    return answers


@pytest.mark.timeout(600)
def test_a_failing_app_is_asked_once_in_a_while_and_nobody_notices(caplog):
    """Everybody is served stale, and the app is asked once in each window for each key."""
    caplog.set_level("CRITICAL", "asgi_cache")
    app = FailingApp()
    answers = run(_load(app, SECONDS), seed=0)
    assert answers.others == []
    assert answers.good == RATE * SECONDS + len(PATHS)
    for asked_at in app.asked_at.values():
        assert len(asked_at) >= SECONDS / (WINDOW + 1)
        assert all(second - first >= WINDOW for first, second in pairwise(asked_at[1:]))
