"""What the responses of a route have in common, as each of their records has it.

A template is a response's head without the values that are its own. It is a msgpack array,
with a number in place of each field or name that many apps send. A process reads it once
and remembers it, so that records are small, quickly read, and share in memory what is equal
in them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, Final

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.fields import Field
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.sharing import is_repeated, shared
from asgi_cache.stores.packing import check_names, check_values, pack, shape, unpack

_LENGTH: Final = b"content-length="
_SIGN: Final = b":"
"""What stands between the name and the value of a field that is in the template whole."""

LINES: Final = (
    # The names of fields whose values are a response's own.
    *(_LENGTH, b"etag", b"last-modified", b"date", b"expires", b"location", b"link"),
    *(b"content-disposition", b"content-range", b"x-request-id"),
    # Whole fields.
    *(b"cache-control:max-age=0, must-revalidate", b"vary:accept-encoding"),
    *(b"cache-control:private, max-age=0, must-revalidate", b"vary:Accept-Encoding"),
    *(b"content-type:application/json", b"content-type:application/json; charset=utf-8"),
    *(b"content-type:text/html; charset=utf-8", b"content-type:text/plain; charset=utf-8"),
    *(b"content-type:text/css; charset=utf-8", b"content-type:text/javascript; charset=utf-8"),
    *(b"content-type:application/octet-stream", b"content-type:image/png"),
    *(b"content-type:image/jpeg", b"content-type:image/webp", b"content-type:image/svg+xml"),
    *(b"content-encoding:gzip", b"content-encoding:br", b"content-encoding:zstd"),
    *(b"accept-ranges:bytes", b"access-control-allow-origin:*", b"vary:Cookie", b"vary:Origin"),
    *(b"cache-control:no-cache", b"x-content-type-options:nosniff", b"x-frame-options:DENY"),
    *(b"x-frame-options:SAMEORIGIN", b"referrer-policy:same-origin"),
)
"""What the numbers stand for; to change it is to change the schema of records."""

_DIGEST: Final = re.compile(b'"(?:[0-9a-f]{2})+"')
"""How the cache writes an entity tag of its own."""

_NUMBERS: Final = {line: number for number, line in enumerate(LINES)}

REMEMBERED: Final = 1024
"""Templates that are remembered at once."""
LONGEST: Final = 512
"""Bytes of one beyond which it is not remembered."""

_HEAD: Final = 8
"""Values before the fields."""
_SHAPES: Final = frozenset(
    (int, int, int, while_revalidate, if_error, bytes, etag, modified)
    for while_revalidate in (int, float)
    for if_error in (int, float)
    for etag in (int, type(None))
    for modified in (int, type(None))
)
_LINE_TYPES: Final = frozenset({int, bytes})


@dataclass(frozen=True, slots=True)
class Template:
    """What a response has in common with others of its route, checked and ready for use."""

    status: int
    must_validate: bool
    must_revalidate: bool
    shareable: bool
    etag_is_ours: bool
    etag_is_short: bool
    """It is there as the digest that it writes."""
    added: int
    stale_while_revalidate: float
    stale_if_error: float
    log: bytes
    etag: int | None
    """Which of the response's own values it is."""
    last_modified: int | None
    fields: tuple[Field, ...]
    """Without the values that are the response's own."""
    holes: tuple[tuple[int, int, bytes], ...]
    """Which of those belongs where, and the name of its field."""
    lengths: tuple[int, ...]
    """Where the length of the body belongs."""
    values: int
    """How many values a response has of its own."""

    def filled(self, values: tuple[Any, ...], length: int) -> tuple[Field, ...]:
        """Return the fields with a response's own *values*.

        Raises:
            CorruptRecord: They cannot be those of this template.
        """
        if len(values) != self.values:
            raise CorruptRecord("the head has more or fewer values than fields")
        check_values(values)
        fields = list(self.fields)
        for number, place, name in self.holes:
            fields[place] = (name, values[number])
        for place in self.lengths:
            fields[place] = _length_field(length)
        return tuple(fields)

    def completed(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a response's own *values* with the entity tag as clients see it."""
        if not self.etag_is_short or self.etag is None or self.etag >= len(values):
            return values
        written = values[self.etag]
        if type(written) is not bytes:
            raise CorruptRecord("a value is not a byte string")
        whole = b'"%s"' % written.hex().encode()
        return (*values[: self.etag], whole, *values[self.etag + 1 :])


@lru_cache(REMEMBERED)
def _length_field(length: int) -> Field:
    return shared((b"content-length", b"%d" % length))


def divided(stored: StoredResponse, length: int) -> tuple[bytes, list[bytes]]:
    """Divide the head of *stored* into a template and its own values.

    *length* is that of the body which clients are sent.
    """
    lines, values = _split(stored.fields, length)
    windows = (stored.stale_while_revalidate, stored.stale_if_error)
    places = [_place(value, values) for value in (stored.etag, stored.last_modified)]
    digest = _digest_in(stored.etag) if stored.etag_is_ours else None
    if digest is not None and places[0] is not None:
        values[places[0]] = digest
    flags = (
        stored.must_validate
        | stored.must_revalidate << 1
        | stored.shareable << 2
        | stored.etag_is_ours << 3
        | (digest is not None) << 4
    )
    head = (stored.status, flags, stored.added, *windows, stored.log, *places)
    return _packed((*head, *lines)), values


def _digest_in(etag: bytes | None) -> bytes | None:
    """Return the digest that an entity tag of the cache's own writes in hexadecimal."""
    if etag is None or not _DIGEST.fullmatch(etag):
        return None
    return bytes.fromhex(etag[1:-1].decode())


def _split(fields: Sequence[Field], length: int) -> tuple[list[int | bytes], list[bytes]]:
    lines: list[int | bytes] = []
    values: list[bytes] = []
    for field in fields:
        name, value = field
        if name == b"content-length" and value == b"%d" % length:
            lines.append(_NUMBERS[_LENGTH])
        elif is_repeated(name, value):
            lines.append(_line(field))
        else:
            lines.append(_NUMBERS.get(name, name))
            values.append(value)
    return lines, values


@lru_cache(REMEMBERED)
def _line(field: Field) -> int | bytes:
    line = _SIGN.join(field)
    return _NUMBERS.get(line, line)


def _place(value: bytes | None, values: list[bytes]) -> int | None:
    """Return where *value* is in *values*, to which it is added if it has to be."""
    if value is None:
        return None
    if value not in values:
        values.append(value)
    return values.index(value)


@lru_cache(REMEMBERED)
def _packed(template: tuple[Any, ...]) -> bytes:
    return pack([_plain(each) if isinstance(each, float) else each for each in template])


def _plain(seconds: float) -> float:
    """Return a duration as the number that takes the fewest bytes."""
    return int(seconds) if seconds < 1 << 32 and seconds == int(seconds) else seconds


def read(packed: bytes) -> Template:
    """Return the template that was packed by `divided`.

    Raises:
        CorruptRecord: It is none.
    """
    return _remembered(packed) if len(packed) <= LONGEST else _read(packed)


def _read(packed: bytes) -> Template:
    array = unpack(packed)
    head, lines = array[:_HEAD], array[_HEAD:]
    if shape(head) not in _SHAPES or not _LINE_TYPES.issuperset(shape(lines)):
        raise CorruptRecord("the template has values of other types")
    status, flags, added, while_revalidate, if_error, log, etag, modified = head
    if not (
        200 <= status <= 599
        and 0 <= flags <= 0b11111
        and 0 <= added <= len(lines)
        and 0.0 <= while_revalidate < inf
        and 0.0 <= if_error < inf
        and min(etag or 0, modified or 0) >= 0
    ):
        raise CorruptRecord("the template has values out of range")
    fields, holes, lengths = _fields(lines)
    return Template(
        status=status,
        must_validate=flags & 1 != 0,
        must_revalidate=flags & 2 != 0,
        shareable=flags & 4 != 0,
        etag_is_ours=flags & 8 != 0,
        etag_is_short=flags & 16 != 0,
        added=added,
        stale_while_revalidate=float(while_revalidate),
        stale_if_error=float(if_error),
        log=log,
        etag=etag,
        last_modified=modified,
        fields=fields,
        holes=holes,
        lengths=lengths,
        values=max(len(holes), *(0 if place is None else place + 1 for place in (etag, modified))),
    )


_remembered = lru_cache(REMEMBERED)(_read)


def _fields(
    lines: tuple[int | bytes, ...],
) -> tuple[tuple[Field, ...], tuple[tuple[int, int, bytes], ...], tuple[int, ...]]:
    """Return the fields that are in a template whole, and what belongs where others are."""
    parts = [_text(line).partition(_SIGN) for line in lines]
    lengths = tuple(place for place, (name, _, _) in enumerate(parts) if name == _LENGTH)
    own = [
        (place, name) for place, (name, sign, _) in enumerate(parts) if not sign and name != _LENGTH
    ]
    holes = tuple((number, place, name) for number, (place, name) in enumerate(own))
    fields = tuple(shared((name, value)) for name, _, value in parts)
    check_names(tuple(name for name, _ in fields if name != _LENGTH))
    check_values(tuple(value for _, value in fields))
    return fields, holes, lengths


def _text(line: int | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    if not 0 <= line < len(LINES):
        raise CorruptRecord("the template has a line of another schema")
    return LINES[line]
