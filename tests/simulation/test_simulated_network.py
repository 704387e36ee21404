"""What can happen between a client and the simulated server."""

from __future__ import annotations

import asyncio
from itertools import pairwise, product
from random import Random

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from asgi_cache.stores.redis_client import exchange, packed
from tests.simulation.client import SimulatedClient
from tests.simulation.network import SimulatedNetwork
from tests.simulation.server import SimulatedServer
from tests.simulation.virtual_time import Deadlock, run

PING = (b"PING",)
STEADY = {(0.001, 0.001): 1}
"""A millisecond for each message."""
BLOCKED = (b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$")
ADD = (b"XADD", b"s", b"*", b"field", b"value")


def _network(*, seed=0, latencies=STEADY):
    network = SimulatedNetwork(SimulatedServer(), Random(seed))
    network.latencies = latencies
    return network


def _now():
    return asyncio.get_running_loop().time()


def _names(network):
    return [command[0] for _, command in network.server.executed]


def test_a_round_trip_takes_its_time():
    """Connecting takes a message each way, and so does an exchange, on the same connection."""

    async def main():
        client = SimulatedClient(_network())
        assert await exchange(client, [PING, (b"GET", b"k")]) == [b"PONG", None]
        first = _now()
        await exchange(client, [PING])
        return first, _now() - first

    assert run(main(), seed=0) == pytest.approx((0.004, 0.002))


def test_errors_are_raised_when_all_was_read():
    """A refused command raises its error, and the connection is used again."""

    async def main():
        network = _network()
        client = SimulatedClient(network)
        with pytest.raises(ResponseError, match="unknown command"):
            await exchange(client, [PING, (b"NONESUCH",), PING])
        assert await exchange(client, [PING]) == [b"PONG"]
        return len(network.links)

    assert run(main(), seed=0) == 1


def test_latencies_vary():
    """Most messages are quick, some take tens of milliseconds, and a few take hundreds."""
    network = SimulatedNetwork(None, Random(0))
    latencies = sorted(network.latency() for _ in range(10_000))
    assert 0.0001 <= latencies[0] <= latencies[9000] <= 0.002
    assert 0.01 <= latencies[9600] <= 0.1 <= latencies[9950] <= 0.9


def test_commands_of_several_connections_interleave():
    """What was sent later by one client may well arrive before what another sent."""

    async def main():
        network = _network(latencies={(0.0001, 0.002): 1})
        clients = [SimulatedClient(network) for _ in range(20)]
        commands = [(b"GET", b"%d" % number) for number in range(20)]
        await asyncio.gather(*map(exchange, clients, [[command] for command in commands]))
        return [command[1] for _, command in network.server.executed]

    order = run(main(), seed=0)
    assert order != sorted(order, key=int)
    assert sorted(order, key=int) == [b"%d" % number for number in range(20)]


def _executed_of_two(split, seed):
    """Let two clients send nine commands each at one instant, and return how they came."""

    async def main():
        network = _network(seed=seed, latencies={(0.0001, 0.002): 1})
        network.split = split
        messages = [[(b"MGET", name, b"%d" % part) for part in range(9)] for name in (b"a", b"b")]
        client = SimulatedClient(network)
        await asyncio.gather(*(exchange(client, [PING]) for _ in messages))
        await asyncio.gather(*(exchange(client, message) for message in messages))
        return [command[1:] for _, command in network.server.executed[2:]]

    return run(main(), seed=0)


@pytest.mark.parametrize(("split", "others_between"), [(0.0, False), (0.5, True)])
def test_a_message_may_arrive_in_parts(split, others_between):
    """Commands that were sent together keep their order; others may come between the parts."""
    orders = [_executed_of_two(split, seed) for seed in range(20)]
    for order, name in product(orders, (b"a", b"b")):
        assert [part for key, part in order if key == name] == [b"%d" % n for n in range(9)]
    switches = [sum(one[0] != other[0] for one, other in pairwise(order)) for order in orders]
    assert (max(switches) > 1) == others_between


def test_a_hung_server_answers_when_it_is_released():
    """Nothing is executed while the server hangs, though connecting works; then all of it is."""

    async def main():
        network = _network()
        client = SimulatedClient(network)
        network.hung = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await exchange(client, [(b"SET", b"k", b"late")])
        assert network.hung
        assert not network.server.executed
        asyncio.get_running_loop().call_later(1, setattr, network, "hung", False)
        return await exchange(client, [(b"GET", b"k")]), _now(), _names(network)

    replies, now, names = run(main(), seed=0)
    assert (replies, names) == ([b"late"], [b"SET", b"GET"])
    assert now == pytest.approx(2.001)


def test_refused_connections():
    """Connecting fails while it is refused, and what is connected stays so."""

    async def main():
        network = _network()
        connected, other = SimulatedClient(network), SimulatedClient(network, max_connections=1)
        await exchange(connected, [PING])
        network.refused = True
        for _ in range(2):
            with pytest.raises(RedisConnectionError, match="refused"):
                await exchange(other, [PING])
        await exchange(connected, [PING])
        network.refused = False
        return await exchange(other, [PING])

    assert run(main(), seed=0) == [b"PONG"]


@pytest.mark.parametrize(
    ("loss", "executed"),
    [
        pytest.param("request_loss", [], id="before-the-server-saw-it"),
        pytest.param("reply_loss", [b"SET", b"GET"], id="before-the-reply"),
    ],
)
def test_a_link_is_lost(loss, executed):
    """The reader learns that the link is lost, but not whether its commands were executed."""

    async def main():
        network = _network()
        network.split = 0
        client = SimulatedClient(network, max_connections=1)
        setattr(network, loss, 1.0)
        with pytest.raises(RedisConnectionError, match="closed"):
            await exchange(client, [(b"SET", b"k", b"v"), (b"GET", b"k")])
        names = _names(network)
        setattr(network, loss, 0.0)
        await exchange(client, [PING])
        await asyncio.sleep(1)
        return names, len(network.links)

    assert run(main(), seed=0) == (executed, 1)


def test_severed_links():
    """Links that are cut fail who reads, are replaced where nobody did, and block nobody."""

    async def main():
        network = _network()
        reader, idle = SimulatedClient(network), SimulatedClient(network)
        await exchange(idle, [PING])
        reading = asyncio.create_task(exchange(reader, [BLOCKED]))
        await asyncio.sleep(1)
        network.sever()
        with pytest.raises(RedisConnectionError, match="closed"):
            await reading
        assert await exchange(idle, [PING]) == [b"PONG"]
        return len(network.links), len(network.server._blocked)

    assert run(main(), seed=0) == (1, 0)


def test_a_blocked_reader_occupies_its_own_connection_only():
    """Others are served while a reader waits, and it is woken by what they add."""

    async def main():
        client = SimulatedClient(_network())
        reading = asyncio.create_task(exchange(client, [BLOCKED]))
        await asyncio.sleep(1)
        (added,) = await exchange(client, [ADD])
        ((((key, entries),)),) = await reading
        return key, [stream_id for stream_id, _ in entries] == [added]

    assert run(main(), seed=0) == (b"s", True)


def test_a_reader_that_leaves_is_forgotten():
    """A connection that is given up amid an exchange is closed; its late reply reaches nobody."""

    async def main():
        network = _network()
        client = SimulatedClient(network, max_connections=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await exchange(client, [BLOCKED])
        replies = await exchange(client, [ADD, PING])
        return replies[1], len(network.links), len(network.server._blocked)

    assert run(main(), seed=0) == (b"PONG", 1, 0)


def test_what_was_sent_is_executed_though_nobody_waits():
    """A command that is on its way arrives, whoever sent it having left."""

    async def main():
        network = _network()
        client = SimulatedClient(network)
        await exchange(client, [PING])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.0005):
                await exchange(client, [(b"SET", b"k", b"v")])
        assert _names(network) == [b"PING"]
        await asyncio.sleep(1)
        return _names(network)

    assert run(main(), seed=0) == [b"PING", b"SET"]


def test_unread_replies_close_a_connection():
    """A connection that is released before all was read is not used again."""

    async def main():
        client = SimulatedClient(_network(), max_connections=1)
        pool = client.connection_pool
        connection = await pool.get_connection()
        await connection.send_packed_command(packed([PING, (b"PING", b"late")]))
        assert await connection.read_response() == b"PONG"
        await pool.release(connection)
        return await exchange(client, [PING])

    assert run(main(), seed=0) == [b"PONG"]


def test_a_pool_is_bounded():
    """Who finds all connections in use waits for one, in turn."""

    async def main():
        network = _network()
        client = SimulatedClient(network, max_connections=2)
        await asyncio.gather(*(exchange(client, [PING]) for _ in range(10)))
        return len(network.links), _now()

    links, now = run(main(), seed=0)
    assert links == 2
    assert now == pytest.approx(0.002 + 5 * 0.002)


def test_a_closed_client_closes_its_connections():
    """Closing ends what is under way, and leaves no link behind."""

    async def main():
        network = _network()
        client = SimulatedClient(network)
        reading = asyncio.create_task(exchange(client, [BLOCKED]))
        await asyncio.sleep(1)
        await client.aclose()
        with pytest.raises(RedisConnectionError, match="closed"):
            await reading
        await asyncio.sleep(1)
        return network.links

    assert run(main(), seed=0) == []


def test_a_defect_of_the_simulation_ends_the_run():
    """An error of the server's own code is none that a client could take for the network's."""

    def fail(server, keys, arguments):
        raise LookupError("a defect")

    async def main():
        network = _network()
        network.server.scripts[b"script"] = fail
        await exchange(SimulatedClient(network), [(b"EVAL", b"script", b"0")])

    with pytest.raises(LookupError, match="a defect"):
        run(main(), seed=0)


def test_a_hang_is_found():
    """Waiting for a server that nobody releases is seen as the deadlock that it is."""

    async def main():
        network = _network()
        network.hung = True
        await exchange(SimulatedClient(network), [PING])

    with pytest.raises(Deadlock, match="main"):
        run(main(), seed=0)
