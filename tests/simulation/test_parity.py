"""The simulated server and a real one reply alike."""

from __future__ import annotations

import time
from random import Random

import pytest
from redis.exceptions import ResponseError

from asgi_cache.stores.redis_client import make_client
from tests.simulation.commands import COUNTING_SCRIPT, draw_sequence
from tests.simulation.server import Session, SimulatedServer
from tests.simulation.stream_commands import Blocked

pytestmark = pytest.mark.anyio

SEQUENCES = 300


def _server():
    def count(server, keys, arguments):
        return [len(keys), len(arguments), server.call(b"EXISTS", b"a")]

    return SimulatedServer(clock=time.time, scripts={COUNTING_SCRIPT: count})


def _comparable(reply):
    """Make errors comparable, and let a remaining time be any."""
    if isinstance(reply, list):
        return [_comparable(part) for part in reply]
    if isinstance(reply, ResponseError):
        return type(reply), reply.args, reply.status_code
    if isinstance(reply, int) and reply > 1000:
        return "a time"
    return None if isinstance(reply, Blocked) else reply


async def _read(connection):
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


async def _compare(client, server, commands):
    """Send *commands* on a connection of their own, and compare what either server replies."""
    session = Session()
    connection = await client.connection_pool.get_connection()
    await connection.send_packed_command(connection.pack_commands(commands))
    for command in commands:
        expected = _comparable(await _read(connection))
        assert _comparable(server.execute(command, session)) == expected, command
    await connection.disconnect()
    await client.connection_pool.release(connection)


@pytest.fixture
async def client(redis_server, anyio_backend):
    """A client of the real server, which has nothing in it."""
    redis_server.empty()
    client = make_client("redis", port=redis_server.port)
    yield client
    await client.aclose()


async def test_replies_are_those_of_a_real_server(client):
    """Whatever the commands, both servers reply with the same values and the same errors."""
    for seed in range(SEQUENCES):
        commands = draw_sequence(Random(seed))
        await _compare(client, _server(), [[b"FLUSHALL"], *commands])


@pytest.mark.parametrize("approximation", [b"=", b"~"])
async def test_streams_are_trimmed_as_by_a_real_server(client, approximation):
    """Where about a length will do, entries go by the hundred; else one by one."""
    add = [[b"XADD", b"s", b"%d" % number, b"field", b"value"] for number in range(1, 351)]
    length = [b"MAXLEN", approximation, b"160"]
    more = [[b"XADD", b"s", *length, b"%d" % number, b"f", b"v"] for number in range(351, 700)]
    trim, count, read = [b"XTRIM", b"s", *length], [b"XLEN", b"s"], [b"XRANGE", b"s", b"-", b"+"]
    interleaved = [command for one in more for command in (one, count)]
    await _compare(client, _server(), [*add, trim, count, read, *interleaved, read])
