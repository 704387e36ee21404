"""Records as bytes, and what is made of bytes that are no records."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, nan
from struct import Struct
from zlib import crc32

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.keeping import entity_tag
from asgi_cache.policy.message import StoredResponse, VariantIndex
from asgi_cache.stores.codec import decode, encode
from asgi_cache.stores.packing import pack, unpack
from tests.stores.records import (
    INDEX,
    KEY,
    OTHER_KEY,
    RESPONSE,
    RESPONSE_STRATEGIES,
    records,
)

MAGIC = b"AC\x04"
AN_INDEX, A_RESPONSE = 0, 1
HEAD_AT = 12
NUMBERS = Struct(">16sIdfff12s")
"""The key, the body's length, when it was stored, age, lifetime and cost, and the birth."""

TEMPLATE, TAGS, URL, VALUES = 0, 1, 2, 3
"""Places in the array of a response's head."""
LINES = 8
"""The place of the first field in a template."""


def sealed(head, body=b"", kind=A_RESPONSE, magic=MAGIC):
    """Return bytes whose checksum is right, whatever they hold."""
    rest = magic + bytes([kind]) + len(head).to_bytes(4, "big") + head + body
    return crc32(rest).to_bytes(4, "big") + rest


def head_of(record):
    """Return the head of *record* as it is encoded."""
    data = encode(record)
    return data[HEAD_AT : HEAD_AT + int.from_bytes(data[8:12], "big")]


def unpacked(data):
    """Return the values of an array, to be changed."""
    return list(msgpack.unpackb(data, use_list=False))


def with_number(place, value):
    """Return RESPONSE as bytes, with another of the numbers in its head."""
    head = head_of(RESPONSE)
    numbers = list(NUMBERS.unpack_from(head))
    numbers[place] = value
    return sealed(NUMBERS.pack(*numbers) + head[NUMBERS.size :], RESPONSE.body)


def with_values(change):
    """Return RESPONSE as bytes, after *change* was made to the array in its head."""
    head = head_of(RESPONSE)
    values = unpacked(head[NUMBERS.size :])
    change(values)
    return sealed(head[: NUMBERS.size] + msgpack.packb(values), RESPONSE.body)


def with_template(change):
    """Return RESPONSE as bytes, after *change* was made to its template."""

    def change_template(values):
        template = unpacked(values[TEMPLATE])
        change(template)
        values[TEMPLATE] = msgpack.packb(template)

    return with_values(change_template)


def put(place, value):
    """Return what puts *value* in a place of a list, or adds it at the end."""

    def change(values):
        values[place : place + 1] = [value]

    return change


def index_with(place, value):
    """Return INDEX as bytes, with another value in its head."""
    values = unpacked(head_of(INDEX))
    values[place] = value
    return sealed(msgpack.packb(values), kind=AN_INDEX)


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


@given(_plain, st.sampled_from([AN_INDEX, A_RESPONSE, 2, 3, 4, 255]))
def test_no_head_breaks_the_decoder(head, kind):
    """A head that somebody made up is refused, or is a record."""
    decode_or_refuse(sealed(msgpack.packb(head), kind=kind))
    decode_or_refuse(sealed(head_of(RESPONSE)[: NUMBERS.size] + msgpack.packb(head), kind=kind))


@given(st.binary(max_size=80), st.sampled_from([AN_INDEX, A_RESPONSE, 2, 3]))
def test_no_packed_head_breaks_the_decoder(head, kind):
    """So is one that is not even msgpack."""
    decode_or_refuse(sealed(head, kind=kind))


@given(_plain, st.integers(0, 8))
def test_no_value_breaks_the_decoder(value, place):
    """Nor does any value in place of a good one."""
    decode_or_refuse(with_values(put(place, value)))
    decode_or_refuse(index_with(min(place, 1), value))


@given(_plain, st.integers(0, 14))
def test_no_template_breaks_the_decoder(value, place):
    """Nor does any value in the template, nor any in place of that."""
    decode_or_refuse(with_template(put(place, value)))
    decode_or_refuse(with_values(put(TEMPLATE, msgpack.packb(value))))


