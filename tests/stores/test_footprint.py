"""What records are counted as, against what they take."""

from __future__ import annotations

import gc
import os
import tracemalloc
from dataclasses import replace
from sys import getsizeof

import pytest

from asgi_cache.policy.message import Variant, VariantIndex
from asgi_cache.policy.sharing import shared
from asgi_cache.stores.footprint import RECORD_OVERHEAD, size_of
from asgi_cache.stores.s3fifo import S3Fifo
from tests.stores.records import INDEX, KEY, response_under

BARE = response_under(KEY, fields=(), tags=(), body=b"")


def grown(**changes):
    """Return how much larger a response is counted with *changes*."""
    return size_of(replace(BARE, **changes)) - size_of(BARE)


def test_all_that_a_response_holds_counts():
    """Its body, its fields and its tags do."""
    assert size_of(BARE) > RECORD_OVERHEAD
    assert grown(body=bytes(1000)) == pytest.approx(1000, abs=16)
    assert grown(tags=("t" * 100,)) == pytest.approx(8 + 149, abs=16)
    assert grown(tags=("ß" * 100,)) > grown(tags=("t" * 100,))
    assert grown(fields=((b"x-name", b"v" * 100),)) == pytest.approx(8 + 56 + 39 + 133, abs=32)


def test_what_is_shared_does_not_count():
    """A field that other responses have as well takes the place of a pointer."""
    field = shared((b"content-type", b"text/x-footprint"))
    assert grown(fields=(field,)) <= 16
    assert grown(fields=((b"content-type", b"text/x-other"),)) > 100
    named = shared((b"x-footprint", b"1"))
    assert grown(fields=(named,)) < grown(fields=((bytes(bytearray(b"x-footprint")), b"1"),))


def test_index_counts_by_its_variants():
    """So does an index, with what they are selected by."""
    bare = VariantIndex(KEY, ())
    one = VariantIndex(KEY, (Variant((b"accept",), b"s" * 16),))
    assert RECORD_OVERHEAD <= size_of(bare) < size_of(one) < size_of(INDEX)


def test_overhead_has_all_that_every_record_takes():
    """What is kept of each counts, also when it comes to be more."""
    records = S3Fifo(2**20, lambda: 0.0)
    records.put(KEY, BARE, 60.0)
    numbers = (BARE.stored_at, BARE.initial_age, BARE.lifetime, BARE.cost, 60.0)
    kept = (BARE, KEY, records.look(KEY), *numbers)
    place, idle = 120, 24
    assert sum(-(-getsizeof(one) // 16) * 16 for one in kept) + place + idle <= RECORD_OVERHEAD


@pytest.mark.parametrize("body", [0, 300, 5000])
def test_bytes_are_bytes_of_memory(body):
    """What records are counted as is no less than they take, so that a budget can be relied on."""
    count = 2000
    records = S3Fifo(2**28, lambda: 0.0)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(count):
            fields = tuple((b"x-%d" % place, b"%d" % number) for place in range(8))
            key, content = os.urandom(16), os.urandom(body)
            tags = (f"tag:{number}",)
            record = response_under(
                key, fields=fields, body=content, tags=tags, stored_at=1e9 + number, etag=None
            )
            records.put(key, record, 60 + number)
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.7 < traced / records.bytes_held < 1.0  # the newer Python is, the less they take
