"""A Redis that is away for a while: it is left alone, and hears of all purges when it is back."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from asgi_cache.errors import CircuitOpen, PurgeNotAcknowledged, StoreRefused, StoreUnavailable
from asgi_cache.stores import redis_purges
from asgi_cache.stores.base import Purge
from asgi_cache.stores.breaker import State
from asgi_cache.stores.unacknowledged import NOWHERE
from asgi_cache.stores.urls import open_store
from tests.proxy import late, proxied
from tests.redis_server import free_port, running_redis
from tests.stores.probes import commands_seen, listening, turns
from tests.stores.records import KEY, RESPONSE, RecordingReader

pytestmark = pytest.mark.anyio

BOUND = 0.5
"""Seconds that something with a deadline of 50 ms may take on a busy machine."""


def waiting(store, tag):
    """Let a purge of *tag* wait for the log."""
    store._purges.waiting.add(Purge(NOWHERE, (tag,)))


@asynccontextmanager
async def opened(url, reader=None, options="local=0"):
    """Open a store until the end of a block."""
    store = open_store(f"{url}?{options}", "test")
    store.follow(reader or RecordingReader())
    try:
        yield store
    finally:
        await store.close()


async def fails(store):
    """Ask until the breaker opens."""
    while store.state is State.CLOSED:
        with pytest.raises(StoreUnavailable):
            await store.get(KEY)


async def answers(store):
    """Ask until there is an answer; return it."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await store.get(KEY)
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def recovered(store):
    """Wait until the log has taken what waits for it, without asking for anything."""
    await asyncio.wait([store._link.recovery], timeout=10)
    assert store.unacknowledged == 0


class Silent:
    """A server that accepts connections, says nothing and counts what it is sent."""

    def __init__(self):
        self.bytes = 0
        self.connections = 0

    async def __call__(self, reader, writer):
        self.connections += 1
        while data := await reader.read(65536):
            self.bytes += len(data)


async def test_b04_an_open_breaker_asks_nothing():
    """However much is asked for, the server hears of one probe at a time."""
    silent = Silent()
    async with listening(silent) as url, opened(url) as store:
        await fails(store)
        connections = silent.connections
        for _ in range(200):
            with pytest.raises(CircuitOpen):
                await store.get(KEY)
            with pytest.raises(CircuitOpen):
                await store.put(KEY, RESPONSE, 60)
            with pytest.raises(CircuitOpen):
                await store.claim(KEY, b"token", 60)
        assert silent.connections <= connections + 1
        former = silent.connections
        async with asyncio.timeout(5):
            while silent.connections == former:
                with pytest.raises(CircuitOpen):
                    await store.get(KEY)
                await asyncio.sleep(0.01)
        assert silent.connections == former + 1


async def test_requests_do_not_wait_for_the_probe(server):
    """Whoever asks when it is due is told at once that there is no answer."""
    async with opened(server.url) as store:
        with server.hung():
            await fails(store)
            async with asyncio.timeout(5):
                while store.state is not State.HALF_OPEN:
                    began_at = time.monotonic()
                    with pytest.raises(CircuitOpen):
                        await store.get(KEY)
                    assert time.monotonic() - began_at < 0.04
                    await asyncio.sleep(0.001)
        await answers(store)
        assert store.state is State.CLOSED


@pytest.mark.parametrize("hasty", [True, False])
async def test_a_purge_that_is_not_acknowledged_is_withheld_and_repeated(hasty):
    """It is in the log as soon as there is one, though nobody asks for anything."""
    with running_redis() as server:
        reader, began_at = RecordingReader(), time.monotonic()
        async with opened(server.url, reader) as store:
            await store.get(KEY)
            server.stop()
            with pytest.raises(PurgeNotAcknowledged):
                await store.append(["a"], hasty=hasty)
            with pytest.raises(PurgeNotAcknowledged):
                await store.append(["b", "c"], all_of=True, soft_at=5.0, hasty=True)
            assert (time.monotonic() - began_at < BOUND) is hasty
            assert [purge.tags for purge in reader.withheld] == [("a",), ("b", "c")]
            assert store.unacknowledged == 2
            server.start()
            await recovered(store)
        told = [(purge.tags, purge.all_of, purge.soft_at) for purge in reader.purges if purge.tags]
        assert told == [(("a",), False, None), (("b", "c"), True, 5.0)]
        assert reader.withheld == ()


