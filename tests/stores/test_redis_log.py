"""The purge log as a stream: positions, and replies that arrive in any order."""

from __future__ import annotations

import asyncio
import time
from math import inf

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.base import Purge
from asgi_cache.stores.packing import pack
from asgi_cache.stores.redis_log import RedisLog, pack_purge, position_of, stream_id_at
from asgi_cache.stores.redis_servers import OneServer
from asgi_cache.stores.unacknowledged import NOWHERE
from tests.stores.records import RecordingReader

KEY = b"test:log"

_milliseconds = st.integers(0, 2**64 - 1)
_sequences = st.integers(0, 2**24 - 1)
_stream_ids = st.tuples(_milliseconds, _sequences)


@given(_stream_ids, _stream_ids)
def test_positions_are_ordered_like_stream_ids(one, other):
    """A position stands for one id, and a later id has a greater position."""
    positions = [position_of(b"%d-%d" % each) for each in (one, other)]
    assert [stream_id_at(position) for position in positions] == [
        b"%d-%d" % each for each in (one, other)
    ]
    assert (positions[0] < positions[1]) == (one < other)


@pytest.mark.parametrize(
    "stream_id",
    [b"1700000000000-16777216", b"-1-0", b"1-2-3", b"5", b"", b"a-b"],
)
def test_other_ids_have_no_position(stream_id):
    """An id that would share its position with another is refused, as is what is none."""
    with pytest.raises(ValueError):  # noqa: PT011 - a reply that cannot be read is one to all
        position_of(stream_id)


def test_position_of_a_known_id():
    """Positions are stored in records, so that they cannot be counted in another way later."""
    assert position_of(b"1700000000000-5") == 1700000000000 * 2**24 + 5


@pytest.fixture
async def client(anyio_backend):
    """A server of this test's own."""
    async with FakeAsyncRedis() as made:
        yield made


@pytest.fixture
def servers(client):
    """The way to it."""
    return OneServer(client, is_ours=False)


def followed(reader=None, monotonic=time.monotonic):
    """Return a log with a reader of its own."""
    log = RedisLog(KEY, monotonic)
    log.reader = reader or RecordingReader()
    return log


def purging(tags):
    """Return a purge of *tags*, as it is appended."""
    return [Purge(NOWHERE, tuple(tags))]


async def asked(log, servers):
    """Ask for the log; return what `settle` has to be told, when the reply is at hand."""
    question, command = log.ask()
    replies, _ = await servers.ask([command])
    return question, *replies


@pytest.mark.anyio
async def test_replies_in_another_order(servers):
    """What a reader knows already is not told again by a reply that was late."""
    reader = RecordingReader()
    log, other = followed(reader), followed()
    await log.catch_up(servers)
    await other.append(servers, purging(["a"]))
    early = await asked(log, servers)
    await other.append(servers, purging(["b"]))
    late = await asked(log, servers)
    await log.settle(servers, *late)
    await log.settle(servers, *early)
    assert reader.tags == [("a",), ("b",)]
    assert len(reader.restarts) == 1


@pytest.mark.anyio
async def test_reply_from_before_a_restart(client, servers):
    """A reply that tells of a log which was lost since does not bring it back."""
    reader = RecordingReader()
    log = followed(reader)
    await log.append(servers, purging(["a"]))
    early = await asked(log, servers)
    await client.delete(KEY)
    await log.catch_up(servers)
    await log.settle(servers, *early)
    assert len(reader.restarts) == 2
    assert reader.identity == reader.restarts[1][0] != reader.restarts[0][0]


@pytest.mark.anyio
async def test_trimming_that_another_reply_made_up_for(client, servers):
    """Entries that were trimmed after they were read are not missed by a reply on its way."""
    reader = RecordingReader()
    log, other = followed(reader), followed()
    await log.catch_up(servers)
    await other.append(servers, purging(["a"]))
    reply = await asked(log, servers)
    await log.catch_up(servers)
    await client.xtrim(KEY, maxlen=1, approximate=False)
    await log.settle(servers, *reply)
    assert reader.tags == [("a",)]
    assert len(reader.restarts) == 1


