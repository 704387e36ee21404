"""Records as bytes, and what is made of bytes that are no records."""

from __future__ import annotations

from dataclasses import fields, replace
from zlib import crc32

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.message import StoredResponse, VariantIndex
from asgi_cache.stores.codec import decode, encode, pack, unpack
from tests.stores.records import INDEX, KEY, OTHER_KEY, RESPONSE, RESPONSE_STRATEGIES, records

MAGIC = b"AC\x1e\x02"
HEAD_AT = 12


def sealed(head, body=b"", magic=MAGIC):
    """Return bytes whose checksum is right, whatever they hold."""
    checksum = crc32(body, crc32(head))
    return magic + len(head).to_bytes(4, "big") + checksum.to_bytes(4, "big") + head + body


def head_of(record):
    """Return the values in the head of *record*."""
    data = encode(record)
    end = HEAD_AT + int.from_bytes(data[4:8], "big")
    return list(msgpack.unpackb(data[HEAD_AT:end], use_list=False))


def altered(record, place, value):
    """Return *record* as bytes, with another value at one *place* of its head."""
    head = head_of(record)
    head[place] = value
    return sealed(msgpack.packb(head), getattr(record, "body", b""))


@given(records)
def test_what_is_encoded_is_decoded(record):
    """A record comes back equal, whatever it holds."""
    assert decode(record.key, encode(record)) == record


@pytest.mark.parametrize("record", [RESPONSE, INDEX], ids=["response", "index"])
def test_sample_records_come_back(record):
    """The samples that the other tests alter are good records themselves."""
    assert decode(KEY, encode(record)) == record


def test_every_field_of_a_response_is_tested():
    """A field that is added to stored responses has to be encoded, and to be drawn above."""
    assert {field.name for field in fields(StoredResponse)} == RESPONSE_STRATEGIES.keys() | {
        "fields",
        "added",
    }


def test_body_is_not_encoded_again():
    """The body stands at the end as it was."""
    assert encode(RESPONSE).endswith(RESPONSE.body)


def test_whole_numbers_are_fine_as_durations():
    """A policy may compute with integers; what comes back is equal."""
    stored = replace(RESPONSE, stored_at=5, lifetime=60, initial_age=0)
    assert decode(KEY, encode(stored)) == stored


@given(records, st.data())
def test_every_mutation_of_a_byte_is_seen(record, data):
    """A changed byte never makes another record, and never another error."""
    encoded = bytearray(encode(record))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecord):
        decode(record.key, bytes(encoded))


@given(records, st.data())
def test_every_truncation_is_seen(record, data):
    """What was cut short is no record."""
    encoded = encode(record)
    with pytest.raises(CorruptRecord):
        decode(record.key, encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(records, st.binary(min_size=1, max_size=8))
def test_trailing_bytes_are_seen(record, more):
    """What has more at its end is no record."""
    with pytest.raises(CorruptRecord):
        decode(record.key, encode(record) + more)


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_no_record(data):
    """Nothing comes of what somebody else stored."""
    with pytest.raises(CorruptRecord):
        decode(KEY, data)


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary()
    # A map or an extension type is refused, wherever it is.
    | st.text()
    | st.just({b"a": 1})
    | st.just(msgpack.ExtType(5, b""))
    | st.just(KEY),
    lambda inner: st.lists(inner, max_size=16),
    max_leaves=20,
)


def decode_or_refuse(data):
    """Decode *data*; any error but `CorruptRecord` fails the test that calls this."""
    try:
        record = decode(KEY, data)
    except CorruptRecord:
        return
    assert isinstance(record, (StoredResponse, VariantIndex))
    assert record.key == KEY


@given(_plain)
def test_no_head_breaks_the_decoder(head):
    """A head that somebody made up is refused, or is a record."""
    decode_or_refuse(sealed(msgpack.packb(head)))


@given(st.binary(max_size=40))
def test_no_packed_head_breaks_the_decoder(head):
    """So is one that is not even msgpack."""
    decode_or_refuse(sealed(head))


@given(st.sampled_from([RESPONSE, INDEX]), _plain, st.data())
def test_no_value_breaks_the_decoder(record, value, data):
    """Nor does any value in place of a good one."""
    place = data.draw(st.integers(0, len(head_of(record)) - 1))
    decode_or_refuse(altered(record, place, value))


@pytest.mark.parametrize("head", [b"\x90", b"\xc0", b"\x05", b"\x91\xc0"])
def test_head_of_nothing_is_refused(head):
    """A head that is no array, or an empty one, is none."""
    with pytest.raises(CorruptRecord):
        decode(KEY, sealed(head))