@pytest.mark.parametrize("kind", [AN_INDEX, A_RESPONSE])
@pytest.mark.parametrize("head", [b"", b"\x90", b"\xc0", b"\x05", b"\x91\xc0"])
def test_head_of_nothing_is_refused(head, kind):
    """A head that is no array, or an empty one, is none."""
    with pytest.raises(CorruptRecord):
        decode(KEY, sealed(head, kind=kind))
    with pytest.raises(CorruptRecord):
        decode(KEY, sealed(head_of(RESPONSE)[: NUMBERS.size] + head, kind=kind))


def test_head_length_is_checked():
    """A head that claims to be longer than all there is was cut short."""
    rest = MAGIC + bytes([A_RESPONSE]) + (1000).to_bytes(4, "big") + head_of(RESPONSE)
    with pytest.raises(CorruptRecord, match="longer"):
        decode(KEY, crc32(rest).to_bytes(4, "big") + rest)


@pytest.mark.parametrize("kind", [4, 255])
def test_other_kinds_are_refused(kind):
    """There are indexes and responses."""
    with pytest.raises(CorruptRecord, match="kind"):
        decode(KEY, sealed(head_of(RESPONSE), RESPONSE.body, kind))


def test_index_has_no_body():
    """Nothing follows the head of an index."""
    with pytest.raises(CorruptRecord, match="kind"):
        decode(KEY, sealed(head_of(INDEX), b"body", AN_INDEX))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(1, 1, id="body-shorter"),
        pytest.param(1, 2**32 - 1, id="body-longer"),
        pytest.param(2, nan, id="stored-at-nan"),
        pytest.param(3, -1.0, id="age-negative"),
        pytest.param(3, nan, id="age-nan"),
        pytest.param(4, inf, id="lifetime-infinite"),
        pytest.param(5, -0.5, id="cost-negative"),
        pytest.param(5, inf, id="cost-infinite"),
    ],
)
def test_response_with_a_bad_number_is_refused(place, value):
    """A response that no policy would store is refused, though its checksum is right."""
    assert decode(KEY, with_number(1, len(RESPONSE.body))) == RESPONSE
    with pytest.raises(CorruptRecord):
        decode(KEY, with_number(place, value))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(0, 199, id="status-informational"),
        pytest.param(0, 600, id="status-too-large"),
        pytest.param(0, "200", id="status-text"),
        pytest.param(0, True, id="status-of-another-type"),
        pytest.param(1, 32, id="flag-unknown"),
        pytest.param(2, -1, id="added-negative"),
        pytest.param(2, 6, id="added-more-than-there-are"),
        pytest.param(3, -1.0, id="stale-while-revalidate-negative"),
        pytest.param(4, nan, id="stale-if-error-nan"),
        pytest.param(5, "log", id="log-text"),
        pytest.param(6, -1, id="etag-nowhere"),
        pytest.param(6, 99, id="etag-beyond-the-values"),
        pytest.param(7, b"date", id="last-modified-of-another-type"),
        pytest.param(LINES, 1000, id="field-of-another-schema"),
        pytest.param(LINES, -1, id="field-number-negative"),
        pytest.param(LINES, "text", id="field-text"),
        pytest.param(LINES, b"name:a\r\nset-cookie: b=c", id="field-value-line-break"),
        pytest.param(LINES, b"na me:a", id="field-name-space"),
        pytest.param(LINES, b"name\n", id="field-name-newline"),
        pytest.param(LINES, b"Name:a", id="field-name-upper-case"),
        pytest.param(LINES, b":a", id="field-name-empty"),
        pytest.param(LINES, b"", id="field-empty"),
        pytest.param(LINES, b"other=", id="field-of-another-computed-value"),
    ],
)
def test_response_with_a_bad_template_is_refused(place, value):
    """The same holds for what it has in common with others."""
    assert decode(KEY, with_template(put(0, 200))) == RESPONSE
    with pytest.raises(CorruptRecord):
        decode(KEY, with_template(put(place, value)))


