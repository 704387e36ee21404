"""Connections to one server: none is left open where nobody would close it."""

from __future__ import annotations

import asyncio

import pytest

from asgi_cache.stores.redis_client import make_client
from asgi_cache.stores.redis_cluster import make_cluster_client
from asgi_cache.stores.redis_sentinel import make_sentinel_client
from tests.stores.probes import turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool(redis_server):
    """A pool of connections to a server."""
    return make_client("redis", host="127.0.0.1", port=redis_server.port).connection_pool


async def test_what_is_idle_is_closed_with_its_pool(pool):
    """And what is in use can be used until it is given back."""
    idle, used = [await pool.get_connection() for _ in range(2)]
    await pool.release(idle)
    await pool.aclose()
    assert not idle.is_connected
    await used.send_command("PING")
    assert await used.read_response() == b"PONG"
    await pool.release(used)
    assert not used.is_connected


async def test_what_is_connecting_when_its_pool_is_closed(pool):
    """It is closed when it is given back, like what is in use."""
    connecting = asyncio.create_task(pool.get_connection())
    await turns(1)
    await pool.aclose()
    connection = await connecting
    assert connection.is_connected
    await pool.release(connection)
    assert not connection.is_connected


async def test_closing_that_is_cancelled_closes_all_the_same(pool):
    """However early, as a store has only so long for it."""
    connection = await pool.get_connection()
    await pool.release(connection)
    closing = asyncio.create_task(pool.aclose())
    await turns(1)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not connection.is_connected


async def test_nobody_waits_for_the_other_side_to_close(pool, monkeypatch):
    """Who gives back a connection to a pool that is closed has the reply that was waited for."""
    used = [await pool.get_connection() for _ in range(2)]
    await pool.aclose()
    for each in used:
        monkeypatch.setattr(each._writer, "wait_closed", asyncio.Event().wait)
    async with asyncio.timeout(5):
        await asyncio.gather(*map(pool.release, used))
    assert [each.is_connected for each in used] == [False, False]


async def test_a_pool_that_is_closed_keeps_nothing(pool):
    """Who comes late to it is served, but leaves nothing open."""
    await pool.aclose()
    for _ in range(2):
        connection = await pool.get_connection()
        assert connection.is_connected
        await pool.release(connection)
        assert not connection.is_connected


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_client("redis", host="127.0.0.1", port=1),
        lambda: make_cluster_client("redis+cluster", [("127.0.0.1", 1)]),
        lambda: make_sentinel_client("redis+sentinel", [("127.0.0.1", 1)], "primary"),
    ],
    ids=["server", "cluster", "sentinel"],
)
def test_there_is_one_deadline(make):
    """A store gives an operation its time, connecting included; redis-py takes nothing off it."""
    client = make()
    made = client if hasattr(client, "nodes_manager") else client.connection_pool
    settings = made.connection_kwargs
    assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (None, None)
