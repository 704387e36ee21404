"""The guard: deadlines, retries and what they have to do with the breaker."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from asgi_cache.errors import CircuitOpen, StoreRefused, StoreUnavailable
from asgi_cache.stores.breaker import FAILURES, State
from asgi_cache.stores.guard import RETRIES, Guard
from tests.bare import Clock

pytestmark = pytest.mark.anyio


class Server:
    """Does what it is told, one thing after another, and then answers."""

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        if self.troubles:
            trouble = self.troubles.pop(0)
            if trouble is not None:
                raise trouble
            await asyncio.Event().wait()
        return "answer"


@pytest.fixture
def guard():
    return Guard(0.05)


BROKEN = [RedisConnectionError("reset"), ConnectionResetError(), RuntimeError("closed")]


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
async def test_a_connection_that_breaks_is_not_the_end(guard, error):
    """The same is asked over another one."""
    server = Server(error, error)
    assert await guard.run(server) == "answer"
    assert server.asked == 3


async def test_retries_are_bounded(guard):
    """A server that is not there is not asked for as long as there is time."""
    server = Server(*BROKEN * 3)
    with pytest.raises(StoreUnavailable):
        await guard.run(server)
    assert server.asked == 1 + RETRIES


async def test_a_server_that_hangs_costs_one_deadline(guard):
    """It is not asked twice."""
    server = Server(None)
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.05 s"):
        await guard.run(server)
    assert server.asked == 1


async def test_what_is_refused_is_not_asked_again(guard):
    """A server that refuses is there: it opens nothing."""
    for _ in range(FAILURES + 1):
        server = Server(ResponseError("OOM"))
        with pytest.raises(StoreRefused):
            await guard.run(server)
        assert server.asked == 1
    assert guard.breaker.is_closed


async def opened(guard):
    """Let it fail until its breaker opens."""
    while guard.breaker.is_closed:
        with pytest.raises(StoreUnavailable):
            await guard.run(Server(*BROKEN * 3))


async def test_nothing_passes_an_open_breaker(guard):
    """The server hears nothing."""
    await opened(guard)
    server = Server()
    with pytest.raises(CircuitOpen):
        await guard.run(server)
    assert server.asked == 0


async def test_a_probe_that_is_answered_lets_all_through(guard):
    """One that is not keeps the breaker open; so does one that is stopped."""
    await opened(guard)
    await guard.probe(Server(RedisConnectionError("refused")))
    assert guard.breaker.state is State.OPEN
    probe = asyncio.ensure_future(guard.probe(Server(None)))
    await asyncio.sleep(0)
    assert guard.breaker.state is State.HALF_OPEN
    probe.cancel()
    await asyncio.wait([probe])
    assert guard.breaker.state is State.OPEN
    await guard.probe(Server())
    assert await guard.run(Server()) == "answer"


async def test_an_answer_that_came_too_late_for_a_request_is_no_good_sign():
    """What has more time than a request has says nothing of how requests fare."""
    clock = Clock(0.0)
    guard = Guard(0.05, clock)

    async def slow():
        clock.advance(0.2)
        return "late"

    for _ in range(FAILURES):
        assert guard.breaker.is_closed
        with pytest.raises(StoreUnavailable):
            await guard.run(Server(*BROKEN * 3))
        clock.advance(0.1)
        with suppress(CircuitOpen):
            assert await guard.run(slow, 1.0) == "late"
    assert guard.breaker.state is State.OPEN