def test_field_without_a_value_is_refused():
    """A template that has more fields than there are values is not that of the response."""
    with pytest.raises(CorruptRecord, match="more or fewer"):
        decode(KEY, with_template(lambda template: template.extend([b"one", b"two"])))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(TEMPLATE, "text", id="template-text"),
        pytest.param(TEMPLATE, b"", id="template-empty"),
        pytest.param(TAGS, b"tags", id="tags-no-text"),
        pytest.param(URL, "text", id="url-text"),
        pytest.param(URL, b"", id="url-empty"),
        pytest.param(URL, b"\x04/", id="url-of-another-schema"),
        pytest.param(URL, b"\x80" + bytes(15), id="owner-cut-short"),
        pytest.param(URL, b"\x03\xff", id="url-no-text"),
        pytest.param(VALUES, 7, id="field-value-number"),
        pytest.param(VALUES, "text", id="field-value-text"),
        pytest.param(VALUES, b"a\r\nset-cookie: b=c", id="field-value-line-break"),
        pytest.param(VALUES, b"a\nb", id="field-value-newline"),
        pytest.param(VALUES, b"a\0b", id="field-value-nul"),
        pytest.param(99, b"value", id="value-without-field"),
        pytest.param(99, b"a\nb", id="last-modified-line-break"),
    ],
)
def test_response_with_a_bad_value_is_refused(place, value):
    """So does it for what it has not."""
    assert decode(KEY, with_values(put(TAGS, "task:7\ngröße/2"))) == RESPONSE
    with pytest.raises(CorruptRecord):
        decode(KEY, with_values(put(place, value)))


def test_what_is_written_in_another_way_comes_back():
    """Tags of each kind, an entity tag of the cache's own, and any URL are as they were."""
    tags, etag = ("tag:", "tag:a", "group:http://a b", "a", ""), entity_tag(b"body")
    fields = ((b"x-copy", etag), (b"etag", etag), (b"x-other", b"1"))
    for url, owner in [("", b""), ("http://a/b?c", b""), ("data:k", b""), ("x", b"o" * 16)]:
        stored = replace(RESPONSE, tags=tags, etag=etag, fields=fields, url=url, owner=owner)
        assert decode(KEY, encode(stored)) == stored


def test_template_that_is_too_long_to_be_remembered_is_read():
    """Whatever an app sends, its responses can be stored and are found."""
    stored = replace(RESPONSE, fields=tuple((b"x-%d" % n, b"%d" % n) for n in range(200)))
    assert decode(KEY, encode(stored)) == stored


def test_value_that_is_in_common_is_one_in_memory():
    """What is decoded takes no memory for what other responses have as well."""
    stored = [
        replace(
            RESPONSE,
            body=b"%d" % number,
            fields=((b"content-type", b"text/x-own"), (b"content-length", b"1"), (b"etag", b"1")),
            etag=b"1",
        )
        for number in range(2)
    ]
    one, other = (decode(KEY, encode(each)) for each in stored)
    assert (one, other) == tuple(stored)
    assert one.fields[0] is other.fields[0]
    assert one.fields[1] is other.fields[1]
    assert one.log is other.log
    assert one.etag is one.fields[2][1]


def test_durations_are_kept_to_seven_digits():
    """An age or a lifetime is not more exact than the clocks that it comes from."""
    stored = replace(RESPONSE, stored_at=1e9 + 1e-6, initial_age=0.1, lifetime=1e300, cost=1 / 3)
    decoded = decode(KEY, encode(stored))
    assert decoded.stored_at == stored.stored_at
    assert decoded.initial_age == pytest.approx(0.1, rel=1e-7)
    assert decoded.cost == pytest.approx(1 / 3, rel=1e-7)
    assert 1e37 < decoded.lifetime < inf
    assert encode(decoded) == encode(stored)


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
        decode(KEY, index_with(1, [variant]))


def test_index_with_another_shape_is_refused():
    """An index is an array of variants, and nothing else."""
    with pytest.raises(CorruptRecord):
        decode(KEY, index_with(1, b"variants"))


@pytest.mark.parametrize("record", [RESPONSE, INDEX], ids=["response", "index"])
def test_record_of_another_key_is_refused(record):
    """Valid bytes that were copied to another key are not that key's record."""
    with pytest.raises(CorruptRecord, match="another key"):
        decode(OTHER_KEY, encode(record))


def test_other_schema_is_refused():
    """What another version stored is not guessed at."""
    head = head_of(RESPONSE)
    assert decode(KEY, sealed(head, RESPONSE.body)) == RESPONSE
    for magic in (b"AC\x02", b"AC\x1e"):
        with pytest.raises(CorruptRecord, match="schema"):
            decode(KEY, sealed(head, RESPONSE.body, magic=magic))


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
