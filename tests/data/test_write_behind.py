"""Writes that are acknowledged in Redis and persisted later."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager, suppress

import pytest
from redis import Redis

from asgi_cache import (
    BacklogFull,
    Cache,
    CircuitOpen,
    ConfigurationError,
    CorruptRecord,
    PurgeNotAcknowledged,
    StoreUnavailable,
    UnsupportedValue,
    Write,
    WriteBehind,
)
from tests.redis_server import running_redis
from tests.redis_topologies import cluster, sentinels, session_cluster, session_sentinels

__all__ = ["cluster", "sentinels", "session_cluster", "session_sentinels"]

pytestmark = pytest.mark.anyio


class Table:
    """Where writes belong: what it was given, in that order, and what it refuses."""

    def __init__(self):
        self.writes: list[Write] = []
        self.batches: list[int] = []
        self.refuses = lambda write: False
        self.changed = asyncio.Event()

    async def persist(self, batch):
        self.batches.append(len(batch))
        self.changed.set()
        for write in batch:
            if self.refuses(write):
                raise OSError(f"no room for {write.key}")
        self.writes += batch

    @property
    def values(self):
        return [(write.key, write.value) for write in self.writes]

    def of(self, key):
        return [write.value for write in self.writes if write.key == key]


@pytest.fixture
def table():
    return Table()


@pytest.fixture
async def cache(redis_server):
    redis_server.empty()
    async with opened(redis_server.url + "?timeout=5s") as cache:
        yield cache


@asynccontextmanager
async def opened(url, **options):
    cache = Cache(store=url, **options)
    yield cache
    await cache.close()


def running_client(server):
    """Return a client that sees what is in a server."""
    return Redis(port=server.port)


async def until(holds, what):
    """Wait until something holds, which a few turns of the event loop bring about."""
    deadline = time.monotonic() + 20
    while not await holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def emptied(behind):
    """Wait until nothing is left to persist."""

    async def is_empty():
        with suppress(StoreUnavailable):  # a server that comes back is found a moment later
            return (await behind.backlog()).writes == 0

    await until(is_empty, "the stream is not empty")


async def left_alone(behind):
    """Wait until Redis, which is gone, is not even asked any more."""

    async def is_left_alone():
        try:
            await behind.pending("any")
        except CircuitOpen:
            return True
        except StoreUnavailable:
            return False

    await until(is_left_alone, "the server is asked still")


async def test_a_write_is_visible_at_once_and_persisted_later(cache, table):
    """With what it makes untrue purged, in the cache and among what waits."""
    await cache.put("tasks", ["old"], ttl=60, tags=["tasks"])
    behind = WriteBehind(cache, table.persist)
    await behind.write("task:7", {"done": True}, ttl="5m", tags=["task:7"], purge=["tasks"])
    assert await cache.get("task:7") == await behind.pending("task:7") == {"done": True}
    assert await cache.get("tasks") is None
    assert table.writes == []
    async with behind:
        await emptied(behind)
    assert table.values == [("task:7", {"done": True})]
    assert await behind.pending("task:7", "none") == "none"


async def test_it_stops_when_what_there_is_has_been_persisted(cache, table):
    """Whoever ends an app loses nothing, nor leaves anything for the next start."""
    behind = WriteBehind(cache, table.persist, batch=7)
    async with behind:
        for number in range(50):
            await behind.write(f"task:{number % 5}", number, ttl=60)
    assert sorted(value for _, value in table.values) == list(range(50))
    assert (await behind.backlog()).writes == 0
    assert max(table.batches) <= 7


async def test_what_was_written_before_it_was_told_to_stop_is_persisted(cache, table):
    """Also what came while the last batch was under way."""
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def persist(batch):
        taken.set()
        await go_on.wait()
        await table.persist(batch)

    behind = WriteBehind(cache, persist)
    await behind.write("a", 1, ttl=60)
    async with behind:
        await taken.wait()
        await behind.write("b", 2, ttl=60)
        behind.stop()
        go_on.set()
    assert table.values == [("a", 1), ("b", 2)]


async def test_ids_grow_with_every_write(cache, table):
    """A table that keeps the greatest is right whatever is persisted twice, or late."""
    behind = WriteBehind(cache, table.persist)
    for number in range(20):
        await behind.write("task:7", number, ttl=60)
    async with behind:
        await emptied(behind)
    ids = [write.id for write in table.writes]
    assert ids == sorted(set(ids))
    assert table.of("task:7") == list(range(20))
    assert max(ids) < 2**63


async def test_only_the_last_write_of_a_key_is_persisted_if_so_wished(cache, table):
    """All of them leave the stream with it."""
    behind = WriteBehind(cache, table.persist, coalesce=True)
    for number in range(20):
        await behind.write(f"task:{number % 2}", number, ttl=60)
    async with behind:
        await emptied(behind)
    assert table.values == [("task:0", 18), ("task:1", 19)]


async def test_of_what_cannot_be_persisted_the_last_write_counts_if_so_wished(cache, table):
    """What it took the place of is given up with it."""
    behind = WriteBehind(cache, table.persist, coalesce=True, attempts=1)
    table.refuses = lambda write: write.key == "a"
    for number in range(4):
        await behind.write("ab"[number % 2], number, ttl=60)
    async with behind:
        await emptied(behind)
    assert table.values == [("b", 3)]
    assert [letter.value for letter in await behind.dead_letters()] == [0, 2]


async def test_one_connection_is_enough(redis_server, table):
    """It is not kept waiting for writes then, as nobody could write."""
    redis_server.empty()
    async with opened(redis_server.url + "?timeout=5s&max_connections=1") as cache:
        behind = WriteBehind(cache, table.persist)
        async with behind:
            for number in range(5):
                await behind.write("a", number, ttl=60)
                await emptied(behind)
    assert table.of("a") == list(range(5))


async def test_a_reader_who_misses_gets_what_is_pending(cache, table):
    """The table has the old value still, and nobody is to store that."""
    behind = WriteBehind(cache, table.persist)

    async def read():
        return table.of("task:7")[-1:] or "old"

    await behind.write("task:7", "new", ttl=60)
    await cache.purge(key="task:7")  # as if it had been evicted
    assert await cache.get("task:7") is None
    assert await behind.get_or_set("task:7", read, ttl=60) == "new"
    await cache.purge(key="task:7")
    async with behind:
        await emptied(behind)
    assert await behind.get_or_set("task:7", read, ttl=60) == ["new"]


async def test_no_reader_goes_back_behind_what_was_acknowledged(cache, table):
    """However writes, flushes, evictions and reads of the table fall together."""
    acknowledged = dict.fromkeys("abc", -1)
    written = asyncio.Event()

    async def persist(batch):
        await asyncio.sleep(random.uniform(0, 0.003))
        await table.persist(batch)

    behind = WriteBehind(cache, persist, batch=5)

    async def write(key):
        for number in range(30):
            await behind.write(key, number, ttl=60, tags=[f"tag:{key}"])
            acknowledged[key] = number

    async def read(key):
        async def read_table():
            await asyncio.sleep(0)
            found = max(table.of(key), default=-1)
            await asyncio.sleep(random.uniform(0, 0.003))
            return found

        while not written.is_set():
            least = acknowledged[key]
            assert await behind.get_or_set(key, read_table, ttl=60, tags=["all"]) >= least

    async def evict():
        while not written.is_set():
            await cache.purge(key=random.choice("abc"))
            await asyncio.sleep(random.uniform(0, 0.002))

    async with behind, asyncio.TaskGroup() as group:
        for task in (*map(read, "abcabc"), evict()):
            group.create_task(task)
        await asyncio.gather(*map(write, "abc"))
        written.set()
    assert [max(table.of(key)) for key in "abc"] == [29] * 3


async def test_what_was_made_before_it_was_persisted_is_purged_after_it(cache, table):
    """A list that was read from the table meanwhile lacks the write."""
    behind = WriteBehind(cache, table.persist)
    await behind.write("task:7", "new", ttl=60, purge=["tasks"])
    await cache.get_or_set("tasks", lambda: list(table.values), ttl=60, tags=["tasks"])
    assert await cache.get("tasks") == []
    async with behind:
        await emptied(behind)
    assert await cache.get("tasks") is None
    assert await cache.get("task:7") == "new"


async def test_two_who_write_at_once_leave_the_last_in_the_cache(cache, table):
    """What is found is what the stream has last, in whichever order the cache was told."""
    behind = WriteBehind(cache, table.persist)
    for turn in range(20):
        await asyncio.gather(*(behind.write("a", (turn, n), ttl=60) for n in range(5)))
        expected = await behind.pending("a")
        assert await behind.get_or_set("a", Table, ttl=60) == expected
    async with behind:
        await emptied(behind)
    assert table.of("a")[-1] == expected


async def test_one_that_cannot_be_persisted_becomes_a_dead_letter(cache, table):
    """All others are persisted, and its key is free again."""
    behind = WriteBehind(cache, table.persist, attempts=3)
    table.refuses = lambda write: write.value == "poison"
    for number in range(10):
        await behind.write(f"task:{number}", "poison" if number == 4 else number, ttl=60)
    await behind.write("task:4", "after", ttl=60)
    async with behind:
        await emptied(behind)
    assert len(table.writes) == 10
    assert table.of("task:4") == ["after"]
    (letter,) = await behind.dead_letters()
    assert (letter.key, letter.value) == ("task:4", "poison")
    assert letter.error == "OSError: no room for task:4"
    assert (await behind.backlog()).dead == 1
    await behind.discard(letter)
    assert await behind.dead_letters() == []


async def test_what_was_given_up_is_no_longer_found(cache, table):
    """Readers get what the table has from then on."""
    behind = WriteBehind(cache, table.persist, attempts=1)
    table.refuses = lambda write: write.value == "poison"
    await behind.write("a", "poison", ttl=60)
    await behind.write("b", 1, ttl=60)
    async with behind:
        await emptied(behind)
    assert (await cache.get("a"), await behind.pending("a")) == (None, None)
    assert await cache.get("b") == 1


async def test_an_outage_makes_no_dead_letters(cache, table):
    """While nothing at all can be persisted it is not for the writes, and they wait."""
    behind = WriteBehind(cache, table.persist, attempts=1)
    table.refuses = lambda write: True
    for number in range(10):
        await behind.write(f"task:{number}", number, ttl=60)
    async with behind:

        async def was_tried():
            return len(table.batches) > 8  # three rounds of four

        await until(was_tried, "it was not tried again")
        assert table.writes == []
        table.refuses = lambda write: False
        await emptied(behind)
    assert sorted(value for _, value in table.values) == list(range(10))
    assert await behind.dead_letters() == []


async def test_a_write_that_finds_no_room_waits_for_it(cache, table):
    """And is refused if there is none in time, with nothing changed."""
    behind = WriteBehind(cache, table.persist, backlog=2, wait="50ms")
    await cache.put("c", "old", ttl=60)
    await behind.write("a", 1, ttl=60)
    await behind.write("b", 1, ttl=60)
    with pytest.raises(BacklogFull, match="2 writes of 'writes' are waiting"):
        await behind.write("c", "new", ttl=60)
    assert (await cache.get("c"), await behind.pending("c")) == ("old", None)
    patient = WriteBehind(cache, table.persist, backlog=2, wait=10)
    writing = asyncio.create_task(patient.write("c", "new", ttl=60))
    async with behind:
        await writing
        await emptied(behind)
    assert table.of("c") == ["new"]


async def test_a_write_that_is_sent_again_is_in_the_stream_once(cache, table):
    """As after a connection that broke before the reply had come."""
    behind = WriteBehind(cache, table.persist)
    for _ in range(2):
        assert await behind._writes.add("a", b"-a-token", b"", 1)
    assert (await behind.backlog()).writes == 1


async def test_two_flushers_take_turns(cache, table, redis_server):
    """One stands by, and goes on when the other ends; no key's order suffers."""
    at_once, most = 0, 0

    async def persist(batch):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        await table.persist(batch)
        at_once -= 1

    async with opened(redis_server.url + "?timeout=5s") as other:
        one = WriteBehind(cache, persist, lease="30s", batch=10)
        two = WriteBehind(other, persist, lease="30s", batch=10)
        async with two:
            async with one:
                for number in range(100):
                    await one.write(f"task:{number % 3}", number, ttl=60)
            for number in range(100, 200):
                await one.write(f"task:{number % 3}", number, ttl=60)
            await emptied(two)
    assert most == 1
    assert [table.of(f"task:{k}") for k in range(3)] == [list(range(k, 200, 3)) for k in range(3)]


