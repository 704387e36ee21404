"""Answer a request for parts of a representation from the whole of it (RFC 9110, section 14).

A ``Range`` field may always be ignored and the whole be sent, which is what happens
to every field that is malformed or that would make a lot of work for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import TypeAlias

from asgi_cache.policy.fields import Fields, parse_date
from asgi_cache.values import value

Ranges: TypeAlias = Sequence[tuple[int, int]]
"""Parts of a body, each as the positions of its first byte and of the one after its last."""

_MOST_RANGES = 16
# Room for that many; Python reads a number this long in any configuration.
_LONGEST_FIELD = 640
_SPEC = re.compile(rb"([0-9]*)-([0-9]*)")
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
_STRONG_ENTITY_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')

# What describes the content as it was sent, which a part of it is not. Content-Digest
# is among them; Repr-Digest is not, it describes the whole representation.
_OF_THE_CONTENT = frozenset(
    {b"content-length", b"content-range", b"content-digest", b"content-md5"}
)
_OF_THE_REPRESENTATION = _OF_THE_CONTENT | {
    b"content-type",
    b"content-encoding",
    b"content-language",
    b"content-location",
    b"content-disposition",
    b"repr-digest",
    b"etag",
    b"last-modified",
    b"expires",
    b"age",
}
# Without freshness, targeted or not, nobody downstream may keep a 416 and give it to others.
_OF_FRESHNESS = (b"cache-control", b"surrogate-control")


@value
class PartialContent:
    """A response made from parts of a stored one."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def parse_ranges(value: bytes, length: int) -> list[tuple[int, int]] | None:
    """Read a ``Range`` field against a body of *length* bytes (section 14.2).

    ``None`` means that the field is to be ignored; an empty list, that no range in it
    can be satisfied. Ranges that overlap are never needed and serve to exhaust a server
    (section 17.15), so that they are ignored, and so is a long list of them.
    """
    unit, _, listed = value.partition(b"=")
    if unit.lower() != b"bytes" or len(value) > _LONGEST_FIELD:
        return None
    specs = [spec for spec in (part.strip(b" \t") for part in listed.split(b",")) if spec]
    if not 0 < len(specs) <= _MOST_RANGES:
        return None
    ranges: list[tuple[int, int]] = []
    for match in map(_SPEC.fullmatch, specs):
        if match is None or (bounds := _bounds(match[1], match[2], length)) is None:
            return None
        if bounds[0] < bounds[1]:
            ranges.append(bounds)
    return None if _overlap(ranges) else ranges


def _bounds(first: bytes, last: bytes, length: int) -> tuple[int, int] | None:
    """Return one range within the body, empty if not satisfiable; ``None`` if not valid."""
    if first:
        start, stop = int(first), int(last) + 1 if last else length
        if last and start >= stop:
            return None
        return min(start, length), min(stop, length)
    if not last or (int(last) and not length):
        return None  # A suffix fits an empty body, but no Content-Range can say so.
    return max(length - int(last), 0), length


def parse_content_range(value: bytes | None) -> tuple[int, int, int] | None:
    """Read the ``Content-Range`` of a part: its start and stop, and the length of the whole.

    Nothing where it is malformed or the length of the whole is not known (section 14.4).
    """
    match = _CONTENT_RANGE.fullmatch(value or b"")
    if match is None:
        return None
    first, last, length = map(int, match.groups())
    return (first, last + 1, length) if first <= last < length else None


def subpart(
    fields: Fields, body: bytes, part: tuple[int, int, int], wanted: Ranges
) -> PartialContent | None:
    """Send one wanted range out of a stored *part*; nothing if that does not hold all of it."""
    start, stop, length = part
    if len(wanted) != 1 or not start <= wanted[0][0] < wanted[0][1] <= stop:
        return None
    first, last = wanted[0]
    content_range = (b"content-range", _content_range(first, last, length))
    kept = [*_without(fields, _OF_THE_CONTENT), content_range]
    return _with_length(206, kept, body[first - start : last - start])


def _overlap(ranges: Ranges) -> bool:
    in_order = sorted(ranges)
    return any(stop > start for (_, stop), (start, _) in pairwise(in_order))


def if_range_permits(
    value: bytes | None,
    etag: bytes | None,
    last_modified: bytes | None,
    date: float,
    now: float,
) -> bool:
    """Whether the stored response is the one that the client has parts of (section 13.1.5).

    Only a strong validator can tell: an entity tag that is not weak, or a
    ``Last-Modified`` at least a second before *date*, the instant the response was made
    (section 8.8.2.2). Without an ``If-Range`` field nothing needs to be told.
    """
    if value is None:
        return True
    if b'"' in value[:3]:
        return value == etag and _STRONG_ENTITY_TAG.fullmatch(value) is not None
    modified_at = parse_date(last_modified or b"", now)
    if modified_at is None or date - modified_at < 1:
        return False
    return parse_date(value, now) == modified_at


def boundary_for(body: bytes) -> bytes:
    """Return a boundary that does not occur in *body*, the same in every process.

    To occur there, the digest of the body would have to be part of it.
    """
    return blake2b(body, digest_size=16).hexdigest().encode()


def partial_response(
    fields: Fields, body: bytes, ranges: Ranges, boundary: bytes
) -> PartialContent:
    """Send *ranges* of a stored 200 as a 206, or a 416 if there are none (section 15.3.7)."""
    match ranges:
        case []:
            return _not_satisfiable(fields, len(body))
        case [(start, stop)]:
            content_range = (b"content-range", _content_range(start, stop, len(body)))
            kept = [*_without(fields, _OF_THE_CONTENT), content_range]
            return _with_length(206, kept, body[start:stop])
        case _:
            parts = b"".join(_parts(fields, body, ranges, boundary))
            content_type = (b"content-type", b"multipart/byteranges; boundary=" + boundary)
            kept = [*_without(fields, _OF_THE_CONTENT | {b"content-type"}), content_type]
            return _with_length(206, kept, parts)


def _not_satisfiable(fields: Fields, length: int) -> PartialContent:
    """Refuse with the length alone; what is left of the fields does not describe the body."""
    kept = [
        (name, value)
        for name, value in _without(fields, _OF_THE_REPRESENTATION)
        if not name.endswith(_OF_FRESHNESS)
    ]
    return _with_length(416, [*kept, (b"content-range", b"bytes */%d" % length)], b"")


def _parts(
    fields: Fields, body: bytes, ranges: Ranges, boundary: bytes
) -> Iterator[bytes | memoryview]:
    """Write the body of a multipart response (section 14.6), without copying its bytes twice."""
    content_type = next((value for name, value in fields if name == b"content-type"), None)
    described = b"" if content_type is None else b"Content-Type: %b\r\n" % content_type
    view = memoryview(body)
    for start, stop in ranges:
        content_range = _content_range(start, stop, len(body))
        yield b"--%b\r\n%bContent-Range: %b\r\n\r\n" % (boundary, described, content_range)
        yield view[start:stop]
        yield b"\r\n"
    yield b"--%b--\r\n" % boundary


def _content_range(start: int, stop: int, length: int) -> bytes:
    return b"bytes %d-%d/%d" % (start, stop - 1, length)


def _without(fields: Fields, names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in fields if name not in names]


def _with_length(status: int, fields: Fields, body: bytes) -> PartialContent:
    return PartialContent(status, (*fields, (b"content-length", b"%d" % len(body))), body)
