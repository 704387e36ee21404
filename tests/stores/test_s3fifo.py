"""Records in this process: their budget, and who has to go when it is spent."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.stores.footprint import size_of
from asgi_cache.stores.s3fifo import S3Fifo
from tests.stores.records import response_under


def record(name, body=b""):
    """Return a record of the least size, under a key that begins with *name*."""
    return response_under(name.encode().ljust(16, b"\0"), fields=(), tags=(), body=body)


SIZE = size_of(record("a"))


class Clock:
    """A clock that stands still unless told."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """Stand still."""
    return Clock()


def records_with_room_for(count, clock):
    """Return a records that takes *count* records of the least size."""
    return S3Fifo(count * SIZE, clock)


def put(records, *names, ttl=60.0):
    """Keep a record of the least size under each of *names*."""
    for name in names:
        records.put(record(name).key, record(name), ttl)


def held(records, names):
    """Return which of *names* the records holds, without its noticing."""
    return "".join(name for name in names if record(name).key in records._entries)


def test_oldest_record_goes_first(clock):
    """Of records that nobody read, the first in is the first out."""
    records = records_with_room_for(3, clock)
    put(records, *"abcd")
    assert held(records, "abcd") == "bcd"
    assert records.evictions == 1


def read(records, *names):
    """Look each of *names* up, which is there."""
    for name in names:
        assert records.get(record(name).key) == record(name)


def test_newcomer_that_was_read_twice_stays(clock):
    """One read may be part of the same visit; two are worth a place in the main queue."""
    records = records_with_room_for(3, clock)
    put(records, *"abc")
    read(records, *"aab")
    put(records, "d")
    assert held(records, "abcd") == "acd"
    put(records, "e", "f", "g")
    assert held(records, "acdefg") == "afg"


def test_each_read_saves_an_established_record_once(clock):
    """Where all are established the oldest goes, unless it was read since it last came up."""
    records = records_with_room_for(3, clock)
    put(records, *"abc")
    read(records, *"aabbcc")
    put(records, "d")
    assert held(records, "abcd") == "bcd"
    read(records, *"bdd")
    put(records, "e")
    assert held(records, "bcde") == "bde"
    read(records, *"ee")
    put(records, "f")
    assert held(records, "bdef") == "bef"
    read(records, *"ff")
    put(records, "g")
    assert held(records, "befg") == "efg"


def test_record_that_comes_back_is_established(clock):
    """What was evicted lately and is wanted again was evicted too early."""
    records = records_with_room_for(2, clock)
    put(records, *"abc")
    put(records, "a", "d", "e")
    assert held(records, "abcde") == "ae"


def test_ghosts_are_few(clock):
    """Of what was evicted as many are remembered as there are records, and the last ones."""
    records = records_with_room_for(10, clock)
    names = [str(number) for number in range(100)]
    put(records, *names)
    known = [name for name in names if records._ghosts.recall(record(name).key, 10)]
    assert set(known) <= set(names[80:90])
    assert len(known) > 5
    assert not any(records._ghosts.recall(record(name).key, 10) for name in names)


def test_ghosts_take_eight_bytes_for_each_record(clock):
    """There is a place for as many as there are records, however large the budget is."""
    assert S3Fifo(2**60, clock)._ghosts._places.itemsize == 8
    assert len(S3Fifo(2**60, clock)._ghosts._places) < 100
    records = records_with_room_for(1000, clock)
    put(records, *map(str, range(1500)))
    assert 1000 <= len(records._ghosts._places) <= 2004
    known = [n for n in range(1500) if records._ghosts.recall(record(str(n)).key, 1000)]
    assert all(n < 500 for n in known)
    assert len(known) > 400


def test_replaced_record_keeps_its_standing(clock):
    """A record that is refreshed has not lost its readers, or its place."""
    records = records_with_room_for(3, clock)
    put(records, *"abc")
    read(records, *"aa")
    put(records, "a", "d", "e", "f")
    assert held(records, "abcdef") == "aef"
    put(records, "a", "g", "h")
    assert held(records, "aefgh") == "agh"


def test_scan_does_not_push_out_what_is_used(clock):
    """Many URLs that are asked for once cost one another, not what is asked for often."""
    records = records_with_room_for(20, clock)
    popular = [f"hot{number}" for number in range(10)]
    put(records, *popular)
    for number in range(500):
        for name in popular:
            records.get(record(name).key)
        put(records, f"scan{number}")
    assert all(records.get(record(name).key) for name in popular)
    assert len(records) == 20


def test_expired_record_is_not_spared(clock):
    """A record that has expired goes though it was read, and is not counted as evicted."""
    records = records_with_room_for(2, clock)
    put(records, "a", ttl=10.0)
    put(records, "b")
    records.get(record("a").key)
    clock.now += 10.0
    put(records, "c")
    assert held(records, "abc") == "bc"
    assert records.evictions == 0


def test_expired_record_is_dropped_when_it_is_asked_for(clock):
    """A record expires at its time, and takes no more room once that was noticed."""
    records = records_with_room_for(2, clock)
    put(records, "a", ttl=10.0)
    clock.now += 9.5
    assert records.get(record("a").key) == record("a")
    clock.now += 0.5
    assert records.get(record("a").key) is None
    assert (len(records), records.bytes_held) == (0, 0)


@pytest.mark.parametrize(
    ("body", "ttl"),
    [
        pytest.param(b"x" * 4096, 60.0, id="larger-than-the-budget"),
        pytest.param(b"", 0.0, id="expired-at-once"),
    ],
)
def test_record_that_cannot_be_kept_replaces_all_the_same(clock, body, ttl):
    """What was there before is out of date, even if its successor cannot be kept."""
    records = records_with_room_for(3, clock)
    put(records, *"ab")
    records.put(record("a").key, record("a", body), ttl)
    assert held(records, "ab") == "b"
    assert records.bytes_held == SIZE


def test_cleared_records_holds_nothing(clock):
    """All can be forgotten at once, and others be kept after that."""
    records = records_with_room_for(2, clock)
    put(records, *"ab")
    records.clear()
    assert (len(records), records.bytes_held) == (0, 0)
    put(records, *"cde")
    assert held(records, "abcde") == "de"


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


def _apply(records, clock, model, operation):
    match operation:
        case "put", key, size, ttl:
            stored = response_under(key, body=os.urandom(size))
            model[key] = (stored, clock.now + ttl)
            records.put(key, stored, ttl)
        case "get", key:
            stored, expires_at = model.get(key, (None, 0.0))
            found = records.get(key)
            assert found is None or (found is stored and clock.now < expires_at)
        case "delete", key:
            model.pop(key, None)
            records.delete(key)
            assert records.get(key) is None
        case _:
            clock.now += operation[1]


def queued(queue):
    """Return the entries of a queue from the oldest on, having seen how they are linked."""
    found, entry = [], queue.oldest
    while entry is not None:
        assert entry.queue is queue
        assert entry.older is (found[-1] if found else None)
        found.append(entry)
        entry = entry.newer
    assert queue._newest is (found[-1] if found else None)
    return found


@given(st.integers(1, 12), _operations)
def test_budget_holds_after_any_operations(thousands, operations):
    """Bytes never exceed the budget and are the sum of what is held, which is what was put."""
    clock = Clock()
    records = S3Fifo(thousands * 1000, clock)
    model = {}
    for operation in operations:
        _apply(records, clock, model, operation)
        entries = records._entries.values()
        assert records.bytes_held == sum(size_of(entry.record) for entry in entries)
        assert records.bytes_held <= thousands * 1000
        small, main = queued(records._small), queued(records._main)
        assert {entry.key for entry in entries} == {entry.key for entry in small + main}
        assert len(records) == len(entries) == len(small) + len(main)
        assert records._small.bytes_held == sum(entry.size for entry in small)
