"""Records as bytes: what Redis keeps, and how little of what it returns is believed.

::

    offset  size  what
    0       4     the bytes 41 43 1e, and one for the schema
    4       4     length of the head, big-endian
    8       4     CRC-32 of all that follows
    12            the head, a msgpack array
                  the body, as it was

The body is not encoded again. The head is an array in a fixed order, so that one unpacking
and one look-up of its types tell whether it has the right shape. The checksum finds
accidents, not forgery; what is forged still has to be a record that could be stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from struct import Struct
from typing import Any, Final, NoReturn, TypeGuard
from zlib import crc32

import msgpack  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.message import StoredResponse, Variant, VariantIndex
from asgi_cache.stores.base import Record

_msgpack: Any = msgpack
"""It is not typed."""

_MAGIC: Final = b"AC\x1e\x02"
_PREFIX: Final = Struct(">4sII")
PREFIX_BYTES: Final = _PREFIX.size
_BIRTH_BYTES: Final = 12
"""A position of a Redis stream does not fit the 8 bytes of a msgpack integer."""
_SELECTOR_BYTES: Final = 16

_RESPONSE: Final = 0
_INDEX: Final = 1

_RESPONSE_SHAPES: Final = frozenset(
    (int, bytes, int, int, tuple, int, float, float, float, float, float, float, int)
    + (etag, modified, bytes, bytes, str)
    for etag in (bytes, type(None))
    for modified in (bytes, type(None))
)
_INDEX_SHAPE: Final = (int, bytes, int, tuple)
_VARIANT_SHAPES: Final = frozenset({(tuple, bytes, bytes), (tuple, bytes, type(None))})

_NAME_BYTES: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
"""Of which the names of fields are made (``token``, RFC 9110, section 5.6.2), in lower case."""


def encode(record: Record) -> bytes:
    """Return *record* as bytes that `decode` turns into its equal."""
    if isinstance(record, StoredResponse):
        head, body = _response_head(record), record.body
    else:
        head, body = _index_head(record), b""
    packed = pack(head)
    prefix = _PREFIX.pack(_MAGIC, len(packed), crc32(body, crc32(packed)))
    return b"".join((prefix, packed, body))


def decode(key: bytes, data: bytes) -> Record:
    """Return the record in *data*, which was found under *key*.

    Raises:
        CorruptRecord: It is no record, or was changed, or was stored under another key.
    """
    head, body = _unpack(data)
    kind = head[0] if head else None
    if kind == _RESPONSE:
        record: Record = _response(head, body)
    elif kind == _INDEX:
        record = _index(head)
    else:
        raise CorruptRecord("the record is of an unknown kind")
    if record.key != key:
        raise CorruptRecord("the record was stored under another key")
    if head[2] != len(body):
        raise CorruptRecord("the body has another length than its head says")
    return record


def pack(values: Sequence[object]) -> bytes:
    """Return plain values as a msgpack array."""
    packed: bytes = _msgpack.packb(values)
    return packed


def unpack(packed: bytes | memoryview) -> tuple[Any, ...]:
    """Return the values of a msgpack array, of which nothing is known but that it is one.

    Raises:
        CorruptRecord: It is anything else, or has maps or extension types in it.
    """
    try:
        values: object = _msgpack.unpackb(
            packed, use_list=False, max_map_len=0, max_ext_len=0, ext_hook=_refuse_extension
        )
    except (ValueError, TypeError, _msgpack.UnpackException):
        raise CorruptRecord("it is not valid msgpack") from None
    if not _is_array(values):
        raise CorruptRecord("it is not a msgpack array")
    return values


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    """Refuse even one that is empty, to which the limit does not apply."""
    raise ValueError(f"extension type {code} with {len(data)} bytes")


def _response_head(stored: StoredResponse) -> tuple[object, ...]:
    return (
        _RESPONSE,
        stored.key,
        len(stored.body),
        stored.status,
        [part for field in stored.fields for part in field],
        stored.added,
        float(stored.stored_at),
        float(stored.initial_age),
        float(stored.lifetime),
        float(stored.stale_while_revalidate),
        float(stored.stale_if_error),
        float(stored.cost),
        stored.must_validate
        | stored.must_revalidate << 1
        | stored.shareable << 2
        | stored.etag_is_ours << 3,
        stored.etag,
        stored.last_modified,
        stored.log,
        stored.birth.to_bytes(_BIRTH_BYTES, "big"),
        "\n".join(stored.tags),
    )


def _index_head(index: VariantIndex) -> tuple[object, ...]:
    variants = [(each.vary, each.selector, each.language_selector) for each in index.variants]
    return (_INDEX, index.key, 0, variants)


def _unpack(data: bytes) -> tuple[tuple[Any, ...], bytes]:
    """Check the prefix and the checksum; split the rest into head and body."""
    if len(data) < PREFIX_BYTES:
        raise CorruptRecord("the record is cut short")
    magic, head_bytes, checksum = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptRecord("the record has another schema, or is not ours")
    view = memoryview(data)
    if crc32(view[PREFIX_BYTES:]) != checksum:
        raise CorruptRecord("the record does not match its checksum")
    body_at = PREFIX_BYTES + head_bytes
    if body_at > len(data):
        raise CorruptRecord("the head is longer than the record")
    return unpack(view[PREFIX_BYTES:body_at]), data[body_at:]


def _response(head: tuple[Any, ...], body: bytes) -> StoredResponse:
    if _shape(head) not in _RESPONSE_SHAPES:
        raise CorruptRecord("the head has values of other types")
    _, key, _, status, flat, added, stored_at, initial_age, lifetime, *rest = head
    while_revalidate, if_error, cost, flags, etag, last_modified, log, birth, tags = rest
    if not (
        200 <= status <= 599
        and 0 <= added <= len(flat) // 2
        and -inf < stored_at < inf
        and 0.0 <= initial_age < inf
        and -inf < lifetime < inf
        and 0.0 <= while_revalidate < inf
        and 0.0 <= if_error < inf
        and 0.0 <= cost < inf
        and 0 <= flags <= 0b1111
        and len(birth) == _BIRTH_BYTES
    ):
        raise CorruptRecord("the head has values out of range")
    return StoredResponse(
        key=key,
        status=status,
        fields=_fields(flat, (etag or b"", last_modified or b"")),
        body=body,
        stored_at=stored_at,
        initial_age=initial_age,
        lifetime=lifetime,
        added=added,
        stale_while_revalidate=while_revalidate,
        stale_if_error=if_error,
        must_validate=flags & 1 != 0,
        must_revalidate=flags & 2 != 0,
        shareable=flags & 4 != 0,
        etag=etag,
        etag_is_ours=flags & 8 != 0,
        last_modified=last_modified,
        cost=cost,
        tags=tuple(tags.split("\n")) if tags else (),
        log=log,
        birth=int.from_bytes(birth, "big"),
    )


def _fields(
    flat: tuple[Any, ...], other_values: tuple[bytes, bytes]
) -> tuple[tuple[bytes, bytes], ...]:
    """Pair names with values, unless a server could take them for more than one field.

    All are looked at in one go: a hit has no time for a loop over its fields.
    """
    names, values = flat[::2], flat[1::2]
    _check_names(names)
    joined = _join(values + other_values)
    if b"\n" in joined or b"\r" in joined or b"\0" in joined:
        raise CorruptRecord("a field's value has a line break or NUL in it")
    if len(names) != len(values):
        raise CorruptRecord("the last field has no value")
    return tuple(zip(names, values, strict=True))


def _check_names(names: tuple[Any, ...]) -> None:
    if _join(names).translate(None, _NAME_BYTES) or b"" in names:
        raise CorruptRecord("a field's name is not a lower-case token")


def _join(values: tuple[Any, ...]) -> bytes:
    try:
        return b"".join(values)
    except TypeError:
        raise CorruptRecord("a value is not a byte string") from None


def _index(head: tuple[Any, ...]) -> VariantIndex:
    if _shape(head) != _INDEX_SHAPE:
        raise CorruptRecord("the head has values of other types")
    return VariantIndex(head[1], tuple(map(_variant, head[3])))


def _variant(packed: object) -> Variant:
    if not _is_array(packed) or _shape(packed) not in _VARIANT_SHAPES:
        raise CorruptRecord("a variant has values of other types")
    vary, selector, language_selector = packed
    _check_names(vary)
    for digest in (selector, language_selector or selector):
        if len(digest) != _SELECTOR_BYTES:
            raise CorruptRecord("a variant's selector has another length")
    return Variant(vary, selector, language_selector)


def _is_array(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def _shape(values: tuple[Any, ...]) -> tuple[type, ...]:
    return tuple(map(type, values))
