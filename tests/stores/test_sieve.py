"""The store in this process: its budget, and who has to go when it is spent."""

from __future__ import annotations

import asyncio
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.stores.memory import PART_OVERHEAD, RECORD_OVERHEAD, MemoryStore, size_of
from tests.stores.records import INDEX, KEY, RESPONSE, RecordingReader, response_under

SIZE = RECORD_OVERHEAD


def record(name, body=b""):
    """Return a record of the least size, under a key that begins with *name*."""
    return response_under(name.encode().ljust(16, b"\0"), fields=(), tags=(), body=body)


class Clock:
    """A clock that stands still unless told."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """Stand still."""
    return Clock()


def store_with_room_for(count, clock):
    """Return a store that takes *count* records of the least size."""
    return MemoryStore(count * SIZE, clock)


async def put(store, *names, ttl=60.0):
    """Store a record of the least size under each of *names*."""
    for name in names:
        await store.put(record(name).key, record(name), ttl)


def held(store, names):
    """Return which of *names* the store holds, without its noticing."""
    return "".join(name for name in names if record(name).key in store._nodes)


@pytest.mark.anyio
async def test_oldest_record_goes_first(clock):
    """Of records that nobody read, the first in is the first out."""
    store = store_with_room_for(3, clock)
    await put(store, *"abcd")
    assert held(store, "abcd") == "bcd"
    assert store.evictions == 1


@pytest.mark.anyio
async def test_record_that_was_read_is_spared_once(clock):
    """A hit since the hand last passed saves a record, a hit before that does not."""
    store = store_with_room_for(3, clock)
    await put(store, *"abc")
    store.peek(record("a").key)
    await put(store, "d")
    assert held(store, "abcd") == "acd"
    await put(store, "e", "f")
    assert held(store, "acdef") == "aef"
    await put(store, "g")
    assert held(store, "aefg") == "afg"
    await put(store, "h", "i")
    assert held(store, "afghi") == "ahi"


@pytest.mark.anyio
async def test_hand_begins_again_at_the_oldest(clock):
    """When all were read the hand goes round, and evicts the oldest."""
    store = store_with_room_for(3, clock)
    await put(store, *"abc")
    for name in "abc":
        store.peek(record(name).key)
    await put(store, "d")
    assert held(store, "abcd") == "bcd"


@pytest.mark.anyio
async def test_scan_does_not_push_out_what_is_used(clock):
    """Many URLs that are asked for once cost one another, not what is asked for often."""
    store = store_with_room_for(20, clock)
    popular = [f"hot{number}" for number in range(10)]
    await put(store, *popular)
    for number in range(500):
        for name in popular:
            store.peek(record(name).key)
        await put(store, f"scan{number}")
    assert all(store.peek(record(name).key) for name in popular)
    assert store.entries == 20


@pytest.mark.anyio
async def test_hand_goes_on_when_its_record_is_deleted(clock):
    """A record that the hand points to can be deleted."""
    store = store_with_room_for(3, clock)
    await put(store, *"abc")
    store.peek(record("a").key)
    await put(store, "d")
    await store.delete(record("c").key)
    await put(store, "e", "f")
    assert held(store, "adef") == "aef"


@pytest.mark.anyio
async def test_expired_record_is_not_spared(clock):
    """A record that has expired goes though it was read, and is not counted as evicted."""
    store = store_with_room_for(2, clock)
    await put(store, "a", ttl=10.0)
    await put(store, "b")
    store.peek(record("a").key)
    clock.now += 10.0
    await put(store, "c")
    assert held(store, "abc") == "bc"
    assert store.evictions == 0


@pytest.mark.anyio
async def test_expired_record_is_dropped_when_it_is_asked_for(clock):
    """A record expires at its time, and takes no more room once that was noticed."""
    store = store_with_room_for(2, clock)
    await put(store, "a", ttl=10.0)
    clock.now += 9.5
    assert store.peek(record("a").key) == record("a")
    clock.now += 0.5
    assert store.peek(record("a").key) is None
    assert (store.entries, store.bytes) == (0, 0)


@pytest.mark.anyio
async def test_replaced_record_keeps_its_standing(clock):
    """A record that is refreshed has not lost its readers."""
    store = store_with_room_for(3, clock)
    await put(store, *"abc")
    store.peek(record("a").key)
    await put(store, "a", "d", "e", "f")
    assert held(store, "abcdef") == "aef"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "ttl"),
    [
        pytest.param(b"x" * 4096, 60.0, id="larger-than-the-budget"),
        pytest.param(b"", 0.0, id="expired-at-once"),
    ],
)
async def test_record_that_cannot_be_stored_replaces_all_the_same(clock, body, ttl):
    """What was there before is out of date, even if its successor cannot be kept."""
    store = store_with_room_for(3, clock)
    await put(store, *"ab")
    await store.put(record("a").key, record("a", body), ttl)
    assert held(store, "ab") == "b"
    assert store.bytes == SIZE


@pytest.mark.anyio
async def test_closed_store_holds_nothing(clock):
    """A store that is closed lets go of its memory."""
    store = store_with_room_for(3, clock)
    await put(store, *"ab")
    await store.close()
    assert (store.entries, store.bytes) == (0, 0)


@pytest.mark.anyio
async def test_purge_without_a_reader_moves_the_log_on(clock):
    """A reader that comes later begins where the log is."""
    store = store_with_room_for(3, clock)
    position = await store.append(["a"])
    reader = RecordingReader()
    store.follow(reader)
    assert reader.position == position == 1
    assert len(reader.identity) == 8


def test_logs_of_two_stores_differ(clock):
    """A record of one store is worth nothing in another."""
    readers = [RecordingReader(), RecordingReader()]
    for reader in readers:
        MemoryStore(SIZE, clock).follow(reader)
    assert readers[0].identity != readers[1].identity


def test_what_records_are_counted_as():
    """All that a record holds counts, and what holding it takes."""
    content = sum(len(name) + len(value) for name, value in RESPONSE.fields) + len(RESPONSE.body)
    content += sum(map(len, RESPONSE.tags))
    assert size_of(RESPONSE) == RECORD_OVERHEAD + (5 + 2) * PART_OVERHEAD + content
    names = len(b"accept") + len(b"accept-language")
    assert size_of(INDEX) == RECORD_OVERHEAD + (3 + 1) * PART_OVERHEAD + names


_keys = st.integers(0, 9).map(lambda number: bytes([number]) * 16)
_operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _keys, st.integers(0, 3000), st.integers(0, 20)),
        st.tuples(st.just("get"), _keys),
        st.tuples(st.just("delete"), _keys),
        st.tuples(st.just("wait"), st.integers(1, 10)),
    ),
    max_size=60,
)


async def _apply(store, clock, model, operation):
    match operation:
        case "put", key, size, ttl:
            stored = response_under(key, body=os.urandom(size))
            model[key] = (stored, clock.now + ttl)
            await store.put(key, stored, ttl)
        case "get", key:
            stored, expires_at = model.get(key, (None, 0.0))
            found = await store.get(key)
            assert found is None or (found is stored and clock.now < expires_at)
        case "delete", key:
            model.pop(key, None)
            await store.delete(key)
            assert await store.get(key) is None
        case _:
            clock.now += operation[1]


@given(st.integers(1, 12), _operations)
def test_budget_holds_after_any_operations(thousands, operations):
    """Bytes never exceed the budget and are the sum of what is held, which is what was put."""

    async def run():
        clock = Clock()
        store = MemoryStore(thousands * 1000, clock)
        model = {}
        for operation in operations:
            await _apply(store, clock, model, operation)
            nodes = store._nodes.values()
            assert store.bytes == sum(size_of(node.record) for node in nodes)
            assert store.bytes <= thousands * 1000
            assert store.entries == len(nodes)

    asyncio.run(run())


@pytest.mark.anyio
@pytest.mark.parametrize("body", [0, 2000])
async def test_bytes_are_bytes_of_memory(body):
    """What a record is counted as is about what it takes, so that a budget can be relied on."""
    store = MemoryStore()
    tracemalloc.start()
    try:
        for number in range(300):
            fields = tuple((b"x-%d" % place, b"%d" % number) for place in range(8))
            key = os.urandom(16)
            await store.put(key, response_under(key, fields=fields, body=os.urandom(body)), 60)
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 < store.bytes / traced < 1.5


@pytest.mark.anyio
async def test_peek_is_what_get_does(clock):
    """The hot path may look without awaiting."""
    store = store_with_room_for(1, clock)
    assert store.peek(KEY) is None
    await put(store, "a")
    assert store.peek(record("a").key) is await store.get(record("a").key)
