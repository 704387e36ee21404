"""Records as bytes: what Redis keeps, and how little of what it returns is believed.

::

    offset  size  what
    0       4     CRC-32 of all that follows
    4       3     the bytes 41 43, and one for the schema
    7       1     what it is: 0 an index; else a response, and how its body is stored
    8       4     length of the head
    12            the head
                  the body, as it was or compressed

Numbers are big-endian. The head of an index is a msgpack array. That of a response has
numbers in fixed places, then a msgpack array: its template, its tags, its URL with whose it is,
and the values that are not in the template. Durations are kept to seven digits.

The checksum finds accidents, not forgery; what is forged still has to be a record that
could be stored.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf
from struct import Struct
from typing import Any, Final
from zlib import crc32

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.message import StoredResponse, Variant, VariantIndex
from asgi_cache.stores.base import Listed, Record
from asgi_cache.stores.compression import Coding, CompressedResponse, expand
from asgi_cache.stores.packing import check_names, is_array, pack, shape, unpack
from asgi_cache.stores.template import Template, divided, read

_MAGIC: Final = b"AC\x04"
_PREFIX: Final = Struct(">I3sBI")
PREFIX_BYTES: Final = _PREFIX.size
_CHECKSUM: Final = Struct(">I")
_AFTER_CHECKSUM: Final = Struct(">3sBI")

_INDEX: Final = 0
_AS_IS: Final = int(Coding.AS_IS)
_CODINGS: Final = frozenset(map(int, Coding))

_BIRTH_BYTES: Final = 12
"""A position of a Redis stream does not fit 8 bytes."""
_NUMBERS: Final = Struct(f">16sIdfff{_BIRTH_BYTES}s")
"""The key, the body's length, when it was stored, age, lifetime and cost, and the birth."""
_KIND_AT: Final = 7

_FOR_EVER: Final = 1e38
"""Seconds; what is longer does not fit 4 bytes."""

_ARRAY_SHAPE: Final = (bytes, str, bytes)
"""Of what comes before the values: the template, the tags, the URL."""

_COMMON: Final = "tag:"
_OTHER: Final = "\x1f"
"""Stands before a tag of another kind; nothing that is printed begins with it."""

_STARTS: Final = ("http://", "https://", "data:", "")
"""How URLs begin; the last one fits all."""
_OWNED: Final = 0x80
_OWNER_BYTES: Final = 16

_SELECTOR_BYTES: Final = 16
_INDEX_SHAPE: Final = (bytes, tuple)
_VARIANT_SHAPES: Final = frozenset({(tuple, bytes, bytes), (tuple, bytes, type(None))})


def encode(record: Record) -> bytes:
    """Return *record* as bytes that `decode` turns into its equal."""
    if isinstance(record, StoredResponse):
        kind, head, body = _coding(record), _response_head(record), record.body
    else:
        kind, head, body = _INDEX, _index_head(record), b""
    prefix = _AFTER_CHECKSUM.pack(_MAGIC, kind, len(head))
    checksum = _CHECKSUM.pack(crc32(body, crc32(head, crc32(prefix))))
    return b"".join((checksum, prefix, head, body))


def decode(key: bytes, data: bytes) -> Record:
    """Return the record in *data*, which was found under *key*.

    Raises:
        CorruptRecord: It is no record, or was changed, or was stored under another key.
        Unreadable: Its body is compressed by a means that this process does not have.
    """
    if len(data) < PREFIX_BYTES:
        raise CorruptRecord("the record is cut short")
    checksum, magic, kind, head_bytes = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptRecord("the record has another schema, or is not ours")
    if crc32(memoryview(data)[_CHECKSUM.size :]) != checksum:
        raise CorruptRecord("the record does not match its checksum")
    body_at = PREFIX_BYTES + head_bytes
    if body_at > len(data):
        raise CorruptRecord("the head is longer than the record")
    if kind in _CODINGS:
        head = data[PREFIX_BYTES:body_at]
        return _response(key, head, lambda length: _body(kind, data[body_at:], length))[0]
    if kind == _INDEX and body_at == len(data):
        return _index(key, data)
    raise CorruptRecord("the record is of an unknown kind")


def head_bytes(data: bytes) -> int:
    """Return how many bytes of a record come before its body, as it says itself.

    Raises:
        CorruptRecord: It is none.
    """
    if len(data) < PREFIX_BYTES:
        raise CorruptRecord("the record is cut short")
    _, magic, _, length = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptRecord("the record has another schema, or is not ours")
    return PREFIX_BYTES + int(length)


def decode_head(key: bytes, data: bytes) -> Listed | None:
    """Return the response in the record that begins with *data*; nothing if it is an index.

    The checksum is of the whole record, so that accidents are not found: this is for people to
    look at, and not to be served.

    Raises:
        CorruptRecord: It cannot be one that was stored under *key*.
    """
    end = head_bytes(data)
    if data[_KIND_AT] not in _CODINGS:
        return None
    if end > len(data):
        raise CorruptRecord("the record is cut short")
    return Listed(*_response(key, data[PREFIX_BYTES:end], lambda _: b""))


def _coding(stored: StoredResponse) -> int:
    return stored.coding if isinstance(stored, CompressedResponse) else _AS_IS


