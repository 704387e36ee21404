"""Redis as it fails: what each fault costs, and that it stays within this store's errors."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from asgi_cache.errors import ConfigurationError, StoreUnavailable
from asgi_cache.stores import redis_link
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.urls import open_store
from tests.redis_server import free_port, running_redis
from tests.stores.probes import commands_seen, connections_named, gone, listening, turns
from tests.stores.records import KEY, OTHER_KEY, RESPONSE, RecordingReader, response_under

pytestmark = pytest.mark.anyio

BOUND = 0.5
"""Seconds that an operation with a deadline of 50 ms may take on a busy machine."""


FORMER = response_under(KEY, body=bytes(range(256)) * 4096)
"""A response of 1 MB."""
RENEWED = replace(FORMER, stored_at=FORMER.stored_at + 60)
"""One that was made later, with the same body."""


def followed(url, reader=None):
    """Open a store at *url* that keeps no copies, with no more than a reader."""
    store = open_store(f"{url}{'&' if '?' in url else '?'}local=0", "test")
    store.follow(reader or RecordingReader())
    return store


@asynccontextmanager
async def opened(url, reader=None):
    """The same, until the end of a block."""
    store = followed(url, reader)
    try:
        yield store
    finally:
        await store.close()


OPERATIONS = {
    "get": lambda store: store.get(KEY),
    "put": lambda store: store.put(KEY, RESPONSE, 60),
    "renew": lambda store: store.put(KEY, RENEWED, 60, FORMER),
    "delete": lambda store: store.delete(KEY),
    "claim": lambda store: store.claim(KEY, b"token", 60),
    "release": lambda store: store.release(KEY, b"token", b"mark", 60),
}
ALL_OPERATIONS = {**OPERATIONS, "append": lambda store: store.append(["a"], hasty=True)}


@pytest.mark.parametrize("operation", ALL_OPERATIONS)
async def test_refused_connection(operation):
    """A server that is not there is unavailable at once."""
    async with opened(f"redis://127.0.0.1:{free_port()}") as store:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await ALL_OPERATIONS[operation](store)
        assert time.monotonic() - started < BOUND


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not-connected"])
async def test_hung_server(server, operation, connected):
    """A server that hangs costs one deadline, however many commands an operation has."""
    async with opened(server.url) as store:
        if connected:
            await store.get(KEY)
        with server.hung():
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.05 s"):
                await OPERATIONS[operation](store)
            assert 0.04 < time.monotonic() - started < BOUND


async def test_hung_server_costs_all_waiters_one_deadline(server):
    """Nobody waits for the others' deadlines."""
    async with opened(server.url) as store:
        with server.hung():
            started = time.monotonic()
            lookups = (store.get(bytes([number]) * 16) for number in range(200))
            failures = await asyncio.gather(*lookups, return_exceptions=True)
            assert time.monotonic() - started < BOUND
    assert all(isinstance(failure, StoreUnavailable) for failure in failures)


async def test_late_answer_is_given_to_nobody(server):
    """What is answered after its deadline is not taken for the answer to something else."""
    async with opened(server.url) as store:
        await store.put(KEY, RESPONSE, 60)
        await store.put(OTHER_KEY, response_under(OTHER_KEY), 60)
        with server.hung(), pytest.raises(StoreUnavailable):
            await store.get(KEY)
        assert await store.get(OTHER_KEY) == response_under(OTHER_KEY)
        assert store.corrupt == 0


async def test_server_restart_goes_unnoticed():
    """Connections that the server closed are made again before they are used."""
    with running_redis() as server:
        async with opened(server.url + "?timeout=5s") as store:
            await asyncio.gather(*(store.put(KEY, RESPONSE, 60) for _ in range(5)))
            server.stop()
            server.start()
            await turns()
            assert await store.get(KEY) is None
            await store.put(KEY, RESPONSE, 60)
            assert await store.get(KEY) == RESPONSE


