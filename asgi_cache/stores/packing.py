"""Plain values as msgpack, and how little of what comes back is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeGuard

import msgpack  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from asgi_cache.errors import CorruptRecord

_msgpack: Any = msgpack
"""It is not typed."""

_NAME_BYTES: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
"""Of which the names of fields are made (``token``, RFC 9110, section 5.6.2), in lower case."""
_LINE_BREAKS: Final = b"\r\n\0"


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
    if not is_array(values):
        raise CorruptRecord("it is not a msgpack array")
    return values


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    """Refuse even one that is empty, to which the limit does not apply."""
    raise ValueError(f"extension type {code} with {len(data)} bytes")


def is_array(value: object) -> TypeGuard[tuple[Any, ...]]:
    """Whether *value* was unpacked from an array."""
    return isinstance(value, tuple)


def shape(values: tuple[Any, ...]) -> tuple[type, ...]:
    """Return the types of *values*."""
    return tuple(map(type, values))


def check_names(names: tuple[Any, ...]) -> None:
    """See that *names* are names of fields.

    Raises:
        CorruptRecord: One of them is not.
    """
    if _without(_NAME_BYTES, names) or b"" in names:
        raise CorruptRecord("a field's name is not a lower-case token")


def check_values(values: tuple[Any, ...]) -> None:
    """See that no server could take one of *values* for more than one field.

    All are looked at in one go: a hit has no time for a loop over its fields.

    Raises:
        CorruptRecord: One could be.
    """
    if len(_without(_LINE_BREAKS, values)) != sum(map(len, values)):
        raise CorruptRecord("a field's value has a line break or NUL in it")


def _without(unwanted: bytes, values: tuple[Any, ...]) -> bytes:
    try:
        return b"".join(values).translate(None, unwanted)
    except TypeError:
        raise CorruptRecord("a value is not a byte string") from None
