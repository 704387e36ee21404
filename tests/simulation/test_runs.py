"""Whole runs: they repeat, they can be drawn by Hypothesis, and a store notices nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.redis_client import exchange
from tests.simulation.client import SimulatedClient
from tests.simulation.network import SimulatedNetwork
from tests.simulation.server import SimulatedServer
from tests.simulation.virtual_time import run
from tests.stores.records import KEY, RESPONSE, RecordingReader

PING = (b"PING",)
BLOCKED = (b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$")
ADD = (b"XADD", b"s", b"*", b"field", b"value")


def _trace(seed):
    """Let several clients do this and that over a bad network, and return what came of it."""

    async def work(client, draw, results):
        for _ in range(20):
            key = b"%d" % draw.randint(0, 3)
            commands = draw.choice(([(b"SET", key, key), (b"GET", key)], [ADD], [BLOCKED]))
            try:
                async with asyncio.timeout(draw.random()):
                    results.append(await exchange(client, commands))
            except (RedisConnectionError, TimeoutError) as error:
                results.append(repr(error))

    async def main():
        draw, results = Random(seed), []
        network = SimulatedNetwork(SimulatedServer(), draw)
        network.request_loss = network.reply_loss = 0.1
        clients = [SimulatedClient(network, max_connections=2) for _ in range(3)]
        async with asyncio.TaskGroup() as tasks:
            for client in clients * 3:
                tasks.create_task(work(client, draw, results))
        return results, network.server.executed

    return run(main(), seed=seed)


def test_the_same_seed_gives_the_same_run():
    """All that happens, and when, follows from the seed."""
    first = _trace(1)
    keep = [object() for _ in range(1000)]
    assert _trace(1) == first
    assert _trace(2) != first
    assert keep


@given(draw=st.randoms(use_true_random=False))
def test_hypothesis_can_draw(draw):
    """What a network draws can be Hypothesis's, which then shrinks it."""

    async def main():
        network = SimulatedNetwork(SimulatedServer(), draw)
        network.request_loss = 0.5
        with suppress(RedisConnectionError):
            assert await exchange(SimulatedClient(network), [PING, PING]) == [b"PONG"] * 2
        assert len(network.server.executed) <= 2

    run(main(), seed=0)


def test_a_store_works_over_it():
    """A store that is given such a client stores, finds, and hears of another store's purges."""

    async def open_store(network, reader):
        store = RedisStore(lambda: SimulatedClient(network), namespace="test", timeout=10)
        store.follow(reader)
        return store

    async def main():
        network = SimulatedNetwork(SimulatedServer(), Random(0))
        network.latencies = {(0.001, 0.001): 1}
        readers = [RecordingReader(), RecordingReader()]
        one, other = [await open_store(network, reader) for reader in readers]
        await one.put(KEY, RESPONSE, 60)
        found = await other.get(KEY)
        await one.append(["tag:x"])
        await other.get(KEY)
        await asyncio.sleep(60)
        gone = await other.get(KEY)
        await one.close()
        await other.close()
        await asyncio.sleep(1)
        return found, gone, [reader.tags for reader in readers], network.links

    tags = [("tag:x",)]
    found, gone, told, links = run(main(), seed=0)
    assert (found, gone) == (RESPONSE, None)
    assert [list(map(tuple, each)) for each in told] == [tags, tags]
    assert links == []
