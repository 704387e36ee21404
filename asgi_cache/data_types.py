"""Values as bytes: msgpack, with the types that it lacks, and those that an app has listed.

What is read comes from a store that others may write to. It is turned into plain values, into
the types of the standard library below, or into a type of the app's own that was listed; no
name that is read leads to anything else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgpack  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from asgi_cache.errors import ConfigurationError, CorruptRecord, UnsupportedValue
from asgi_cache.wording import shorten

T = TypeVar("T")

_msgpack: Any = msgpack
"""It is not typed."""

_LISTED: Final = 0
"""The extension type of the app's own types; the others are in the order of `_BUILT_IN`."""


@dataclass(frozen=True, slots=True)
class DataType(Generic[T]):
    """How values of one type are stored.

    *pack* makes plain values of one, or values of other types that can be stored; *unpack*
    makes an equal one of these.
    """

    type: type[T]
    pack: Callable[[T], Any]
    unpack: Callable[[Any], T]

    @property
    def name(self) -> str:
        """What the type is called in the store."""
        return f"{self.type.__module__}.{self.type.__qualname__}"


_BUILT_IN: Final[tuple[DataType[Any], ...]] = (
    DataType(tuple, list, tuple),
    DataType(set, lambda members: sorted(members, key=repr), set),
    DataType(frozenset, lambda members: sorted(members, key=repr), frozenset),
    DataType(datetime, datetime.isoformat, datetime.fromisoformat),
    DataType(date, date.isoformat, date.fromisoformat),
    DataType(time, time.isoformat, time.fromisoformat),
    DataType(timedelta, lambda t: [t.days, t.seconds, t.microseconds], lambda t: timedelta(*t)),
    DataType(Decimal, str, Decimal),
    DataType(UUID, lambda each: each.bytes, lambda each: UUID(bytes=each)),
    DataType(int, str, int),  # those that do not fit into 64 bits
)
"""To change their order is to change what stored values mean."""


class DataTypes:
    """Packs and unpacks values of plain types, of `_BUILT_IN` and of *listed* ones.

    *listed* are dataclasses, classes of attrs, Pydantic models, named tuples and enumerations,
    or a `DataType` for anything else.

    Raises:
        ConfigurationError: How a listed type is stored has to be said.
    """

    def __init__(self, listed: Iterable[type | DataType[Any]] = ()) -> None:
        own = [each if isinstance(each, DataType) else data_type(each) for each in listed]
        self._own: Mapping[str, DataType[Any]] = {each.name: each for each in own}
        self._codes = {each.type: (code, each) for code, each in enumerate(_BUILT_IN, 1)}
        self._codes |= {each.type: (_LISTED, each) for each in own}

    def pack(self, value: object) -> bytes:
        """Return *value* as bytes.

        Raises:
            UnsupportedValue: There is something in it that cannot be stored.
        """
        try:
            packed: bytes = _msgpack.packb(value, default=self._extension, strict_types=True)
        except (OverflowError, RecursionError, ValueError, UnicodeError) as error:
            raise UnsupportedValue(f"{shorten(value)} cannot be stored: {error}") from None
        return packed

    def unpack(self, packed: bytes) -> Any:
        """Return the value that *packed* was made of.

        Raises:
            CorruptRecord: It is nothing that this process can read.
        """
        try:
            return _msgpack.unpackb(packed, strict_map_key=False, ext_hook=self._read_extension)
        except CorruptRecord:
            raise
        except Exception as error:
            raise CorruptRecord(f"it is not a value that is known here: {error}") from error

    def _extension(self, value: object) -> object:
        code, each = self._codes.get(type(value), (None, None))
        if each is None:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise UnsupportedValue(
                f"{shorten(value)} is a {kind}, and nobody said how that is stored: "
                "list the type in Cache(types=[...])"
            )
        plain = each.pack(value)
        content = plain if code != _LISTED else [each.name, plain]
        return _msgpack.ExtType(code, self.pack(content))

    def _read_extension(self, code: int, packed: bytes) -> Any:
        content = self.unpack(packed)
        if code == _LISTED:
            name, plain = content
            return self._own[name].unpack(plain)
        return _BUILT_IN[code - 1].unpack(content)


def data_type(cls: type) -> DataType[Any]:
    """Return how values of *cls* are stored, where that can be seen from the class.

    Raises:
        ConfigurationError: It cannot.
    """
    if issubclass(cls, Enum):
        return DataType(cls, lambda member: member.name, cls.__getitem__)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return DataType(cls, list, lambda values: cls(*values))
    if dataclasses.is_dataclass(cls):
        return _by_fields(cls, {f.name: f.name for f in dataclasses.fields(cls) if f.init})
    if hasattr(cls, "__attrs_attrs__"):
        fields = [field for field in cls.__attrs_attrs__ if field.init]
        return _by_fields(cls, {field.name: field.alias for field in fields})
    if hasattr(cls, "model_dump_json") and hasattr(cls, "model_validate_json"):
        return _by_json(cls)
    raise ConfigurationError(
        f"types: {shorten(cls)} is no dataclass, attrs class, Pydantic model, named tuple or "
        "enumeration: say how it is stored with a DataType"
    )


def _by_fields(cls: type, arguments: Mapping[str, str]) -> DataType[Any]:
    """Store the values of fields, by which instances are made again; *arguments* names both."""

    def pack(value: Any) -> dict[str, Any]:
        return {argument: getattr(value, name) for name, argument in arguments.items()}

    return DataType(cls, pack, lambda fields: cls(**fields))


def _by_json(cls: Any) -> DataType[Any]:
    """Store what Pydantic makes of a model, which it validates when it is read."""
    return DataType(
        cls,
        lambda model: model.model_dump_json(round_trip=True),
        lambda text: cls.model_validate_json(text, by_alias=False, by_name=True),
    )
