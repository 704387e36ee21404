"""How a process begins and ends: warmed at first, and nothing left behind."""

from __future__ import annotations

import gc
import time

import anyio
import pytest
from redis import Redis
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from asgi_cache import Cache, CacheMiddleware
from tests.processes.clients import FOREVER, ask

WARM = ["/value/one", "/value/two?page=2"]
STORED = {"Cache-Control": "only-if-cached"}
"""A request that nothing but a stored response can answer."""


async def value(request):
    """Return what no other resource does."""
    return PlainTextResponse(request.url.path)


@pytest.fixture(params=["redis", "redis-without-copies", "memory"])
def store(request, servers):
    """Where it is stored."""
    servers[0].empty()
    url = servers[0].url + "?timeout=5s&client_name=lifespan"
    return {"redis": url, "redis-without-copies": url + "&local=0"}.get(request.param, "memory://")


def connections(server, name):
    """Return how many connections of that name a Redis has."""
    with Redis(port=server.port, decode_responses=True) as client:
        return sum(each["name"] == name for each in client.client_list())


def until(condition):
    """Wait until something is so."""
    deadline = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("added", [False, True], ids=["wrapped", "added"])
def test_an_app_is_started_twice(servers, store, added):
    """Each time what the settings list is stored, and in the end every connection is closed."""
    app = Starlette(routes=[Route("/value/{name}", value)])
    cache = Cache(store=store, rules={"/**": 600}, warm=WARM, base_url="http://testserver")
    if added:
        app.add_middleware(CacheMiddleware, cache=cache)
    served = app if added else CacheMiddleware(app, cache=cache)
    for _ in range(2):
        with TestClient(served) as client:
            for url in WARM:
                until(lambda: client.get(url, headers=STORED).status_code == 200)  # noqa: B023
            assert "hit" in client.get(WARM[0]).headers["cache-status"].split("; ")
            assert "fwd=uri-miss" in client.get("/value/three").headers["cache-status"]
            assert store == "memory://" or connections(servers[0], "lifespan")
        assert not connections(servers[0], "lifespan")
        servers[0].empty()
    gc.collect()  # what was forgotten is complained of by whoever finds it


@pytest.mark.anyio
async def test_a_process_is_warmed_and_ends_without_a_word(begin, database):
    """Nothing is written but what somebody has to know."""
    database.set("value:warmed", "warm")
    worker = begin(warm="/value/warmed")
    with anyio.fail_after(FOREVER):
        while not await is_stored(worker, "/value/warmed"):  # noqa: ASYNC110 - it tells nobody
            await anyio.sleep(0.01)
    worker.stop()
    assert worker.said == ""


async def is_stored(worker, path):
    """Return whether a process can answer without the app."""
    answer = await ask(worker, path, **STORED)
    return (answer.status, answer.text) == (200, "warm")
