"""What reads bytes from clients, apps and stores: each target takes some, and must not raise.

Besides, each says what has to be so of whatever comes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final
from zlib import crc32

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy import bearer, cache_control, fields, freshness, key, ranges, validation
from asgi_cache.policy.message import Response
from asgi_cache.policy.rule import Rule
from asgi_cache.stores.codec import decode, encode
from asgi_cache.stores.compression import Unreadable
from asgi_cache.tags import group_tags, response_tags
from tests.stores.records import KEY

NOW: Final = 1_700_000_000.0
BODY: Final = bytes(range(256))
FIELDS: Final = ((b"content-type", b"text/plain"), (b"content-length", b"256"))
MOST_RANGES: Final = 10_000


def header_fields(data: bytes) -> None:
    """Read one value as each of the fields whose grammar matters here."""
    listed = fields.members(data)
    assert sum(map(len, listed)) <= len(data)
    for name in (b"vary", b"connection", b"cache-tag", b"surrogate-key", b"cache-groups"):
        found = ((name, data),)
        fields.vary_names(found)
        response_tags(found)
        group_tags(found, name, "http://a")
    for name in (b"accept", b"accept-encoding", b"cookie", b"accept-language"):
        asked = ((name, data),)
        key.selecting_value(asked, name)
        key.preferred_language(asked)
    instant = fields.parse_date(data, NOW)
    assert instant is None or fields.parse_date(fields.format_date(instant), NOW) is not None
    seconds = fields.parse_delta_seconds(data)
    assert seconds is None or 0 <= seconds <= fields.LONGEST_DELTA
    assert bearer.EXPIRED <= bearer.expiry(((b"authorization", b"Bearer " + data),)) <= inf


def directives(data: bytes) -> None:
    """Read a value as what a client and an app say to caches, and find out what it is worth."""
    cache_control.parse_request(((b"cache-control", data),))
    cache_control.parse_request(((b"pragma", data),))
    for name in (b"cache-control", b"cdn-cache-control", b"expires", b"age", b"date"):
        said = ((name, data), (b"last-modified", data))
        response = Response(200, said, cache_control.parse_response(said))
        found = freshness.freshness(response, Rule(heuristic=0.1), NOW)
        assert found.lifetime >= 0
        assert freshness.initial_age(said, NOW - 1, NOW) >= 0


def byte_ranges(data: bytes) -> None:
    """Read a value as a range and as a condition, and cut a body by it."""
    ranges.parse_content_range(data)
    ranges.if_range_permits(data, b'"a"', None, NOW, NOW)
    for name in (b"if-none-match", b"if-modified-since"):
        validation.is_not_modified(((name, data),), b'"a"', NOW, NOW)
    wanted = ranges.parse_ranges(data, len(BODY))
    if wanted is None:
        return
    assert len(wanted) <= MOST_RANGES
    assert all(0 <= begin < end <= len(BODY) for begin, end in wanted)
    part = ranges.partial_response(FIELDS, BODY, wanted, ranges.boundary_for(BODY))
    assert len(part.body) <= len(BODY) + 200 * (len(wanted) + 1)


def records(data: bytes) -> None:
    """Read bytes as a record, whose checksum is right; what is one is written as it was read."""
    sealed = crc32(data[4:]).to_bytes(4, "big") + data[4:]
    try:
        record = decode(KEY, sealed)
    except (CorruptRecord, Unreadable):
        return
    assert record.key == KEY
    again = decode(KEY, encode(record))
    assert encode(again) == encode(record)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__.replace("_", "-"): target
    for target in (header_fields, directives, byte_ranges, records)
}
