"""What the simulated server does that cannot be compared with a real one."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ResponseError

from tests.simulation.server import Session, SimulatedServer
from tests.simulation.virtual_time import EPOCH, run
from tests.simulation.wire import refusal

ENTRY = (b"field", b"value")


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """What the server's clock shows."""
    return Clock()


@pytest.fixture
def server(clock):
    """A server with nothing in it."""
    return SimulatedServer(clock=clock)


async def _perform(server, *command, gone=None):
    gone = gone or asyncio.get_running_loop().create_future()
    return await server.perform(command, Session(), gone)


def test_a_key_expires(server, clock):
    """A key is there until its last millisecond, and its time left is told."""
    server.execute([b"SET", b"k", b"v", b"PX", b"1500"])
    clock.now += 1.5
    assert server.execute([b"PTTL", b"k"]) == 0
    assert server.execute([b"GET", b"k"]) == b"v"
    clock.now += 0.001
    assert server.execute([b"GET", b"k"]) is None
    assert server.execute([b"EXISTS", b"k"]) == 0


def test_storing_anew_ends_an_expiry(server, clock):
    """A key's time is that of the value that was stored last; appending does not change it."""
    server.execute([b"SET", b"k", b"v", b"PX", b"1500"])
    server.execute([b"SET", b"k", b"v"])
    server.execute([b"XADD", b"s", b"1", *ENTRY])
    server.execute([b"PEXPIRE", b"s", b"100"])
    server.execute([b"XADD", b"s", b"2", *ENTRY])
    assert [server.execute([b"PTTL", key]) for key in (b"k", b"s")] == [-1, 100]


def test_ids_come_from_the_clock_and_never_go_back(server, clock):
    """An entry's id is the time; within a millisecond or after a step back, the next one."""
    ids = []
    for now in (1000.0, 1000.0, 999.0, 1000.001):
        clock.now = now
        ids.append(server.execute([b"XADD", b"s", b"*", *ENTRY]))
    assert ids == [b"1000000-0", b"1000000-1", b"1000000-2", b"1000001-0"]


def test_a_blocked_reader_wakes():
    """A reader that waits for news has them at the instant at which they are added."""

    async def main():
        server = SimulatedServer()
        reading = asyncio.create_task(
            _perform(server, b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$")
        )
        await asyncio.sleep(1)
        server.execute([b"SET", b"s", b"something else"])
        server.execute([b"DEL", b"s"])
        await asyncio.sleep(1)
        added = server.execute([b"XADD", b"s", b"*", *ENTRY])
        server.execute([b"FLUSHALL"])
        return added, await reading

    added, read = run(main(), seed=0)
    assert added == b"%d-0" % ((EPOCH + 2) * 1000)
    assert read == [[b"s", [[added, list(ENTRY)]]]]


def test_a_transaction_wakes_readers_at_its_end():
    """A blocked reader sees all that a transaction added, or nothing."""

    async def main():
        server, session = SimulatedServer(), Session()
        reading = asyncio.create_task(
            _perform(server, b"XREAD", b"COUNT", b"5", b"BLOCK", b"0", b"STREAMS", b"s", b"0")
        )
        await asyncio.sleep(0)
        for command in ([b"MULTI"], [b"XADD", b"s", b"1", *ENTRY], [b"XADD", b"s", b"2", *ENTRY]):
            server.execute(command, session)
        assert server.execute([b"EXEC"], session) == [b"1-0", b"2-0"]
        return await reading

    ((_, entries),) = run(main(), seed=0)
    assert [stream_id for stream_id, _ in entries] == [b"1-0", b"2-0"]


def test_a_blocked_reader_gives_up():
    """A reader that finds nothing returns at its timeout, and is forgotten."""

    async def main():
        server = SimulatedServer()
        reply = await _perform(server, b"XREAD", b"BLOCK", b"1500", b"STREAMS", b"s", b"$")
        server.execute([b"XADD", b"s", b"*", *ENTRY])
        return reply, asyncio.get_running_loop().time()

    assert run(main(), seed=0) == (None, 1.5)


def test_nothing_blocks_in_a_transaction(server):
    """A read that would block is answered at once where others wait for the transaction."""
    session = Session()
    server.execute([b"MULTI"], session)
    server.execute([b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"], session)
    assert server.execute([b"EXEC"], session) == [None]


def test_a_script_calls_commands(server):
    """A script is what was registered under its text, with its keys and its arguments."""
    server.scripts[b"copy"] = lambda server, keys, args: [
        server.call(b"SET", keys[1], server.call(b"GET", keys[0]) + args[0])
    ]
    server.execute([b"SET", b"from", b"a value"])
    command = [b"EVAL", b"copy", b"2", b"from", b"to", b" of two parts"]
    assert server.execute(command) == [b"OK"]
    assert server.execute([b"GET", b"to"]) == b"a value of two parts"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param([b"XLEN", b"string"], "WRONGTYPE", id="refused"),
        pytest.param([b"MULTI"], "not allowed from script", id="no-transactions"),
        pytest.param([b"NONESUCH"], "unknown command", id="unknown"),
    ],
)
def test_an_error_ends_a_script(server, command, message):
    """What a command within a script is refused with is the script's reply."""
    server.scripts[b"script"] = lambda server, keys, args: server.call(*command)
    server.execute([b"SET", b"string", b"1"])
    assert message in str(server.execute([b"EVAL", b"script", b"0"]))


def test_a_script_may_refuse(server):
    """A script's own error is its reply, with a code as redis-py shows it."""

    def refuse(server, keys, args):
        raise refusal("ERR not now")

    server.scripts[b"script"] = refuse
    reply = server.execute([b"EVAL", b"script", b"0"])
    assert isinstance(reply, ResponseError)
    assert (reply.args, reply.status_code) == (("not now",), "ERR")


def test_an_unknown_script_is_an_error(server):
    """A script that nobody registered is refused."""
    reply = server.execute([b"EVAL", b"return 1", b"0"])
    assert isinstance(reply, ResponseError)


def test_what_was_executed_is_on_record(server, clock):
    """Each command is noted with the instant at which it arrived."""
    server.execute([b"PING"])
    clock.now += 1
    server.execute([b"GET", b"k"])
    assert server.executed == [(1000, (b"PING",)), (1001, (b"GET", b"k"))]