async def test_who_has_lost_the_lease_takes_nothing_out_of_the_stream(cache, table, redis_server):
    """What is under way is cancelled, and begun anew by who has the lease then."""
    taken, left = asyncio.Event(), asyncio.Event()

    async def hangs_once(batch):
        if not taken.is_set():
            taken.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
        await table.persist(batch)

    behind = WriteBehind(cache, hangs_once, lease="500ms")
    await behind.write("a", 1, ttl=60)
    async with behind:
        await taken.wait()
        with running_client(redis_server) as client:
            (lease,) = client.keys("*:lease")
            client.set(lease, "another's", px=1000)
        await left.wait()
        assert (await behind.backlog()).writes == 1
        await emptied(behind)
    assert table.values == [("a", 1)]


async def test_what_was_persisted_under_a_lost_lease_is_persisted_again(cache, table, redis_server):
    """Its process cannot know that nobody else has begun with it."""
    behind = WriteBehind(cache, table.persist, lease="1s")

    def lose_the_lease(write):
        if not table.writes:
            with running_client(redis_server) as client:
                (lease,) = client.keys("*:lease")
                client.set(lease, "another's", px=100)
        return False

    table.refuses = lose_the_lease
    await behind.write("a", 1, ttl=60)
    async with behind:
        await emptied(behind)
    assert table.values == [("a", 1)] * 2