async def _send(writer, data):
    writer.write(data)
    await writer.drain()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"*0\r\n*0\r\n*0\r\n", id="to-another-question"),
        pytest.param(b"$-1\r\n" * 3, id="of-nothing"),
        pytest.param(b":1\r\n" * 3, id="of-numbers"),
        pytest.param(b"$2\r\nOK\r\n" * 3, id="of-strings"),
        pytest.param(b"*1\r\n$2\r\nOK\r\n" * 3, id="of-lists"),
    ],
)
async def test_reply_to_something_else(reply):
    """A mix-up of replies makes a look-up fail, and nothing else of it."""

    async def answer(reader, writer):
        await reader.read(1)
        await _send(writer, reply)

    async with listening(answer) as url, opened(url + "?timeout=2s") as store:
        with pytest.raises(StoreUnavailable):
            await store.get(KEY)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="closed"),
        pytest.param(b"*1\r\n*2\r\n$3\r\n0-", id="reset-mid-reply"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another-protocol"),
        pytest.param(b"-LOADING Redis is loading the dataset in memory\r\n" * 3, id="loading"),
        pytest.param(b"-READONLY You can't write against a replica.\r\n" * 3, id="readonly"),
        pytest.param(b"-MASTERDOWN Link with MASTER is down\r\n" * 3, id="masterdown"),
        pytest.param(b"-OOM command not allowed\r\n" * 3, id="oom"),
        pytest.param(b"-WRONGTYPE Operation against a key\r\n" * 3, id="wrong-type"),
    ],
)
async def test_bad_reply(reply):
    """Whatever a server answers, the store is unavailable and nothing else."""

    async def answer(reader, writer):
        await reader.read(1)
        await _send(writer, reply)

    async with listening(answer) as url, opened(url + "?timeout=2s") as store:
        for operation in OPERATIONS.values():
            with pytest.raises(StoreUnavailable):
                await operation(store)


async def test_full_server(server):
    """A server without memory refuses to store, but what it has is still found."""
    reader = RecordingReader()
    admin = Redis.from_url(server.url)
    async with admin, opened(server.url + "?timeout=5s", reader) as store:
        await store.put(KEY, RESPONSE, 60)
        await store.append(["a"])
        await admin.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreUnavailable, match="OutOfMemory"):
                await store.put(OTHER_KEY, response_under(OTHER_KEY), 60)
            assert await store.get(KEY) == RESPONSE
            await admin.flushall()
            with pytest.raises(StoreUnavailable, match="OutOfMemory"):
                await store.get(KEY)
        finally:
            await admin.config_set("maxmemory", 0)
        assert await store.get(KEY) is None
    assert reader.tags == [("a",)]
    assert len(reader.restarts) == 2


async def test_log_of_another_type(server):
    """A key that is somebody else's is not touched."""
    admin = Redis.from_url(server.url)
    async with admin, opened(server.url + "?timeout=5s") as store:
        await admin.set("test:log", "mine", px=60_000)
        for operation in (ALL_OPERATIONS["get"], ALL_OPERATIONS["append"]):
            with pytest.raises(StoreUnavailable):
                await operation(store)
        assert await admin.get("test:log") == b"mine"


async def test_b14_credentials_are_not_in_errors(caplog):
    """A password opens the server, and a wrong one is in no error and behind none."""
    with running_redis("--requirepass", "s3cret") as server:
        right = server.url.replace("//", "//:s3cret@") + "?timeout=5s"
        async with opened(right) as store:
            await store.put(KEY, RESPONSE, 60)
            assert await store.get(KEY) == RESPONSE
        for wrong in (right.replace("s3cret", "gu3ss"), server.url + "?timeout=5s"):
            for operation in OPERATIONS.values():
                async with opened(wrong) as store:
                    with pytest.raises(StoreUnavailable, match="Authentication") as raised:
                        await operation(store)
                    assert "gu3ss" not in str(raised.value)
                    assert raised.value.__cause__ is raised.value.__context__ is None
    assert "gu3ss" not in caplog.text
    assert "s3cret" not in caplog.text


async def test_b14_tls_failure(server):
    """A server that speaks no TLS is unavailable to who asks for it."""
    async with opened(server.url.replace("redis:", "rediss:")) as store:
        with pytest.raises(StoreUnavailable):
            await store.get(KEY)


async def test_unix_socket(server):
    """A server can be reached by a path."""
    async with opened(f"unix://{server.socket_path}?timeout=5s&db=3") as store:
        await store.put(KEY, RESPONSE, 60)
        assert await store.get(KEY) == RESPONSE
    async with opened(server.url[:-1] + "3?timeout=5s") as store:
        assert await store.get(KEY) == RESPONSE


async def test_lookups_of_one_turn_are_one_round_trip(real):
    """What is asked for at once is asked of Redis once, with the log before it."""
    store = await real.open()
    await store.get(KEY)
    keys = [bytes([number]) * 16 for number in range(100)]
    await real.admin.config_resetstat()
    await asyncio.gather(*(store.get(key) for key in keys + keys))
    seen = await commands_seen(real.admin)
    assert (seen["mget"], seen["xrange"]) == (1, 1)
    await store.get(KEY)
    assert (await commands_seen(real.admin))["mget"] == 2


async def test_body_that_is_there_is_not_sent_again(real):
    """Of a record that has the former one's body only the head is sent."""
    store = await real.open()
    await store.put(KEY, FORMER, 60)
    before = (await real.admin.info("stats"))["total_net_input_bytes"]
    await store.put(KEY, RENEWED, 60, FORMER)
    sent = (await real.admin.info("stats"))["total_net_input_bytes"] - before
    assert sent < 5000
    assert await store.get(KEY) == RENEWED
    await store.put(KEY, FORMER, 60, FORMER)
    assert (await real.admin.info("stats"))["total_net_input_bytes"] - before > 2**20


