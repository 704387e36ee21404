"""What holds for every store, and for every store that several processes share."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from math import inf, nan

import pytest

from asgi_cache.errors import ConfigurationError
from asgi_cache.stores.base import Purge, Store
from asgi_cache.stores.codec import encode
from asgi_cache.stores.packing import pack
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

FORMER = response_under(KEY, body=bytes(range(256)) * 4096)
"""A response of 1 MB."""
RENEWED = replace(FORMER, stored_at=FORMER.stored_at + 60, tags=("tag:task:7", "new"))
"""One that was made later, with the same body."""


def name_of(key):
    """Return the name that Redis knows *key* under."""
    return f"{NAMESPACE}:r:{key.hex()}"


def lease_name(lease):
    """Return the name that Redis knows *lease* under."""
    return f"{NAMESPACE}:l:{lease.hex()}"


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

    async def test_what_was_stored_is_found_without_waiting(self, backend):
        """A process finds what it stored last, and nothing that it has deleted."""
        store = await backend.open()
        for record in (RESPONSE, INDEX, RENEWED):
            await store.put(KEY, record, 60)
            assert await store.get(KEY) == await store.get(KEY, latest=True) == record
        await store.delete(KEY)
        assert await store.get(KEY) is await store.get(KEY, latest=True) is None

    async def test_landed_returns_when_nothing_is_under_way(self, backend):
        """There is nothing to wait for where nothing was stored, or has long been."""
        store = await backend.open()
        await store.landed(KEY)
        await store.put(KEY, RESPONSE, 60)
        await store.landed(KEY)
        await store.landed(KEY)
        assert await store.get(KEY, latest=True) == RESPONSE

    async def test_record_that_renews_another_is_stored(self, backend):
        """A record with the same body as the former one is found as it is."""
        store = await backend.open()
        await store.put(KEY, FORMER, 60)
        await store.put(KEY, RENEWED, 60, FORMER)
        await store.landed(KEY)
        assert await store.get(KEY, latest=True) == RENEWED

    @pytest.mark.parametrize("there", [None, RESPONSE, INDEX], ids=["nothing", "other", "index"])
    async def test_record_that_renews_what_is_not_there_is_stored(self, backend, there):
        """What is stored does not depend on what was there."""
        store = await backend.open()
        if there is not None:
            await store.put(KEY, there, 60)
        await store.put(KEY, RENEWED, 60, FORMER)
        await store.landed(KEY)
        assert await store.get(KEY, latest=True) == RENEWED

    async def test_closed_store_begins_anew(self, backend, reader):
        """A store may be closed twice, and used again; the reader knows the log still."""
        store = await backend.open(reader)
        await store.append(["a"])
        await store.close()
        await store.close()
        await store.put(KEY, RESPONSE, 60)
        assert await store.get(KEY) == RESPONSE
        await store.append(["b"])
        assert reader.tags == [("a",), ("b",)]
        assert len(reader.restarts) == 1

    async def test_second_reader_is_refused(self, backend):
        """Two caches cannot share a store, as one of them would miss the purges."""
        store = await backend.open()
        with pytest.raises(ConfigurationError, match="another Cache"):
            store.follow(RecordingReader())

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

    @pytest.mark.parametrize("all_of", [False, True])
    @pytest.mark.parametrize("soft_at", [None, 0, 1_700_000_000.125])
    async def test_what_a_purge_is_like_is_told(self, backend, reader, all_of, soft_at):
        """A purge may be soft, and may be of what carries all of its tags."""
        store = await backend.open(reader)
        position = await store.append(["a", "b"], all_of=all_of, soft_at=soft_at)
        await store.append(["c"])
        assert reader.purges[0] == Purge(position, ("a", "b"), all_of, soft_at)
        assert reader.purges[1] == Purge(reader.position, ("c",))

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
        here, there = await shared.open(), await shared.open()
        await here.put(KEY, RESPONSE, 60)
        await here.landed(KEY)
        assert await there.get(KEY) == RESPONSE
        await there.put(KEY, INDEX, 60)
        await there.landed(KEY)
        assert await here.get(KEY, latest=True) == INDEX
        await here.delete(KEY)
        await here.landed(KEY)
        assert await there.get(KEY, latest=True) is None

    async def test_record_that_renews_another_has_its_own_time(self, shared):
        """The former record's time to live is nothing to the new one."""
        store = await shared.open()
        for ttl in (60, 30, 90):
            await store.put(KEY, RENEWED, ttl, RENEWED)
            await store.landed(KEY)
            assert (ttl - 30) * 1000 < await shared.admin.pttl(name_of(KEY)) <= ttl * 1000

    async def test_record_that_renews_what_others_replaced_is_stored(self, shared):
        """What another process has stored since has another body, which is not mixed in."""
        here, there = await shared.open(), await shared.open()
        await here.put(KEY, FORMER, 60)
        await here.landed(KEY)
        await there.put(KEY, replace(FORMER, body=bytes(len(FORMER.body))), 60)
        await there.landed(KEY)
        await here.put(KEY, RENEWED, 60, FORMER)
        await here.landed(KEY)
        assert await there.get(KEY, latest=True) == RENEWED
        assert shared.corrupt(there) == 0

    async def test_only_who_renews_has_the_former_record_replaced(self, shared):
        """A record with the body that is there, but of which nothing is known, is written."""
        here, there = await shared.open(), await shared.open()
        await here.put(KEY, FORMER, 60)
        await here.landed(KEY)
        await here.put(KEY, RENEWED, 60, replace(FORMER, cost=7.0))
        await here.landed(KEY)
        assert await there.get(KEY) == RENEWED

    async def test_purge_of_every_kind_is_told_to_others(self, shared, reader):
        """What a purge is like is part of the log."""
        here, there = await shared.open(reader), await shared.open()
        one = await there.append(["a", "b"], all_of=True)
        other = await there.append(["c"], soft_at=1e9)
        await here.get(KEY, latest=True)
        assert [purge for purge in reader.purges if purge.tags] == [
            Purge(one, ("a", "b"), all_of=True),
            Purge(other, ("c",), soft_at=1e9),
        ]

    async def test_acknowledged_purge_is_seen(self, shared, reader):
        """A look-up that begins after a purge was acknowledged elsewhere knows of it."""
        here, there = await shared.open(reader), await shared.open()
        for number in range(10):
            position = await there.append([str(number)])
            await here.get(KEY, latest=True)
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
        await (await shared.open(reader)).get(KEY, latest=True)
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
        await store.get(KEY, latest=True)
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
        await here.get(KEY, latest=True)
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
        await other.get(KEY, latest=True)
        await store.append(["a"])
        last, _ = (await shared.admin.xrevrange(LOG, count=1))[0]
        await shared.admin.xdel(LOG, last)
        await store.get(KEY, latest=True)
        await other.get(KEY, latest=True)
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
            *(
                pytest.param(
                    {b"identity": b"12345678", b"tags": b"\x91\xa1a", b"how": how}, id=f"how-{name}"
                )
                for name, how in {
                    "garbage": b"\xc1",
                    "empty": b"",
                    "no-array": b"\xc3",
                    "too-short": pack([True]),
                    "too-long": pack([True, None, 1]),
                    "all-of-no-boolean": pack([1, None]),
                    "soft-at-text": pack([False, "now"]),
                    "soft-at-nan": pack([False, nan]),
                    "soft-at-infinite": pack([False, inf]),
                }.items()
            ),
        ],
    )
    async def test_log_with_a_foreign_entry_is_replaced(self, shared, reader, entry):
        """Nobody can tell what such an entry was to purge, so it purges everything."""
        store = await shared.open(reader)
        await store.append(["a"])
        await shared.admin.xadd(LOG, entry)
        await store.get(KEY, latest=True)
        assert len(reader.restarts) == 2
        assert await shared.admin.xlen(LOG) == 1

    async def test_record_of_another_key_is_a_miss(self, shared):
        """Valid bytes under a key that is not theirs are nobody's."""
        store = await shared.open()
        await store.put(KEY, RESPONSE, 60)
        await store.landed(KEY)
        await shared.admin.rename(name_of(KEY), name_of(OTHER_KEY))
        assert await store.get(OTHER_KEY) is None
        assert shared.corrupt(store) == 1

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
        assert shared.corrupt(store) == 1
        await store.put(KEY, RESPONSE, 60)
        assert await store.get(KEY) == RESPONSE

    async def test_every_key_has_a_ttl(self, shared):
        """Nothing stays for ever, and the log outlives the records that refer to it."""
        store = await shared.open()
        await store.get(KEY, latest=True)
        assert 0 < await shared.admin.pttl(LOG) <= 7 * 86_400_000
        await store.append(["a"])
        await shared.admin.pexpire(LOG, 1000)
        await store.put(KEY, RESPONSE, 1e12)
        await store.put(OTHER_KEY, response_under(OTHER_KEY), 0)
        await store.landed(KEY)
        await store.landed(OTHER_KEY)
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

    async def test_log_lives_as_long_as_what_is_renewed(self, shared):
        """A record that is only renewed refers to the log like one that is stored."""
        store = await shared.open()
        await store.put(KEY, FORMER, 60)
        await store.landed(KEY)
        await store.append(["a"])
        await shared.admin.pexpire(LOG, 1000)
        await store.put(KEY, RENEWED, 60, FORMER)
        await store.landed(KEY)
        assert await shared.admin.pttl(LOG) > 6 * 86_400_000