def _response_head(stored: StoredResponse) -> bytes:
    length = stored.length if isinstance(stored, CompressedResponse) else len(stored.body)
    template, values = divided(stored, length)
    array = pack((template, _packed_tags(stored.tags), _packed_url(stored), *values))
    birth = stored.birth.to_bytes(_BIRTH_BYTES, "big")
    durations = [
        max(-_FOR_EVER, min(each, _FOR_EVER))
        for each in (stored.initial_age, stored.lifetime, stored.cost)
    ]
    return _NUMBERS.pack(stored.key, length, stored.stored_at, *durations, birth) + array


def _index_head(index: VariantIndex) -> bytes:
    variants = [(each.vary, each.selector, each.language_selector) for each in index.variants]
    return pack((index.key, variants))


def _response(key: bytes, head: bytes, body: Callable[[int], bytes]) -> tuple[StoredResponse, int]:
    """Return the response with such a head, and the length that *body* is to have."""
    if len(head) < _NUMBERS.size:
        raise CorruptRecord("the head is cut short")
    numbers = _NUMBERS.unpack_from(head)
    own_key, length, stored_at, initial_age, lifetime, cost, birth = numbers
    _check_key(own_key, key)
    if not (
        -inf < stored_at < inf
        and 0.0 <= initial_age < inf
        and -inf < lifetime < inf
        and 0.0 <= cost < inf
    ):
        raise CorruptRecord("the head has values out of range")
    template, tags, (url, owner), values = _parts(head[_NUMBERS.size :])
    stored = StoredResponse(
        key=key,
        status=template.status,
        fields=template.filled(values, length),
        body=body(length),
        stored_at=stored_at,
        initial_age=initial_age,
        lifetime=lifetime,
        added=template.added,
        stale_while_revalidate=template.stale_while_revalidate,
        stale_if_error=template.stale_if_error,
        must_validate=template.must_validate,
        must_revalidate=template.must_revalidate,
        shareable=template.shareable,
        etag=None if template.etag is None else values[template.etag],
        etag_is_ours=template.etag_is_ours,
        last_modified=None if template.last_modified is None else values[template.last_modified],
        cost=cost,
        tags=tags,
        log=template.log,
        birth=_birth(birth),
        url=url,
        owner=owner,
    )
    return stored, length


@lru_cache(256)
def _birth(packed: bytes) -> int:
    """Return one number for all that were born between two purges."""
    return int.from_bytes(packed, "big")


def _check_key(found: bytes, key: bytes) -> None:
    if found != key:
        raise CorruptRecord("the record was stored under another key")


def _parts(
    packed: bytes,
) -> tuple[Template, tuple[str, ...], tuple[str, bytes], tuple[Any, ...]]:
    array = unpack(packed)
    if shape(array[:3]) != _ARRAY_SHAPE:
        raise CorruptRecord("the head has values of other types")
    template, tags, url, *values = array
    known = read(template)
    return known, _read_tags(tags), _read_url(url), known.completed(tuple(values))


def _packed_tags(tags: tuple[str, ...]) -> str:
    """Write tags in lines, those of most kinds without the kind that most have."""
    return "\n".join(
        [
            tag[len(_COMMON) :] if tag.startswith(_COMMON) and tag != _COMMON else _OTHER + tag
            for tag in tags
        ]
    )


def _read_tags(lines: str) -> tuple[str, ...]:
    if not lines:
        return ()
    return tuple(
        [line[1:] if line.startswith(_OTHER) else _COMMON + line for line in lines.split("\n")]
    )


def _packed_url(stored: StoredResponse) -> bytes:
    """Write the URL: a letter for how it begins and whether it is somebody's, and the rest."""
    start = next(n for n, known in enumerate(_STARTS) if stored.url.startswith(known))
    rest = stored.url[len(_STARTS[start]) :].encode()
    letter = start | (_OWNED if stored.owner else 0)
    return bytes((letter,)) + stored.owner + rest


def _read_url(packed: bytes) -> tuple[str, bytes]:
    letter = packed[0] if packed else _OWNED
    owner = packed[1 : 1 + _OWNER_BYTES] if letter & _OWNED else b""
    start = letter & ~_OWNED
    if start >= len(_STARTS) or len(owner) != (_OWNER_BYTES if letter & _OWNED else 0):
        raise CorruptRecord("the head has no URL")
    try:
        rest = str(packed[1 + len(owner) :], "utf-8")
    except UnicodeDecodeError:
        raise CorruptRecord("the URL is no text") from None
    return _STARTS[start] + rest, owner


def _body(kind: int, body: bytes, length: int) -> bytes:
    if kind != _AS_IS:
        return expand(Coding(kind), body, length)
    if len(body) != length:
        raise CorruptRecord("the body has another length than its head says")
    return body


def _index(key: bytes, data: bytes) -> VariantIndex:
    values = unpack(data[PREFIX_BYTES:])
    if shape(values) != _INDEX_SHAPE:
        raise CorruptRecord("the head has values of other types")
    own_key, variants = values
    _check_key(own_key, key)
    return VariantIndex(key, tuple(map(_variant, variants)))


def _variant(packed: object) -> Variant:
    if not is_array(packed) or shape(packed) not in _VARIANT_SHAPES:
        raise CorruptRecord("a variant has values of other types")
    vary, selector, language_selector = packed
    check_names(vary)
    for digest in (selector, language_selector or selector):
        if len(digest) != _SELECTOR_BYTES:
            raise CorruptRecord("a variant's selector has another length")
    return Variant(vary, selector, language_selector)