@pytest.mark.anyio
async def test_two_begin_a_log_at_once(client, servers):
    """Of two processes that find no log one begins it, and both follow that."""
    readers = [RecordingReader(), RecordingReader()]
    logs = [followed(reader) for reader in readers]
    replies = [await asked(log, servers) for log in logs]
    for log, reply in zip(logs, replies, strict=True):
        await log.settle(servers, *reply)
    assert readers[0].restarts == readers[1].restarts
    assert await client.xlen(KEY) == 1


@pytest.mark.anyio
async def test_log_that_lost_what_was_promised_is_replaced(client, servers, monkeypatch):
    """A purge that was acknowledged is missed, even by who had not read it yet."""
    reader = RecordingReader()
    log = followed(reader)
    await log.catch_up(servers)
    catch_up, calls = log.catch_up, []

    async def catch_up_once(servers):
        calls.append(servers)
        if len(calls) > 1:
            raise RedisConnectionError
        await catch_up(servers)

    with monkeypatch.context() as patched:
        patched.setattr(log, "catch_up", catch_up_once)
        with pytest.raises(RedisConnectionError):
            await log.append(servers, purging(["a"]))
    (last, _) = (await client.xrevrange(KEY, count=1))[0]
    await client.xdel(KEY, last)
    await log.catch_up(servers)
    assert reader.tags == []
    assert len(reader.restarts) == 2
    await log.catch_up(servers)
    assert len(reader.restarts) == 2, "what a former log promised is forgotten"


class Meddler:
    """A client beside which something happens just before it writes to the log."""

    def __init__(self, client, meddle):
        self.connection_pool = self
        self.pool = client.connection_pool
        self.max_connections = self.pool.max_connections
        self.meddle = meddle

    async def get_connection(self):
        connection = await self.pool.get_connection()
        send = connection.send_packed_command

        async def send_packed_command(packed):
            connection.send_packed_command = send
            if b"MULTI" in packed:
                await self.meddle()
            await send(packed)

        connection.send_packed_command = send_packed_command
        return connection

    async def release(self, connection):
        await self.pool.release(connection)


@pytest.mark.anyio
async def test_log_that_is_lost_during_a_purge(client, servers):
    """A purge whose log has just gone is not the first of another with the same identity."""
    reader = RecordingReader()
    log = followed(reader)
    await log.catch_up(servers)
    with pytest.raises(StoreUnavailable):
        await log.append(
            OneServer(Meddler(client, lambda: client.delete(KEY)), is_ours=False), purging(["a"])
        )
    assert await client.exists(KEY) == 0
    await log.append(servers, purging(["a"]))
    assert reader.tags == [("a",)]
    assert len(reader.restarts) == 2


@pytest.mark.anyio
async def test_log_that_is_replaced_during_a_purge(client, servers):
    """A purge that a new log took in is one of that log, and promises nothing of it."""
    reader = RecordingReader()
    log, other = followed(reader), followed()
    await log.append(servers, purging(["a"]))

    async def replace():
        await client.delete(KEY)
        await other.catch_up(servers)
        await log.catch_up(servers)

    await log.append(OneServer(Meddler(client, replace), is_ours=False), purging(["b"]))
    assert reader.tags == [("a",), ("b",)]
    assert len(reader.restarts) == 2
    assert log._acknowledged == 0


@pytest.mark.anyio
async def test_log_that_was_emptied_is_replaced(client, servers):
    """A stream that lost all its entries is another log, and not one that cannot be begun."""
    reader = RecordingReader()
    log = followed(reader)
    await log.append(servers, purging(["a"]))
    await client.xtrim(KEY, maxlen=0, approximate=False)
    await log.append(servers, purging(["b"]))
    assert reader.tags == [("a",), ("b",)]
    assert len(reader.restarts) == 2