async def test_without_redis_a_write_fails_and_changes_nothing(redis_server, table):
    """What is not acknowledged is not found either."""
    with running_redis() as server:
        async with opened(server.url) as cache:
            behind = WriteBehind(cache, table.persist)
            await behind.write("a", 1, ttl=60)
            server.stop()
            with pytest.raises(StoreUnavailable):
                await behind.write("a", 2, ttl=60)
            assert await cache.get("a") is None


async def test_what_was_acknowledged_outlives_the_server(table):
    """With an append-only file, which docs tell to have."""
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        async with opened(server.url) as cache:
            behind = WriteBehind(cache, table.persist)
            for number in range(20):
                await behind.write(f"task:{number}", number, ttl=60)
            server.process.kill()
            server.process.wait()
            server.output.close()
            async with behind:
                await left_alone(behind)
                server.start()
                await emptied(behind)
    assert sorted(table.values) == sorted((f"task:{number}", number) for number in range(20))


async def test_a_flusher_outlives_the_server(table):
    """What was persisted while the server was gone leaves the stream when it is back."""
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def persist(batch):
        taken.set()
        await go_on.wait()
        await table.persist(batch)

    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        async with opened(server.url) as cache:
            behind = WriteBehind(cache, persist, lease="1s")
            await behind.write("a", 1, ttl=60)
            async with behind:
                await taken.wait()
                server.process.kill()
                server.process.wait()
                server.output.close()
                go_on.set()

                async def is_there():
                    return bool(table.writes)

                await until(is_there, "it was not persisted")
                await left_alone(behind)
                server.start()
                await emptied(behind)
    assert set(table.values) == {("a", 1)}
    assert len(table.values) <= 2