async def test_small_body_is_sent_again(real):
    """Where there is little to save, the server is not asked for a comparison."""
    store = await real.open()
    await store.put(KEY, RESPONSE, 60)
    await real.admin.config_resetstat()
    await store.put(KEY, replace(RESPONSE, cost=7.0), 60, RESPONSE)
    assert (await commands_seen(real.admin)).keys() & {"set", "eval"} == {"set"}


async def test_server_without_scripts_is_sent_all():
    """Whom a server does not let run scripts, it lets store."""
    with running_redis("--rename-command", "EVAL", "") as server:
        async with opened(server.url + "?timeout=5s") as store:
            await store.put(KEY, FORMER, 60)
            await store.put(KEY, RENEWED, 60, FORMER)
            assert await store.get(KEY) == RENEWED


async def test_log_is_trimmed(real):
    """The log does not grow beyond what a newcomer can read."""
    store = await real.open()
    await store.append(["a"])
    identity = (await real.admin.xrange("test:log", count=1))[0][1][b"identity"]
    pipeline = real.admin.pipeline(transaction=False)
    for _ in range(10_300):
        pipeline.xadd("test:log", {b"identity": identity, b"tags": b"\x90"})
    await pipeline.execute()
    await store.get(KEY)
    await store.append(["b"])
    assert 10_000 <= await real.admin.xlen("test:log") < 10_300


async def test_cancelled_waiter_leaves_the_others(server):
    """Who gives up takes the answer from nobody, and leaves a clean connection."""
    async with opened(server.url + "?timeout=5s") as store:
        await store.put(KEY, RESPONSE, 60)
        await store.get(KEY)
        with server.hung():
            waiters = [asyncio.create_task(store.get(KEY)) for _ in range(3)]
            await turns()
            waiters[0].cancel()
            await turns()
        assert await asyncio.gather(*waiters[1:]) == [RESPONSE, RESPONSE]
        assert waiters[0].cancelled()
        assert await store.get(OTHER_KEY) is None


async def test_cancelled_waiters_of_a_hung_server(server):
    """Waiters that have gone are not told of the failure either."""
    async with opened(server.url) as store:
        with server.hung():
            waiters = [asyncio.create_task(store.get(KEY)) for _ in range(2)]
            await turns()
            waiters[0].cancel()
            with pytest.raises(StoreUnavailable):
                await waiters[1]


@pytest.mark.parametrize("operation", sorted(ALL_OPERATIONS.keys() - {"get"}))
async def test_cancelled_operation_leaves_a_clean_connection(server, operation):
    """Replies to what was cancelled are not taken for replies to what follows."""
    async with opened(server.url + "?timeout=5s&max_connections=1") as store:
        await store.put(OTHER_KEY, response_under(OTHER_KEY), 60)
        with server.hung():
            task = asyncio.create_task(ALL_OPERATIONS[operation](store))
            await turns()
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()
        assert await store.get(OTHER_KEY) == response_under(OTHER_KEY)


@pytest.mark.parametrize("after", [0, 10], ids=["before-it-began", "on-its-way"])
async def test_cancelled_batch_leaves_nobody_waiting(server, after):
    """Somebody who cancels every task there is does not make look-ups hang."""
    async with opened(server.url + "?timeout=5s&max_connections=1") as store:
        with server.hung():
            others = asyncio.all_tasks()
            waiter = asyncio.create_task(store.get(KEY))
            await turns(1)
            batches = asyncio.all_tasks() - others - {waiter}
            await turns(after)
            for task in batches:
                task.cancel()
            with pytest.raises(StoreUnavailable, match="interrupted"):
                await waiter
        assert await store.get(KEY) is None


async def test_connections_are_bounded(server):
    """However much is under way, there are no more connections than the URL permits."""
    admin = Redis.from_url(server.url)
    url = server.url + "?timeout=5s&max_connections=2&client_name=bounded"
    async with admin, opened(url) as store:
        large = replace(RESPONSE, body=bytes(100_000))
        await asyncio.gather(*(store.put(KEY, large, 60) for _ in range(20)))
        assert await connections_named(admin, "bounded") == 2


async def test_closed_store_connects_again(server):
    """A store that was closed has no connections, until it is used again."""
    admin = Redis.from_url(server.url)
    async with admin, opened(server.url + "?timeout=5s&client_name=closed") as store:
        for _ in range(2):
            assert await store.get(KEY) is None
            assert await connections_named(admin, "closed") == 1
            await store.close()
            await store.close()
            await gone(admin, "closed")


