"""Records in this process: their budget, and who has to go when it is spent."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.stores.sieve import PART_OVERHEAD, RECORD_OVERHEAD, Sieve, size_of
from tests.stores.records import INDEX, RESPONSE, response_under

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


def sieve_with_room_for(count, clock):
    """Return a sieve that takes *count* records of the least size."""
    return Sieve(count * SIZE, clock)


def put(sieve, *names, ttl=60.0):
    """Keep a record of the least size under each of *names*."""
    for name in names:
        sieve.put(record(name).key, record(name), ttl)


def held(sieve, names):
    """Return which of *names* the sieve holds, without its noticing."""
    return "".join(name for name in names if record(name).key in sieve._nodes)


def test_oldest_record_goes_first(clock):
    """Of records that nobody read, the first in is the first out."""
    sieve = sieve_with_room_for(3, clock)
    put(sieve, *"abcd")
    assert held(sieve, "abcd") == "bcd"
    assert sieve.evictions == 1


def test_record_that_was_read_is_spared_once(clock):
    """A hit since the hand last passed saves a record, a hit before that does not."""
    sieve = sieve_with_room_for(3, clock)
    put(sieve, *"abc")
    sieve.get(record("a").key)
    put(sieve, "d")
    assert held(sieve, "abcd") == "acd"
    put(sieve, "e", "f")
    assert held(sieve, "acdef") == "aef"
    put(sieve, "g")
    assert held(sieve, "aefg") == "afg"
    put(sieve, "h", "i")
    assert held(sieve, "afghi") == "ahi"


def test_hand_begins_again_at_the_oldest(clock):
    """When all were read the hand goes round, and evicts the oldest."""
    sieve = sieve_with_room_for(3, clock)
    put(sieve, *"abc")
    for name in "abc":
        sieve.get(record(name).key)
    put(sieve, "d")
    assert held(sieve, "abcd") == "bcd"


def test_scan_does_not_push_out_what_is_used(clock):
    """Many URLs that are asked for once cost one another, not what is asked for often."""
    sieve = sieve_with_room_for(20, clock)
    popular = [f"hot{number}" for number in range(10)]
    put(sieve, *popular)
    for number in range(500):
        for name in popular:
            sieve.get(record(name).key)
        put(sieve, f"scan{number}")
    assert all(sieve.get(record(name).key) for name in popular)
    assert len(sieve) == 20


def test_hand_goes_on_when_its_record_is_deleted(clock):
    """A record that the hand points to can be deleted."""
    sieve = sieve_with_room_for(3, clock)
    put(sieve, *"abc")
    sieve.get(record("a").key)
    put(sieve, "d")
    sieve.delete(record("c").key)
    put(sieve, "e", "f")
    assert held(sieve, "adef") == "aef"


def test_expired_record_is_not_spared(clock):
    """A record that has expired goes though it was read, and is not counted as evicted."""
    sieve = sieve_with_room_for(2, clock)
    put(sieve, "a", ttl=10.0)
    put(sieve, "b")
    sieve.get(record("a").key)
    clock.now += 10.0
    put(sieve, "c")
    assert held(sieve, "abc") == "bc"
    assert sieve.evictions == 0


def test_expired_record_is_dropped_when_it_is_asked_for(clock):
    """A record expires at its time, and takes no more room once that was noticed."""
    sieve = sieve_with_room_for(2, clock)
    put(sieve, "a", ttl=10.0)
    clock.now += 9.5
    assert sieve.get(record("a").key) == record("a")
    clock.now += 0.5
    assert sieve.get(record("a").key) is None
    assert (len(sieve), sieve.bytes_held) == (0, 0)


def test_replaced_record_keeps_its_standing(clock):
    """A record that is refreshed has not lost its readers."""
    sieve = sieve_with_room_for(3, clock)
    put(sieve, *"abc")
    sieve.get(record("a").key)
    put(sieve, "a", "d", "e", "f")
    assert held(sieve, "abcdef") == "aef"


@pytest.mark.parametrize(
    ("body", "ttl"),
    [
        pytest.param(b"x" * 4096, 60.0, id="larger-than-the-budget"),
        pytest.param(b"", 0.0, id="expired-at-once"),
    ],
)
def test_record_that_cannot_be_kept_replaces_all_the_same(clock, body, ttl):
    """What was there before is out of date, even if its successor cannot be kept."""
    sieve = sieve_with_room_for(3, clock)
    put(sieve, *"ab")
    sieve.put(record("a").key, record("a", body), ttl)
    assert held(sieve, "ab") == "b"
    assert sieve.bytes_held == SIZE


def test_cleared_sieve_holds_nothing(clock):
    """All can be forgotten at once, and others be kept after that."""
    sieve = sieve_with_room_for(2, clock)
    put(sieve, *"ab")
    sieve.clear()
    assert (len(sieve), sieve.bytes_held) == (0, 0)
    put(sieve, *"cde")
    assert held(sieve, "abcde") == "de"


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


def _apply(sieve, clock, model, operation):
    match operation:
        case "put", key, size, ttl:
            stored = response_under(key, body=os.urandom(size))
            model[key] = (stored, clock.now + ttl)
            sieve.put(key, stored, ttl)
        case "get", key:
            stored, expires_at = model.get(key, (None, 0.0))
            found = sieve.get(key)
            assert found is None or (found is stored and clock.now < expires_at)
        case "delete", key:
            model.pop(key, None)
            sieve.delete(key)
            assert sieve.get(key) is None
        case _:
            clock.now += operation[1]


@given(st.integers(1, 12), _operations)
def test_budget_holds_after_any_operations(thousands, operations):
    """Bytes never exceed the budget and are the sum of what is held, which is what was put."""
    clock = Clock()
    sieve = Sieve(thousands * 1000, clock)
    model = {}
    for operation in operations:
        _apply(sieve, clock, model, operation)
        nodes = sieve._nodes.values()
        assert sieve.bytes_held == sum(size_of(node.record) for node in nodes)
        assert sieve.bytes_held <= thousands * 1000
        assert len(sieve) == len(nodes)


@pytest.mark.parametrize("body", [0, 2000])
def test_bytes_are_bytes_of_memory(body):
    """What a record is counted as is about what it takes, so that a budget can be relied on."""
    sieve = Sieve(2**24, Clock())
    tracemalloc.start()
    try:
        for number in range(300):
            fields = tuple((b"x-%d" % place, b"%d" % number) for place in range(8))
            key = os.urandom(16)
            sieve.put(key, response_under(key, fields=fields, body=os.urandom(body)), 60)
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 < sieve.bytes_held / traced < 1.5