async def test_one_that_fails_alone_is_kept(cache, table):
    """Nobody can say whether it is for the write; as soon as others succeed it is given up."""
    behind = WriteBehind(cache, table.persist, attempts=2)
    table.refuses = lambda write: write.key == "a"
    await behind.write("a", 1, ttl=60)
    async with behind:

        async def was_tried():
            return len(table.batches) > 3

        await until(was_tried, "it was not tried again")
        assert (await behind.backlog()).dead == 0
        await behind.write("b", 1, ttl=60)
        await emptied(behind)
    assert [letter.key for letter in await behind.dead_letters()] == ["a"]


async def test_a_full_server_takes_no_writes_but_gives_what_it_has(table):
    """What waits is persisted, which makes room."""
    with running_redis() as server:
        async with opened(server.url + "?timeout=5s&local=0") as cache:
            behind = WriteBehind(cache, table.persist)
            await behind.write("a", 1, ttl=60)
            with running_client(server) as client:
                client.config_set("maxmemory", 1)
                client.config_set("maxmemory-policy", "noeviction")
            with pytest.raises(StoreUnavailable):
                await behind.write("b", 1, ttl=60)
            async with behind:
                await emptied(behind)
    assert table.values == [("a", 1)]


async def test_writes_may_be_in_a_redis_of_their_own(cache, table):
    """One that keeps what it has, while the cache's may evict."""
    with running_redis() as server:
        behind = WriteBehind(cache, table.persist, store=server.url + "?timeout=5s")
        async with behind:
            await behind.write("a", 1, ttl=60)
            assert await cache.get("a") == 1
            with running_client(server) as client:
                assert client.keys("*:log") == []
    assert table.values == [("a", 1)]