async def test_a_purge_waits_for_a_server_that_is_back_in_time():
    """Its deadline is longer than that of a look-up, for this."""
    with running_redis() as server:
        reader = RecordingReader()
        async with opened(server.url, reader) as store:
            await store.get(KEY)
            server.stop()
            purging = asyncio.create_task(store.append(["a"]))
            await asyncio.sleep(0.02)
            server.start()
            assert await purging == reader.position
        assert reader.tags[0] == ("a",)
        assert reader.withheld == ()


async def test_purges_that_wait_come_before_anything_is_read(server):
    """Whoever is answered by a server that is back is answered after they were taken."""
    reader = RecordingReader()
    async with opened(server.url, reader, "local=0&timeout=2s") as store:
        await store.put(KEY, RESPONSE, 60)
        waiting(store, "a")
        assert await store.get(KEY) == RESPONSE
        assert (reader.tags, reader.withheld) == ([("a",)], ())


async def test_b11_a_full_server_takes_purges(server):
    """A purge needs a little memory where there is none; hits go on, and writes are refused."""
    reader = RecordingReader()
    async with (
        Redis.from_url(server.url) as admin,
        opened(server.url, reader, "local=0&timeout=5s") as store,
    ):
        await store.get(KEY)
        await store.get(KEY)
        await store.put(KEY, RESPONSE, 60)
        await admin.config_set("maxmemory", 1)
        try:
            for number in range(5):
                await store.append([str(number)], all_of=True, soft_at=1.0)
                with pytest.raises(StoreRefused, match="OutOfMemory"):
                    await store.put(KEY, RESPONSE, 60)
            assert await store.get(KEY) == RESPONSE
            assert store.state is State.CLOSED
        finally:
            await admin.config_set("maxmemory", 0)
    assert reader.tags == [(str(number),) for number in range(5)]


async def test_b10_a_replica_goes_on_answering_while_a_purge_waits(server):
    """What is withheld is known here, so that nothing has to wait for the log to take it."""
    reader = RecordingReader()
    async with (
        Redis.from_url(server.url) as admin,
        opened(server.url, reader, "local=0&timeout=5s") as store,
    ):
        await store.get(KEY)
        await store.put(KEY, RESPONSE, 60)
        await admin.replicaof("127.0.0.1", "1")
        await admin.config_set("replica-serve-stale-data", "yes")
        try:
            with pytest.raises(PurgeNotAcknowledged):
                await store.append(["a"], hasty=True)
            for _ in range(5):
                assert await store.get(KEY) == RESPONSE
            assert [purge.tags for purge in reader.withheld] == [("a",)]
        finally:
            await admin.replicaof("NO", "ONE")
        await recovered(store)
    assert reader.tags == [("a",)]


async def test_purges_that_no_server_took_are_logged_when_the_store_is_closed(caplog):
    """They are lost with the process."""
    async with opened(f"redis://127.0.0.1:{free_port()}") as store:
        for tag in "ab":
            with pytest.raises(PurgeNotAcknowledged):
                await store.append([tag], hasty=True)
    assert "purges were not acknowledged: 2" in caplog.messages


async def test_a_purge_that_cannot_be_written_does_not_wait(server):
    """It would be tried for ever, and nothing else be read before it."""
    async with opened(server.url, options="local=0&timeout=5s") as store:
        with pytest.raises(ValueError, match="surrogates"):
            await store.append(["\ud800"])
        assert (store.unacknowledged, await store.get(KEY)) == (0, None)


async def test_more_purges_than_fit_into_one_try_are_all_delivered():
    """However many wait, and however long each of them is."""
    with running_redis() as server:
        reader = RecordingReader()
        async with opened(server.url, reader) as store:
            await store.get(KEY)
            server.stop()
            tags = [[f"{number}:{tag}" * 10 for tag in range(100)] for number in range(400)]
            for each in tags:
                with pytest.raises(PurgeNotAcknowledged):
                    await store.append(each, hasty=True)
            server.start()
            await recovered(store)
        assert reader.tags == [tuple(each) for each in tags]


async def test_a_store_that_is_closed_delivers_what_waits(server):
    """One try more, as there will be none."""
    reader = RecordingReader()
    async with opened(server.url, reader) as store:
        await store.get(KEY)
        waiting(store, "a")
    assert reader.tags == [("a",)]


