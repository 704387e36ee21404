"""The proxy of the tests: what a client notices of each fault."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.proxy import (
    OTHER_REPLIES,
    answered,
    crumbled,
    garbage,
    late,
    proxied,
    reset,
    swallow,
)
from tests.redis_server import free_port, redis_server

__all__ = ["redis_server"]

pytestmark = pytest.mark.anyio

LONG = b"x" * 100_000


@pytest.fixture
async def proxy(redis_server, anyio_backend):
    redis_server.empty()
    async with proxied(redis_server.port) as made:
        yield made


@pytest.fixture
async def client(proxy):
    """A client that has stored something by way of the proxy."""
    retry = Retry(NoBackoff(), 0)
    async with Redis.from_url(proxy.url, retry=retry, protocol=2, max_connections=1) as made:
        await made.set("key", LONG)
        yield made


async def test_nothing_is_changed(client):
    """Until there is a fault, a client does not notice the proxy."""
    assert await client.get("key") == LONG


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(late(0.02), id="late"),
        pytest.param(crumbled(Random(1), 9, 0.002), id="in-pieces"),
    ],
)
async def test_slow_replies_are_complete(proxy, client, fault):
    """What is late is not wrong."""
    proxy.on_reply = fault
    assert await client.get("key") == LONG


async def test_reset(proxy, client):
    """A connection is lost in the middle of a reply."""
    proxy.on_reply = reset
    with pytest.raises(RedisConnectionError):
        await client.get("key")
    proxy.heal()
    assert await client.get("key") == LONG


async def test_garbage(proxy, client):
    """What comes in place of a reply is none, or another's; no connection outlives it."""
    proxy.on_reply = garbage(Random(1))
    for _ in range(4 * len(OTHER_REPLIES)):
        try:
            assert await client.ping() is not True
        except RedisError:
            await client.connection_pool.disconnect()
    proxy.heal()
    await client.connection_pool.disconnect()
    assert await client.get("key") == LONG


async def test_swallowed(proxy, client):
    """Nobody answers, and what was asked meanwhile is not answered later."""
    proxy.on_reply = swallow
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.get("key"), 0.05)
    reading = asyncio.create_task(client.get("key"))
    await asyncio.sleep(0.05)
    proxy.heal()
    with pytest.raises(RedisConnectionError):
        await reading


async def test_answered(proxy, client):
    """Each command is answered in the server's place, however many come at once."""
    proxy.on_request = answered(b"-LOADING Redis is loading the dataset in memory\r\n")
    with pytest.raises(BusyLoadingError):
        await client.get("key")
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"*1\r\n$4\r\nPING\r\n" * 3)
    for _ in range(3):
        assert (await reader.readline()).startswith(b"-LOADING")
    writer.write(b"\x00 no command\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_refused(proxy, client):
    """Who is connected is cut off, and nobody is let in until it listens again."""
    proxy.refuse()
    with pytest.raises(RedisConnectionError):
        await client.get("key")
    await proxy.listen()
    assert await client.get("key") == LONG


async def test_no_server(anyio_backend):
    """Where there is no server, the connection is closed at once."""
    async with proxied(free_port()) as proxy, Redis.from_url(proxy.url) as client:
        with pytest.raises(RedisConnectionError):
            await client.ping()
