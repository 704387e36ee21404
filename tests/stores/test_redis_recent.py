"""Records that are known again by their bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.message import VariantIndex
from asgi_cache.stores import redis_recent
from asgi_cache.stores.codec import encode
from asgi_cache.stores.redis_recent import Recent
from tests.stores.records import KEY, RESPONSE


def test_the_same_bytes_are_the_same_record():
    """What was read before is not decoded again; what is different in one byte is."""
    recent = Recent()
    held = recent.decode(KEY, encode(RESPONSE))
    assert held.record == RESPONSE
    assert recent.decode(KEY, encode(RESPONSE)) is held
    other = replace(RESPONSE, body=RESPONSE.body + b"!")
    assert recent.decode(KEY, encode(other)).record == other
    assert recent.decode(KEY, encode(RESPONSE)).record == RESPONSE


@pytest.mark.parametrize("index", range(len(encode(RESPONSE))))
def test_no_byte_is_overlooked(index):
    """Bytes that were changed are not taken for those that are remembered."""
    recent, data = Recent(), bytearray(encode(RESPONSE))
    recent.decode(KEY, bytes(data))
    data[index] ^= 1
    with pytest.raises(CorruptRecord):
        recent.decode(KEY, bytes(data))


def test_an_index_is_remembered_too():
    """Where the variants are is known again as well."""
    recent, index = Recent(), VariantIndex(KEY, ())
    assert recent.decode(KEY, encode(index)) is recent.decode(KEY, encode(index))


def test_what_is_forgotten_is_not_lost_to_its_reader(monkeypatch):
    """A record that has to make room is still there for who has just read it."""
    monkeypatch.setattr(redis_recent, "MOST", 2)
    recent = Recent()
    keys = [bytes([number]) * 16 for number in range(5)]
    held = [recent.decode(key, encode(replace(RESPONSE, key=key))) for key in keys]
    assert [each.record.key for each in held] == keys
    assert len(recent._known) == 2


def test_large_records_are_not_remembered():
    """Memory is for what is small and often asked for."""
    recent, large = Recent(), encode(replace(RESPONSE, body=bytes(redis_recent.LARGEST)))
    assert recent.decode(KEY, large) is not recent.decode(KEY, large)