@pytest.mark.anyio
async def test_purges_during_purges(servers):
    """Purges of several processes at once are known to all of them, in the same order."""
    readers = [RecordingReader() for _ in range(4)]
    logs = [followed(reader) for reader in readers]
    tags = [purging([str(number)]) for number in range(20)]
    await asyncio.gather(*(logs[n % 4].append(servers, each) for n, each in enumerate(tags)))
    for log in logs:
        await log.catch_up(servers)
    assert len({tuple(reader.tags) for reader in readers}) == 1
    assert len(readers[0].tags) == 20


class Times:
    """A clock that ticks whenever somebody looks at it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


@pytest.mark.anyio
async def test_log_is_known_as_of_the_question(servers):
    """What was purged after the log was asked for is not known when the reply comes."""
    log = followed(monotonic=(times := Times()))
    assert log.known_at == -inf
    question = await asked(log, servers)
    assert question[0].asked_at == times.now == 1.0
    times.now = 100.0
    await log.settle(servers, *question)
    assert log.known_at == 102.0, "once it was begun, and once its first entry was known"
    question = await asked(log, servers)
    times.now = 200.0
    await log.settle(servers, *question)
    assert log.known_at == 103.0


@pytest.mark.anyio
async def test_late_reply_takes_back_nothing(servers):
    """A reply to an earlier question does not make the log known for less long."""
    log = followed(monotonic=Times())
    await log.catch_up(servers)
    early, late = await asked(log, servers), await asked(log, servers)
    await log.settle(servers, *late)
    known_at = log.known_at
    await log.settle(servers, *early)
    assert log.known_at == known_at == late[0].asked_at


@pytest.mark.anyio
async def test_log_that_cannot_be_read_is_not_known(client, servers):
    """A question that fails leaves it at what was known before."""
    log = followed(monotonic=Times())
    await log.catch_up(servers)
    known_at = log.known_at
    await client.delete(KEY)
    await client.set(KEY, "of another type")
    with pytest.raises(ResponseError):
        await log.catch_up(servers)
    assert log.known_at == known_at


@pytest.mark.anyio
async def test_news_are_read_when_they_come(servers):
    """Who waits for a purge is told it, and all that came with it."""
    reader = RecordingReader()
    log, other = followed(reader), followed()
    await log.catch_up(servers)
    news = asyncio.create_task(log.news(servers, 5.0))
    await asyncio.sleep(0)
    await other.append(servers, purging(["a"]))
    await news
    assert reader.tags == [("a",)]


@pytest.mark.anyio
async def test_no_news(servers):
    """That nothing came in time is not taken for anything else."""
    reader = RecordingReader()
    log = followed(reader, monotonic=Times())
    await log.append(servers, purging(["a"]))
    known_at = log.known_at
    await log.news(servers, 0.001)
    assert reader.tags == [("a",)]
    assert len(reader.restarts) == 1
    assert log.known_at == known_at


@pytest.mark.parametrize(
    ("how", "fields"),
    [
        ({"all_of": False, "soft_at": None}, [b"tags"]),
        ({"all_of": True, "soft_at": None}, [b"tags", b"how"]),
        ({"all_of": False, "soft_at": 0.0}, [b"tags", b"how"]),
    ],
)
def test_what_most_purges_do_goes_without_saying(how, fields):
    """A purge that is neither soft nor of all its tags looks as it always did."""
    packed = pack_purge(Purge(NOWHERE, ("a",), **how))
    assert packed[::2] == fields
    assert packed[1] == b"\x91\xa1a"


@pytest.mark.anyio
async def test_entry_of_a_former_log(client, servers):
    """A purge that was meant for a log which was lost meanwhile does not end the one there is."""
    reader = RecordingReader()
    log, other = followed(reader), followed()
    await log.catch_up(servers)
    await client.xadd(KEY, {"identity": b"12345678", "tags": pack(["late"])})
    await log.catch_up(servers)
    await other.append(servers, purging(["a"]))
    await log.catch_up(servers)
    assert reader.tags == [("late",), ("a",)]
    assert len(reader.restarts) == 1
