"""What holds for every store, and for every store that several processes share."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from asgi_cache.stores.base import Purge, Store
from asgi_cache.stores.codec import encode
from tests.stores.conftest import NAMESPACE
from tests.stores.records import (
    INDEX,
    KEY,
    OTHER_KEY,
    RESPONSE,
    RecordingReader,
    response_under,
)

pytestmark = pytest.mark.anyio

LOG = f"{NAMESPACE}:log"


def name_of(key):
    """Return the name that Redis knows *key* under."""
    return f"{NAMESPACE}:r:{key.hex()}"


@pytest.fixture
def reader():
    """Write down what a store tells."""
    return RecordingReader()


class TestStoreContract:
    """What a caller may rely on, whatever the store is."""

    async def test_is_a_store(self, backend):
        """It has the protocol's operations, with the protocol's arguments."""
        store = await backend.open()
        for name, declared in inspect.getmembers(Store, inspect.isfunction):
            if not name.startswith("_"):
                wanted = list(inspect.signature(declared).parameters)[1:]
                assert list(inspect.signature(getattr(store, name)).parameters) == wanted

    async def test_absent_record_is_nothing(self, backend):
        """What was not stored is not there."""
        store = await backend.open()
        assert await store.get(KEY) is None

    @pytest.mark.parametrize("record", [RESPONSE, INDEX], ids=["response", "index"])
    async def test_stored_record_is_returned(self, backend, record):
        """A record of either kind comes back equal, under its own key only."""
        store = await backend.open()
        await store.put(KEY, record, 60)
        assert await store.get(KEY) == record
        assert await store.get(OTHER_KEY) is None

    async def test_later_record_replaces(self, backend):
        """A key has one record: the last."""
        store = await backend.open()
        await store.put(KEY, RESPONSE, 60)
        await store.put(KEY, INDEX, 60)
        assert await store.get(KEY) == INDEX

    async def test_deleted_record_is_gone(self, backend):
        """A record can be deleted, and deleted again."""
        store = await backend.open()
        await store.put(KEY, RESPONSE, 60)
        await store.delete(KEY)
        await store.delete(KEY)
        assert await store.get(KEY) is None

    @pytest.mark.parametrize("ttl", [60, 0.5])
    async def test_record_expires(self, backend, ttl):
        """A record is there until its time is up."""
        store = await backend.open()
        await store.put(KEY, RESPONSE, ttl)
        assert await store.get(KEY) == RESPONSE
        await backend.outlive(KEY, ttl)
        assert await store.get(KEY) is None

    async def test_concurrent_lookups_get_their_own(self, backend):
        """Whatever is asked for at once, everybody gets the record of their key."""
        store = await backend.open()
        keys = [bytes([number]) * 16 for number in range(50)]
        for key in keys[::2]:
            await store.put(key, response_under(key), 60)
        found = await asyncio.gather(*(store.get(key) for key in keys + keys))
        wanted = [response_under(key) if key[0] % 2 == 0 else None for key in keys]
        assert found == wanted + wanted

    async def test_reader_is_told_where_the_log_begins(self, backend, reader):
        """After the first look-up a reader knows which log there is."""
        store = await backend.open(reader)
        await store.get(KEY)
        assert reader.identity
        assert [(reader.identity, reader.position)] == reader.restarts

    async def test_purges_are_told_in_order(self, backend, reader):
        """A purge is known to the reader when it is acknowledged, at a position that grows."""
        store = await backend.open(reader)
        positions = []
        for tags in (["a"], ["b", "tag with spaces:é\n*"], []):
            positions.append(await store.append(tags))
            assert reader.position == positions[-1]
        assert reader.purges == [
            Purge(positions[0], ("a",)),
            Purge(positions[1], ("b", "tag with spaces:é\n*")),
            Purge(positions[2], ()),
        ]
        assert len(reader.restarts) == 1

    async def test_concurrent_purges_are_all_told(self, backend, reader):
        """Purges that are appended at once have positions of their own."""
        store = await backend.open(reader)
        positions = await asyncio.gather(*(store.append([str(n)]) for n in range(20)))
        told = {purge.tags[0]: purge.position for purge in reader.purges}
        assert told == {str(n): position for n, position in enumerate(positions)}

    async def test_operations_do_not_disturb_the_log(self, backend, reader):
        """Storing and deleting are no news."""
        store = await backend.open(reader)
        await store.append(["a"])
        await store.put(KEY, RESPONSE, 60)
        await store.delete(KEY)
        await store.get(KEY)
        assert reader.tags == [("a",)]


class TestSharedStoreContract:
    """What several processes may rely on that share a server."""

    async def test_records_are_shared(self, shared):
        """What one stores, others find."""
        await (await shared.open()).put(KEY, RESPONSE, 60)
        assert await (await shared.open()).get(KEY) == RESPONSE

    async def test_acknowledged_purge_is_seen(self, shared, reader):
        """A look-up that begins after a purge was acknowledged elsewhere knows of it."""
        here, there = await shared.open(reader), await shared.open()
        for number in range(10):
            position = await there.append([str(number)])
            await here.get(KEY)
            assert reader.position == position
        assert reader.tags == [(str(number),) for number in range(10)]

    async def test_log_is_the_same_for_all(self, shared):
        """Processes that start at once agree on the log."""
        readers = [RecordingReader() for _ in range(5)]
        stores = [await shared.open(reader) for reader in readers]
        await asyncio.gather(*(store.get(KEY) for store in stores))
        assert len({(reader.identity, reader.position) for reader in readers}) == 1
        assert await shared.admin.xlen(LOG) == 1

    async def test_newcomer_reads_the_whole_log(self, shared, reader):
        """However many purges there are, all are known before the first answer."""
        first = await shared.open()
        await first.append(["first"])
        identity = (await shared.admin.xrange(LOG, count=1))[0][1][b"identity"]
        pipeline = shared.admin.pipeline(transaction=False)
        for _ in range(2500):
            pipeline.xadd(LOG, {b"identity": identity, b"tags": b"\x91\xa1a"})
        await pipeline.execute()
        last = await first.append(["last"])
        await (await shared.open(reader)).get(KEY)
        assert reader.position == last
        assert len(reader.tags) == 2502
        assert reader.tags[0] == ("first",)

    @pytest.mark.parametrize("lose", ["delete", "flushall"])
    async def test_lost_log_is_told(self, shared, reader, lose):
        """When the log is lost, the next look-up begins another."""
        store = await shared.open(reader)
        await store.append(["a"])
        former = reader.identity
        await (shared.admin.delete(LOG) if lose == "delete" else shared.admin.flushall())
        await store.get(KEY)
        assert len(reader.restarts) == 2
        assert reader.identity != former
        await store.append(["b"])
        assert reader.tags == [("a",), ("b",)]

    async def test_purge_does_not_bring_a_lost_log_back(self, shared, reader):
        """Whoever purges first after a loss begins another log, too."""
        store = await shared.open(reader)
        await store.append(["a"])
        former = reader.identity
        await shared.admin.delete(LOG)
        await (await shared.open()).append(["b"])
        await store.append(["c"])
        assert reader.identity != former
        assert reader.tags == [("a",), ("b",), ("c",)]

    async def test_trimmed_entries_that_were_missed_are_told(self, shared, reader):
        """Who has not read what was trimmed away cannot judge what was born before."""
        here, there = await shared.open(reader), await shared.open()
        await here.append(["a"])
        _, kept, last = [await there.append([tag]) for tag in ("missed", "kept", "last")]
        await shared.admin.xtrim(LOG, maxlen=2, approximate=False)
        await here.get(KEY)
        assert reader.restarts[1:] == [(reader.restarts[0][0], kept)]
        assert reader.position == last
        assert reader.tags == [("a",), ("last",)]

    async def test_trimmed_entries_that_were_read_are_not_missed(self, shared, reader):
        """Trimming what a reader knows is no news."""
        store = await shared.open(reader)
        for tag in ("a", "b", "c"):
            await store.append([tag])
        await shared.admin.xtrim(LOG, maxlen=1, approximate=False)
        await store.append(["d"])
        assert len(reader.restarts) == 1
        assert reader.tags == [("a",), ("b",), ("c",), ("d",)]

    async def test_log_that_lost_its_end_is_replaced(self, shared, reader):
        """A log without an entry that somebody has read may lack others: all begin anew."""
        other_reader = RecordingReader()
        store, other = await shared.open(reader), await shared.open(other_reader)
        await other.get(KEY)
        await store.append(["a"])
        last, _ = (await shared.admin.xrevrange(LOG, count=1))[0]
        await shared.admin.xdel(LOG, last)
        await store.get(KEY)
        await other.get(KEY)
        assert [len(each.restarts) for each in (reader, other_reader)] == [2, 2]
        assert reader.identity == other_reader.identity != reader.restarts[0][0]

    @pytest.mark.parametrize(
        "entry",
        [
            pytest.param({b"identity": b"shorter", b"tags": b"\x90"}, id="identity"),
            pytest.param({b"identity": b"12345678", b"tags": b"\x91\x01"}, id="tags-no-text"),
            pytest.param({b"identity": b"12345678", b"tags": b"a"}, id="tags-no-array"),
            pytest.param({b"identity": b"12345678", b"tags": b"\xc1"}, id="tags-garbage"),
            pytest.param({b"other": b"field"}, id="fields"),
        ],
    )
    async def test_log_with_a_foreign_entry_is_replaced(self, shared, reader, entry):
        """Nobody can tell what such an entry was to purge, so it purges everything."""
        store = await shared.open(reader)
        await store.append(["a"])
        await shared.admin.xadd(LOG, entry)
        await store.get(KEY)
        assert len(reader.restarts) == 2
        assert await shared.admin.xlen(LOG) == 1

    async def test_record_of_another_key_is_a_miss(self, shared):
        """Valid bytes under a key that is not theirs are nobody's."""
        store = await shared.open()
        await store.put(KEY, RESPONSE, 60)
        await shared.admin.rename(name_of(KEY), name_of(OTHER_KEY))
        assert await store.get(OTHER_KEY) is None
        assert store.corrupt == 1

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"\x80\x04\x95.", id="pickle"),
            pytest.param(encode(RESPONSE)[:-1], id="truncated"),
            pytest.param(encode(RESPONSE).replace(b"hello", b"jello"), id="flipped"),
        ],
    )
    async def test_garbage_is_a_miss_and_counted(self, shared, data):
        """What is no record is nothing, and somebody can find out that it was there."""
        store = await shared.open()
        await shared.admin.set(name_of(KEY), data, px=60_000)
        assert await store.get(KEY) is None
        assert store.corrupt == 1
        await store.put(KEY, RESPONSE, 60)
        assert await store.get(KEY) == RESPONSE

    async def test_every_key_has_a_ttl(self, shared):
        """Nothing stays for ever, and the log outlives the records that refer to it."""
        store = await shared.open()
        await store.get(KEY)
        assert 0 < await shared.admin.pttl(LOG) <= 7 * 86_400_000
        await store.append(["a"])
        await shared.admin.pexpire(LOG, 1000)
        await store.put(KEY, RESPONSE, 1e12)
        await store.put(OTHER_KEY, response_under(OTHER_KEY), 0)
        ttls = {name: await shared.admin.pttl(name) for name in await shared.admin.keys()}
        assert ttls.pop(name_of(OTHER_KEY).encode(), 1) <= 1
        assert len(ttls) == 2
        assert all(6 * 86_400_000 < ttl <= 7 * 86_400_000 for ttl in ttls.values())

    async def test_namespaces_are_apart(self, shared, reader):
        """Two caches on one server know nothing of each other."""
        here, there = await shared.open(), await shared.open(reader, namespace="other")
        await here.put(KEY, RESPONSE, 60)
        await here.append(["a"])
        assert await there.get(KEY) is None
        assert reader.tags == []
        assert {name.partition(b":")[0] for name in await shared.admin.keys()} == {
            b"test",
            b"other",
        }
