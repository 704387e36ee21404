"""Writes dataclasses as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final

from asgi_cache.observe.histogram import Histogram

IN_DIGITS: Final[Mapping[str, bool]] = MappingProxyType({"in_digits": True})
"""Metadata of a field whose number is text in JSON: beyond 2**53 many readers lose its last digits.

They take numbers for IEEE 754 doubles (RFC 8259, section 6).
"""


def plain(value: Any) -> Any:
    """Return *value* as JSON has it: what it is made of, by name, and lists."""
    if isinstance(value, Histogram):
        return {"counts": list(value.counts), "sum": value.total}
    if is_dataclass(value):
        return {each.name: _plain_field(each, getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


def is_in_digits(field: Field[Any]) -> bool:
    """Whether JSON has the field's number as text; see `IN_DIGITS`."""
    return "in_digits" in field.metadata


def _plain_field(field: Field[Any], value: Any) -> Any:
    return str(value) if is_in_digits(field) else plain(value)
