"""How plain values, as TOML and keyword arguments have them, become a dataclass's fields.

The dataclass is the one list of names, types and defaults; nothing here repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache, partial
from math import inf
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

from asgi_cache.errors import ConfigurationError
from asgi_cache.quantities import parse_duration, parse_size
from asgi_cache.wording import Unfit, nearest, shorten, suggest

Reader: TypeAlias = Callable[[object], object]
"""Returns what a value means, or raises `Unfit`."""

_STATUS: re.Pattern[str] = re.compile("[1-5][0-9][0-9]")
_FIELD_NAME: re.Pattern[str] = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+")


def readers_of(
    declared: type, classes: Mapping[str, float], special: Mapping[str, Reader]
) -> dict[str, Reader]:
    """Choose how each field of a dataclass is read: by its type, if not in *special*."""
    hints = _types_in(declared)
    return {
        field.name: _reader(hints[field.name], classes, special.get(field.name), field.repr)
        for field in fields(declared)
    }


@cache
def _types_in(declared: type) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields, which takes Python a millisecond to find out."""
    return MappingProxyType(get_type_hints(declared))


def read_fields(
    values: Mapping[str, object], readers: Mapping[str, Reader], *, where: str, kind: str
) -> dict[str, Any]:
    """Read every value with the reader of its name.

    Raises:
        ConfigurationError: A name is unknown, or a value unfit; it says *where*.
    """
    return {name: _read(name, value, readers, where, kind) for name, value in values.items()}


def read_each(value: object, reader: Reader) -> tuple[Any, ...]:
    """Read a list; a lone string is refused, as it could be meant as one or as several."""
    if not isinstance(value, list | tuple):
        raise Unfit(value, "is not a list")
    members = cast("Sequence[object]", value)
    return tuple(_read_member(members, member, reader) for member in members)


def read_text(value: object) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise Unfit(value, "is not a string")
    return value


def read_fraction(value: object) -> float:
    """Read a number from 0 to 1."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise Unfit(value, "is not a number from 0 to 1")


def read_factor(value: object) -> float:
    """Read a number that is not negative."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < inf:
        return float(value)
    raise Unfit(value, "is not a number from 0 up")


def read_count(value: object) -> int:
    """Read a whole number that is not negative, as such or in digits, as a variable has it."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Unfit(value, "is not a whole number from 0 up")


def read_field_name(value: object) -> str:
    """Read the name of a header field, into lower case (RFC 9110, section 5.1)."""
    if not isinstance(value, str) or not _FIELD_NAME.fullmatch(value):
        raise Unfit(value, "is not the name of a header field")
    return value.lower()


def read_field_names(value: object) -> tuple[str, ...]:
    """Read a list of names of header fields."""
    return read_each(value, read_field_name)


def read_table(value: object) -> Mapping[str, object]:
    """Read a mapping whose keys are strings."""
    if not isinstance(value, Mapping):
        raise Unfit(value, "is not a table")
    table = cast("Mapping[object, object]", value)
    if not all(isinstance(key, str) for key in table):
        raise Unfit(table, "has a key that is not a string")
    return cast("Mapping[str, object]", dict(table))


def bare_type(hint: object) -> object:
    """Return the type of a field without its ``None``."""
    kept = [member for member in get_args(hint) if member is not NoneType]
    return kept[0] if NoneType in get_args(hint) else hint


def _reader(
    hint: object, classes: Mapping[str, float], special: Reader | None, shown: bool
) -> Reader:
    reader = special or _reader_of_type(bare_type(hint), classes)
    if NoneType in get_args(hint):
        reader = partial(_read_optional, reader)
    return reader if shown else partial(_read_hidden, reader)


def _reader_of_type(hint: object, classes: Mapping[str, float]) -> Reader:
    if get_origin(hint) is Literal:
        return partial(_read_choice, get_args(hint))
    by_type: dict[object, Reader] = {
        bool: _read_bool,
        str: read_text,
        int: parse_size,
        float: partial(parse_duration, classes=classes),
        tuple[str, ...]: partial(read_each, reader=read_text),
        Mapping[str, object]: read_table,
        Mapping[int, float]: partial(_read_status_durations, classes=classes),
    }
    return by_type[hint]


def _read(name: str, value: object, readers: Mapping[str, Reader], where: str, kind: str) -> object:
    if name not in readers:
        raise ConfigurationError(f"{where}: unknown {kind} {name!r}{suggest(name, readers)}")
    try:
        return readers[name](value)
    except Unfit as error:
        shown = "" if isinstance(error, _UnfitSecret) else f"={shorten(value)}"
        raise ConfigurationError(f"{where}: {name}{shown} {error.why}") from None


class _UnfitSecret(Unfit):
    """A value that may hold a password; an error does not repeat it."""


def _read_hidden(reader: Reader, value: object) -> object:
    try:
        return reader(value)
    except Unfit as error:
        raise _UnfitSecret("...", error.why) from None


def _read_optional(reader: Reader, value: object) -> object:
    return None if value is None else reader(value)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit(value, "is not a boolean: write true or false")
    return value


def _read_choice(choices: tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in choices:
        raise Unfit(value, f"is not one of {', '.join(choices)}{nearest(value, choices)}")
    return value


def _read_status_durations(value: object, classes: Mapping[str, float]) -> dict[int, float]:
    if not isinstance(value, Mapping):
        raise Unfit(value, "is not a table of status codes and durations")
    table = cast("Mapping[object, object]", value)
    duration = partial(parse_duration, classes=classes)
    return {
        _read_member(table, status, _read_status): _read_member(table, ttl, duration)
        for status, ttl in table.items()
    }


def _read_status(value: object) -> int:
    if isinstance(value, bool) or not _STATUS.fullmatch(str(value)):
        raise Unfit(value, "is not a status code from 100 to 599")
    return int(str(value))


def _read_member(whole: object, member: object, reader: Reader) -> Any:
    try:
        return reader(member)
    except Unfit as error:
        raise Unfit(whole, f"holds {shorten(member)}, which {error.why}") from None
