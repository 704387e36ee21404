"""What the admin API answers, as dataclasses; they are JSON, and JSON Schema, of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.plain import is_in_digits

_PLAIN: Final[Mapping[object, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},  # which is infinite, or not known
    NoneType: {"type": "null"},
    Any: {},
}

_DIGITS: Final[Mapping[str, Any]] = {"type": "string", "pattern": "^[0-9]+$"}
"""A whole number that is larger than what every reader of JSON takes to be exact."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request cannot be answered."""

    error: str
    field: str | None
    """What of the request it is about."""


@dataclass(frozen=True, slots=True)
class StatedRule:
    """A rule, as far as it differs from one that says nothing."""

    pattern: str
    never: bool
    stated: dict[str, Any]
    said_by: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the mapping in their order, then those that handlers state."""

    rules: tuple[StatedRule, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored response, or value, without its body."""

    key: str
    url: str
    """With the part of the query that is in the key; ``data:KEY`` is a value."""
    route: str
    status: int
    age: float
    ttl: float
    """Seconds that it remains fresh; negative: it is stale."""
    stored_at: float
    size: int
    tags: tuple[str, ...]
    valid: bool
    """Nothing that was purged since it was made names it."""
    etag: str | None


@dataclass(frozen=True, slots=True)
class Entries:
    """Some of what is stored."""

    entries: tuple[Entry, ...]
    cursor: str | None
    """Where to go on; nothing: this was the end."""
    scanned: int
    """How many records were looked at."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of a request; see `Explanation`."""

    request: str
    rule: str
    key: tuple[tuple[str, ...], ...]
    partition: str
    tags: tuple[str, ...]
    passed: str | None
    found: str
    stored: bool
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class PastPurge:
    """A purge that was ordered in this process."""

    at: float
    named: dict[str, tuple[str, ...]]
    all_of: bool
    soft: bool
    by: str
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class PastPurges:
    """The latest ones, the newest first."""

    purges: tuple[PastPurge, ...]


@dataclass(frozen=True, slots=True)
class Purged:
    """What became of a purge, or would."""

    purged: bool = False
    matching: int | None = None
    """How many stored responses and values it would void; only counted in a dry run."""
    sample: tuple[str, ...] = ()
    """URLs of the first of them."""
    complete: bool | None = None
    """Whether all there is was looked at; as ``matching``, nothing where nothing was counted."""
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of one URL."""

    url: str
    stored: bool = False
    result: str | None = None
    status: int | None = None
    detail: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WarmedAll:
    """What became of all, in their order."""

    results: tuple[Warmed, ...]


@dataclass(frozen=True, slots=True)
class BreakerState:
    """The circuit breaker before the server that the store is in."""

    state: str | None
    """``closed``, ``open`` or ``half-open``; nothing: there is no server."""
    by_hand: bool
    """It was opened here, and is not tried for a while."""
    process: str
    """Whose it is."""


def schema_of(hint: Any) -> Any:
    """Return JSON Schema for what a type's values are in JSON."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is Histogram:
        return _object({"counts": {"type": "array", "items": {"type": "integer"}}, "sum": {}})
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return _object({each.name: _schema_of_field(each, hints) for each in fields(hint)})
    arguments = get_args(hint)
    if get_origin(hint) is UnionType:
        return {"anyOf": [schema_of(each) for each in arguments]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": schema_of(arguments[0])}
    return {"type": "object", "additionalProperties": schema_of(arguments[1])}


def _schema_of_field(field: Field[Any], hints: Mapping[str, Any]) -> Any:
    return dict(_DIGITS) if is_in_digits(field) else schema_of(hints[field.name])


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