def test_head_length_is_checked():
    """A head that claims to be longer than all there is was cut short."""
    encoded = encode(INDEX)
    longer = int.from_bytes(encoded[4:8], "big") + 1
    with pytest.raises(CorruptRecord, match="longer"):
        decode(KEY, encoded[:4] + longer.to_bytes(4, "big") + encoded[8:])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(0, 2, id="kind-unknown"),
        pytest.param(0, True, id="kind-of-another-type"),
        pytest.param(2, 1, id="body-length"),
        pytest.param(3, 199, id="status-informational"),
        pytest.param(3, 600, id="status-too-large"),
        pytest.param(3, "200", id="status-text"),
        pytest.param(4, [b"name", b"value", b"name"], id="field-without-value"),
        pytest.param(4, [b"name", "text"], id="field-value-text"),
        pytest.param(4, ["name", b"value"], id="field-name-text"),
        pytest.param(4, [b"name", b"a\r\nset-cookie: b=c"], id="field-value-line-break"),
        pytest.param(4, [b"name", b"a\nb"], id="field-value-newline"),
        pytest.param(4, [b"name", b"a\0b"], id="field-value-nul"),
        pytest.param(4, [b"na me", b"a"], id="field-name-space"),
        pytest.param(4, [b"name\n", b"a"], id="field-name-newline"),
        pytest.param(4, [b"Name", b"a"], id="field-name-upper-case"),
        pytest.param(4, [b"", b"a"], id="field-name-empty"),
        pytest.param(5, -1, id="added-negative"),
        pytest.param(5, 6, id="added-more-than-there-are"),
        pytest.param(6, float("nan"), id="stored-at-nan"),
        pytest.param(7, -1.0, id="age-negative"),
        pytest.param(8, float("inf"), id="lifetime-infinite"),
        pytest.param(9, -1.0, id="stale-while-revalidate-negative"),
        pytest.param(10, float("nan"), id="stale-if-error-nan"),
        pytest.param(11, -0.5, id="cost-negative"),
        pytest.param(11, float("inf"), id="cost-infinite"),
        pytest.param(12, 16, id="flag-unknown"),
        pytest.param(13, b'"a\r\nb"', id="etag-line-break"),
        pytest.param(14, b"a\nb", id="last-modified-line-break"),
        pytest.param(16, b"\0" * 13, id="birth-too-long"),
    ],
)
def test_response_with_a_bad_value_is_refused(place, value):
    """A response that no policy would store is refused, though its checksum is right."""
    with pytest.raises(CorruptRecord):
        decode(KEY, altered(RESPONSE, place, value))


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(7, id="no-array"),
        pytest.param([[], b"s" * 16], id="too-short"),
        pytest.param([[], b"s" * 16, "text"], id="selector-text"),
        pytest.param([[], b"s" * 15, None], id="selector-length"),
        pytest.param([[], b"s" * 16, b"l"], id="language-selector-length"),
        pytest.param([[b"a\r\n"], b"s" * 16, None], id="name-line-break"),
        pytest.param([[5], b"s" * 16, None], id="name-number"),
    ],
)
def test_index_with_a_bad_variant_is_refused(variant):
    """A variant is checked like a response."""
    with pytest.raises(CorruptRecord):
        decode(KEY, altered(INDEX, 3, [variant]))


def test_index_with_another_shape_is_refused():
    """An index is an array of variants, and nothing else."""
    with pytest.raises(CorruptRecord):
        decode(KEY, altered(INDEX, 3, b"variants"))


@pytest.mark.parametrize("record", [RESPONSE, INDEX], ids=["response", "index"])
def test_record_of_another_key_is_refused(record):
    """Valid bytes that were copied to another key are not that key's record."""
    with pytest.raises(CorruptRecord, match="another key"):
        decode(OTHER_KEY, encode(record))


def test_other_schema_is_refused():
    """What another version stored is not guessed at."""
    head = msgpack.packb(head_of(RESPONSE))
    assert decode(KEY, sealed(head, RESPONSE.body)) == RESPONSE
    with pytest.raises(CorruptRecord, match="schema"):
        decode(KEY, sealed(head, RESPONSE.body, magic=b"AC\x1e\x01"))


@given(st.lists(st.text() | st.binary() | st.integers(0, 2**64 - 1)))
def test_packed_values_come_back(values):
    """A plain array comes back as a tuple."""
    assert unpack(pack(values)) == tuple(values)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(msgpack.packb([{b"a": 1}]), id="map"),
        pytest.param(msgpack.packb({}), id="empty-map"),
        pytest.param(msgpack.packb([msgpack.ExtType(5, b"")]), id="empty-extension"),
        pytest.param(msgpack.packb([msgpack.ExtType(5, b"data")]), id="extension"),
        pytest.param(msgpack.packb([msgpack.Timestamp(1)]), id="timestamp"),
        pytest.param(msgpack.packb([1]) + b"\x01", id="more-than-one-value"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="array-of-four-thousand-million"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="four-gigabytes"),
        pytest.param(b"\x91" * 100_000, id="deep"),
        pytest.param(b"\x91\xa1\xff", id="text-that-is-not-utf-8"),
        pytest.param(b"\x91\xc1", id="byte-that-is-never-used"),
        pytest.param(b"", id="empty"),
    ],
)
def test_other_packed_values_are_refused(packed):
    """Only an array of plain values is unpacked, at no more cost than its own length."""
    with pytest.raises(CorruptRecord):
        unpack(packed)