async def test_closing_waits_for_what_is_under_way(server):
    """A look-up that was begun before the store is closed is answered."""
    async with opened(server.url + "?timeout=5s") as store:
        await store.put(KEY, RESPONSE, 60)
        lookup = asyncio.create_task(store.get(KEY))
        await turns(2)
        await store.close()
        assert await lookup == RESPONSE


async def test_users_client_is_left_open(server):
    """A client that the user brings is the user's to close."""
    async with Redis.from_url(server.url) as client:
        store = RedisStore(client, namespace="test", timeout=5)
        store.follow(RecordingReader())
        await store.put(KEY, RESPONSE, 60)
        await store.close()
        assert client.connection_pool._available_connections[0].is_connected


def test_client_that_decodes_is_refused():
    """Records are bytes; a client that makes text of them is of no use."""
    with pytest.raises(ConfigurationError, match="decode_responses=False"):
        RedisStore(FakeAsyncRedis(decode_responses=True), namespace="test")


def test_another_event_loop(server):
    """A store that is used in another event loop connects again."""
    store = followed(server.url + "?timeout=5s")

    async def first():
        await store.put(KEY, RESPONSE, 60)
        assert await store.get(KEY) == RESPONSE
        abandoned = asyncio.create_task(store.get(KEY))
        await asyncio.sleep(0)
        return abandoned

    async def second():
        try:
            return await asyncio.gather(store.get(KEY), store.get(KEY))
        finally:
            await store.close()

    asyncio.run(first())
    assert asyncio.run(second()) == [RESPONSE, RESPONSE]
    gc.collect()  # nothing is left behind that would warn of it


@pytest.mark.parametrize("what", ["get", "close"])
def test_what_is_left_in_another_event_loop_is_closed_there(server, what):
    """Only the loop that connections belong to can close them; it may be at rest until later."""
    store = followed(server.url + "?timeout=5s")
    with asyncio.Runner() as runner:
        runner.run(store.put(KEY, RESPONSE, 60))
        link = store._link
        pool = link.servers._client.connection_pool
        asyncio.run(store.get(KEY) if what == "get" else store.close())
        runner.run(turns())
        runner.run(asyncio.wait_for(link.end, 5))
        assert [each.is_connected for each in pool._available_connections] == [False]


def test_an_event_loop_may_end_while_what_is_left_in_it_is_closed(server, caplog):
    """It closes the connections too, and nothing goes wrong when both do, or when two leave it."""
    store = followed(server.url + "?timeout=5s")
    with asyncio.Runner() as runner:
        runner.run(store.get(KEY))
        link = store._link
        asyncio.run(store.get(KEY))
        link.leave()
    assert link.end.done()
    assert caplog.records == []


async def test_a_link_that_another_thread_takes_the_place_of_is_used_all_the_same(
    server, monkeypatch
):
    """Two event loops may come to use a store at once; each goes on with its own connections."""
    store = followed(server.url + "?timeout=5s")
    begin_anew, links = store._purges.begin_anew, []

    def taken_over(link):
        links.append(link)
        store._link = None
        begin_anew(link)

    monkeypatch.setattr(store._purges, "begin_anew", taken_over)
    assert await store.get(KEY) is None
    (link,) = links
    await link.ending.aclose()


def test_an_event_loop_that_has_ended_is_not_asked_to_close(server):
    """It has done so when it ended."""
    store = followed(server.url + "?timeout=5s")
    asyncio.run(store.get(KEY))
    asyncio.run(store.close())
    assert store._link is None


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork_after_connecting(server):
    """A forked process connects for itself, and its parent's connections stay whole."""
    store = followed(server.url + "?timeout=5s")
    with asyncio.Runner() as runner:
        runner.run(store.put(KEY, RESPONSE, 60))
        assert runner.run(store.get(KEY)) == RESPONSE
        child = os.fork()
        if child == 0:  # pragma: no cover
            found = [asyncio.run(store.get(key)) for key in (OTHER_KEY, KEY)]
            gc.collect()
            os._exit(0 if found == [None, RESPONSE] else 1)
        assert os.waitpid(child, 0) == (child, 0)
        assert runner.run(store.get(KEY)) == RESPONSE
        assert len(store._link.servers._client.connection_pool._available_connections) == 1
        runner.run(store.close())


@pytest.mark.parametrize("what", ["get", "close"])
async def test_connections_of_the_parent_are_not_collected(server, monkeypatch, what):
    """A parent's connections would be taken from its event loop if a child collected them."""
    inherited = []
    monkeypatch.setattr(redis_link, "_INHERITED", inherited)
    async with opened(server.url + "?timeout=5s") as store:
        await store.get(KEY)
        link = store._link
        monkeypatch.setattr(os, "getpid", lambda: -1)
        await (store.get(KEY) if what == "get" else store.close())
        assert store._link is not link
        assert inherited == [link]
        await link.servers.close()