async def test_a_write_that_only_the_stream_has_taken_is_persisted(cache, redis_server, table):
    """What raises is the purge: other processes may not know that what they have is old."""
    with running_redis() as server:
        async with opened(server.url) as lost:
            behind = WriteBehind(lost, table.persist, store=redis_server.url + "?timeout=5s")
            await behind.write("a", 1, ttl=60)
            server.stop()
            with pytest.raises(PurgeNotAcknowledged):
                await behind.write("a", 2, ttl=60)
            assert await behind.pending("a") == 2
            assert await lost.get("a") is None
            async with behind:
                await emptied(behind)
    assert table.of("a") == [1, 2]


@pytest.mark.parametrize("servers", ["cluster", "sentinels"])
async def test_it_works_with_several_servers(servers, request, table):
    """All keys of a stream are in one slot of a cluster."""
    url = request.getfixturevalue(servers).url
    async with opened(url + ("&" if "?" in url else "?") + "timeout=5s") as cache:
        for number in range(5):
            behind = WriteBehind(cache, table.persist, stream=f"s{number}")
            async with behind:
                for key in "abc":
                    await behind.write(key, number, ttl=60)
                assert await behind.pending("no", "none") == "none"
    assert sorted(table.values) == sorted((key, n) for n in range(5) for key in "abc")


@pytest.mark.parametrize("setting", ["signing_keys", "encryption_keys"])
async def test_what_was_not_sealed_by_the_app_is_not_persisted(cache, redis_server, table, setting):
    """It is given up like what cannot be persisted, once others could be."""
    secret = {setting: ["a-secret-of-sixteen-bytes-or-more"]}
    async with opened(redis_server.url + "?timeout=5s", **secret) as sealed:
        forged = WriteBehind(cache, table.persist)
        behind = WriteBehind(sealed, table.persist, attempts=1)
        await forged.write("a", "forged", ttl=60)
        await behind.write("b", 1, ttl=60)
        with pytest.raises(CorruptRecord):
            await behind.pending("a")
        async with behind:
            await emptied(behind)
        (letter,) = await behind.dead_letters()
    assert table.values == [("b", 1)]
    assert isinstance(letter.value, CorruptRecord)


async def test_what_others_put_into_the_stream_stops_nobody(cache, redis_server, table):
    """It is no write, and becomes a dead letter."""
    behind = WriteBehind(cache, table.persist, attempts=1)
    await behind.write("a", 1, ttl=60)
    with running_client(redis_server) as client:
        (stream,) = client.keys("*:writes")
        client.xadd(stream, {"key": b"\xff", "no": "write"})
    async with behind:
        await emptied(behind)
    assert table.values == [("a", 1)]
    assert [type(letter.value) for letter in await behind.dead_letters()] == [CorruptRecord]


async def test_one_that_was_told_to_stop_before_it_ran_persists_what_there_is(cache, table):
    """A signal may come at any time; it may run again later."""
    behind = WriteBehind(cache, table.persist)
    for number in range(2):
        await behind.write("a", number, ttl=60)
        behind.stop()
        await behind.run()
        assert table.of("a") == list(range(number + 1))


async def test_one_that_cancels_itself_is_tried_again(cache, table):
    """Whatever `persist` does, the writes are still there."""
    told = []

    async def persist(batch):
        if not told:
            told.append(batch)
            raise asyncio.CancelledError
        await table.persist(batch)

    behind = WriteBehind(cache, persist)
    await behind.write("a", 1, ttl=60)
    async with behind:
        await emptied(behind)
    assert table.values == [("a", 1)]


@pytest.mark.parametrize(
    ("store", "options", "said"),
    [
        pytest.param("memory://", {}, "writes wait in Redis", id="memory"),
        pytest.param("redis://localhost", {"batch": 0}, "batch=0", id="batch"),
        pytest.param("redis://localhost", {"wait": "soon"}, "wait='soon'", id="wait"),
        pytest.param("redis://localhost", {"lease": 0}, "lease=0 must be more", id="lease"),
        pytest.param("redis://localhost", {"store": "memory://"}, "writes wait", id="own-store"),
    ],
)
async def test_what_cannot_work_is_refused(store, options, said, table):
    """When it is made, not when it is used."""
    with pytest.raises(ConfigurationError, match=said):
        WriteBehind(Cache(store=store), table.persist, **options)


async def test_a_value_that_cannot_be_stored_is_not_written(cache, table):
    """Nothing has changed then."""
    behind = WriteBehind(cache, table.persist)
    with pytest.raises(UnsupportedValue):
        await behind.write("a", object(), ttl=60)
    assert (await behind.backlog()).writes == 0