LEASE = b"lease"


class TestLeaseContract:
    """What processes may rely on that ask for the same lease."""

    async def test_one_has_it(self, shared):
        """Who comes first has the lease, and who comes after is told whose it is."""
        here, there = await shared.open(), await shared.open()
        assert await here.claim(LEASE, b"one", 60) == b"one"
        assert await there.claim(LEASE, b"other", 60) == b"one"
        assert await there.claim(b"another", b"other", 60) == b"other"

    async def test_of_many_one_has_it(self, shared):
        """However many ask at once, they agree on one."""
        stores = [await shared.open() for _ in range(3)]
        tokens = [b"%d" % number for number in range(30)]
        holders = await asyncio.gather(
            *(stores[n % 3].claim(LEASE, token, 60) for n, token in enumerate(tokens))
        )
        assert len(set(holders)) == 1
        assert holders[0] in tokens

    async def test_it_is_prolonged_by_who_has_it(self, shared):
        """Who asks again has it for longer; who does not have it prolongs nothing."""
        here, there = await shared.open(), await shared.open()
        await here.claim(LEASE, b"one", 10)
        await there.claim(LEASE, b"other", 600)
        assert await shared.admin.pttl(lease_name(LEASE)) <= 10_000
        assert await here.claim(LEASE, b"one", 60) == b"one"
        assert 10_000 < await shared.admin.pttl(lease_name(LEASE)) <= 60_000

    async def test_it_ends_by_itself(self, shared):
        """A process that died keeps nobody waiting for longer than it said."""
        here, there = await shared.open(), await shared.open()
        await here.claim(LEASE, b"one", 60)
        await shared.outlive_lease(LEASE, 60)
        assert await there.claim(LEASE, b"other", 60) == b"other"

    async def test_another_has_it_when_it_is_given_up(self, shared):
        """A lease that was released is free."""
        here, there = await shared.open(), await shared.open()
        await here.claim(LEASE, b"one", 60)
        await here.release(LEASE, b"one")
        assert await there.claim(LEASE, b"other", 60) == b"other"
        assert await here.claim(LEASE, b"one", 60) == b"other"

    @pytest.mark.parametrize("mark", [None, b"mark"])
    async def test_who_does_not_have_it_gives_up_nothing(self, shared, mark):
        """Who was late takes the lease from nobody, and leaves no mark."""
        here, there = await shared.open(), await shared.open()
        await there.release(LEASE, b"other", mark, 60)
        assert await here.claim(LEASE, b"one", 60) == b"one"
        await there.release(LEASE, b"other", mark, 60)
        assert await there.claim(LEASE, b"other", 60) == b"one"

    async def test_mark_is_seen_by_all(self, shared):
        """A mark that is left in the place of a lease is what others find, for its time."""
        here, there = await shared.open(), await shared.open()
        await here.claim(LEASE, b"one", 10)
        await here.release(LEASE, b"one", b"mark", 60)
        assert await there.claim(LEASE, b"other", 600) == b"mark"
        assert await here.claim(LEASE, b"one", 600) == b"mark"
        await shared.outlive_lease(LEASE, 60)
        assert await there.claim(LEASE, b"other", 60) == b"other"

    async def test_who_has_it_finds_what_was_put_before(self, shared):
        """A look-up that is begun right after a claim sees all that was done before that."""
        here, there = await shared.open(), await shared.open()
        await here.claim(LEASE, b"one", 60)
        await here.put(KEY, RESPONSE, 60)
        await here.landed(KEY)
        await here.release(LEASE, None)
        holder, found = await asyncio.gather(
            there.claim(LEASE, b"other", 60), there.get(KEY, latest=True)
        )
        assert (holder, found) == (b"other", RESPONSE)

    async def test_lease_is_no_record(self, shared):
        """A lease can have the name of a key without being in its way, and has a lifetime."""
        store = await shared.open()
        await store.claim(KEY, b"one", 60)
        await store.put(KEY, RESPONSE, 60)
        await store.landed(KEY)
        assert await store.get(KEY, latest=True) == RESPONSE
        assert await store.claim(KEY, b"other", 60) == b"one"
        assert 0 < await shared.admin.pttl(lease_name(KEY)) <= 60_000

    async def test_namespaces_have_their_own(self, shared):
        """Two caches on one server are not in each other's way."""
        here, there = await shared.open(), await shared.open(namespace="other")
        assert await here.claim(LEASE, b"one", 60) == b"one"
        assert await there.claim(LEASE, b"other", 60) == b"other"