async def test_b07_a_reply_that_was_lost_has_no_double_effect(server):
    """What was executed and not heard of is asked again, and comes to the same."""
    async with (
        Redis.from_url(server.url) as admin,
        opened(server.url, options="local=0&timeout=5s&max_connections=1") as store,
    ):
        await store.get(KEY)
        (connection,) = store._link.servers._client.connection_pool._available_connections
        read, lost = connection.read_response, []

        async def lose(*args, **options):
            if not lost:
                lost.append(True)
                await read(*args, **options)
                await connection.disconnect()
                raise ConnectionResetError
            return await read(*args, **options)

        connection.read_response = lose
        await admin.config_resetstat()
        assert await store.claim(KEY, b"token", 60) == b"token"
        assert lost
        assert (await commands_seen(admin))["set"] == 2
        assert await store.claim(KEY, b"other", 60) == b"token"


async def test_a_new_event_loop_does_not_wait_for_the_probe_of_an_old_one():
    """A loop that ended in the middle of a probe leaves nothing half open."""
    port = free_port()
    store = open_store(f"redis://127.0.0.1:{port}?local=0", "test")
    store.follow(RecordingReader())
    await fails(store)
    store._guard.breaker.begin_probe()
    store._link = None
    with pytest.raises(CircuitOpen):
        await store.get(KEY)
    assert store.state is not State.HALF_OPEN
    await store.close()


async def test_closing_does_not_wait_for_a_server_that_hangs(server):
    """What is on its way gets its time, and no more; nothing is left running."""
    before = asyncio.all_tasks()
    async with opened(server.url, options="local=1mb") as store:
        await store.get(KEY)
        with server.hung():
            for _ in range(50):
                await store.put(KEY, RESPONSE, 60)
            with pytest.raises(PurgeNotAcknowledged):
                await store.append(["a"], hasty=True)
            assert (store.state, store.unacknowledged) == (store.shared.state, 1)
            began_at = time.monotonic()
            await store.close()
            assert time.monotonic() - began_at < 2 + BOUND
        assert asyncio.all_tasks() == before


def as_replica(server):
    """Make the server one that refuses writes."""
    with BlockingRedis(port=server.port) as admin:
        admin.replicaof("127.0.0.1", "1")
        admin.config_set("replica-serve-stale-data", "yes")


def as_primary(server):
    """Make it take writes again."""
    with BlockingRedis(port=server.port) as admin:
        admin.replicaof("NO", "ONE")


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_refused_purge_is_repeated_by_whatever_uses_the_store_next(server, is_closed):
    """What would have repeated it has ended, with the store's closing or with its event loop."""
    reader = RecordingReader()
    store = open_store(f"{server.url}?local=0&timeout=5s", "test")
    store.follow(reader)

    async def refused():
        await store.get(KEY)
        as_replica(server)
        with pytest.raises(PurgeNotAcknowledged):
            await store.append(["a"], hasty=True)
        await store.get(KEY)
        if is_closed:
            await store.close()

    async def taken():
        await store.get(KEY)
        async with asyncio.timeout(5):
            await recovered(store)
        await store.close()

    asyncio.run(refused())
    as_primary(server)
    asyncio.run(taken())
    assert reader.tags == [("a",)]


async def test_a_purge_goes_on_when_its_caller_is_cancelled():
    """A deadline of the caller's own must not leave behind what it was to be rid of."""
    reader = RecordingReader()
    with running_redis() as server:
        async with opened(server.url, reader) as store:
            await store.get(KEY)
            with server.hung():
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await store.append(["a"])
                [purging] = store._link.tasks
                await asyncio.wait([purging])
                assert [purge.tags for purge in reader.withheld] == [("a",)]
            await recovered(store)
    assert set(reader.tags) == {("a",)}


def test_a_purge_that_ends_with_its_event_loop_is_repeated_in_the_next_one(server):
    """It is withheld until then."""
    reader = RecordingReader()
    store = open_store(f"{server.url}?local=0&timeout=5s", "test")
    store.follow(reader)

    async def interrupted():
        purging = asyncio.create_task(store.append(["a"]))
        await turns()
        assert not purging.done()

    async def taken():
        assert [purge.tags for purge in reader.withheld] == [("a",)]
        await store.get(KEY)
        await store.close()

    with server.hung():
        asyncio.run(interrupted())
    asyncio.run(taken())
    assert set(reader.tags) == {("a",)}


@pytest.mark.parametrize("is_hasty", [True, False])
async def test_closing_waits_for_purges_that_are_under_way(server, is_hasty, caplog):
    """What the log did not take by then is told, and no connection is opened for it again."""
    before = asyncio.all_tasks()
    async with opened(server.url) as store:
        await store.get(KEY)
        with server.hung():
            purging = asyncio.create_task(store.append(["a"], hasty=is_hasty))
            await turns()
            await store.close()
            with pytest.raises(PurgeNotAcknowledged):
                await purging
            assert "purges were not acknowledged: 1" in caplog.messages
            assert (store._link, asyncio.all_tasks()) == (None, before)


async def test_a_mistake_does_not_end_the_repeating(server, caplog):
    """It is logged, and the purges are tried again."""
    reader = RecordingReader()
    async with opened(server.url, reader) as store:
        await store.get(KEY)
        append, mistakes = store._log.append, [AssertionError("mistake")]

        async def fail_once(*args):
            if mistakes:
                raise mistakes.pop()
            return await append(*args)

        store._log.append = fail_once
        waiting(store, "a")
        store._purges.try_again(store._link)
        await recovered(store)
    assert reader.tags == [("a",)]
    mistake, delivered = caplog.records
    assert (mistake.event, delivered.event) == ("purges-stuck", "purges-delivered")
    assert "AssertionError: mistake" in mistake.exc_text


def test_closing_in_another_event_loop_delivers_what_waits(server, caplog):
    """A script that purges and closes in two calls of its own must not lose a purge."""
    reader = RecordingReader()
    store = open_store(f"{server.url}?local=0", "test")
    store.follow(reader)

    async def refused():
        with pytest.raises(PurgeNotAcknowledged):
            await store.append(["a"], hasty=True)

    with server.hung():
        asyncio.run(refused())
    asyncio.run(store.close())
    assert set(reader.tags) == {("a",)}
    assert store.unacknowledged == 0


def test_an_event_loop_that_is_left_goes_on_to_repeat_its_purges(server):
    """It may be the app's, and the store may have been used elsewhere just once."""
    store = open_store(f"{server.url}?local=0&timeout=5s", "test")
    store.follow(RecordingReader())

    async def refused():
        await store.get(KEY)
        as_replica(server)
        with pytest.raises(PurgeNotAcknowledged):
            await store.append(["a"], hasty=True)

    with asyncio.Runner() as runner:
        runner.run(refused())
        left = store._link
        try:
            asyncio.run(store.get(KEY))
            assert store.unacknowledged == 1
        finally:
            as_primary(server)
        runner.run(asyncio.wait_for(left.recovery, 10))
        assert store.unacknowledged == 0
        asyncio.run(store.close())


async def test_a_deadline_around_closing_stops_no_purge_of_others(server, caplog):
    """Who purges is told that it was not acknowledged, and the log how many are lost."""
    async with opened(server.url) as store:
        await store.get(KEY)
        with server.hung():
            purging = asyncio.create_task(store.append(["a"]))
            await turns()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await store.close()
            with pytest.raises(PurgeNotAcknowledged):
                await purging
            await store.close()
        assert "purges were not acknowledged: 1" in caplog.messages


async def test_a_purge_does_not_wait_for_those_that_wait(server, monkeypatch):
    """A server that takes purges again is found out by the next one, however long the pause."""
    monkeypatch.setattr(redis_purges, "FIRST_REPEAT", 600.0)
    reader = RecordingReader()
    async with opened(server.url, reader, "local=0&timeout=5s") as store:
        await store.get(KEY)
        as_replica(server)
        with pytest.raises(PurgeNotAcknowledged):
            await store.append(["a"], hasty=True)
        with pytest.raises(PurgeNotAcknowledged):
            await store.append(["b"])
        as_primary(server)
        assert await store.append(["c"]) == reader.position
        assert (reader.tags, reader.withheld) == ([("a",), ("b",), ("c",)], ())


async def test_nobody_waits_long_for_a_write_that_does_not_land(server):
    """The shared store has it later; who waits for that may wait as long as for a look-up."""
    async with opened(server.url, options="local=1mb") as store:
        await store.get(KEY)
        with server.hung():
            await store.put(KEY, RESPONSE, 60)
            with pytest.raises(StoreUnavailable, match="not in the shared store yet"):
                await store.landed(KEY)
        async with asyncio.timeout(5):
            await store._writes[KEY].task
        assert await store.shared.get(KEY) == RESPONSE


async def test_a_server_that_is_too_slow_for_requests_is_left_alone(server):
    """It takes the purges that wait, as these have more time, and is not asked by requests."""
    reader = RecordingReader()
    async with proxied(server.port) as proxy, opened(proxy.url, reader) as store:
        await store.get(KEY)
        proxy.on_reply = late(0.1)
        await fails(store)
        waiting(store, "a")
        with pytest.raises(CircuitOpen):
            await store.get(KEY)
        await recovered(store)
        assert (reader.tags, store.state) == ([("a",)], State.OPEN)
        proxy.heal()
        await answers(store)
        assert store.state is State.CLOSED
