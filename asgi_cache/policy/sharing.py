"""Fields that many responses have in common, kept once for all of them.

A small response is little more than its head, and most of a head is the same in every
response of its route. Records are immutable, so that they may share what they are made of.
"""

from __future__ import annotations

from typing import Final

from asgi_cache.policy.fields import Field, Fields

REPEATED: Final = frozenset(
    {
        b"accept-ranges",
        b"access-control-allow-credentials",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"alt-svc",
        b"cache-control",
        b"cdn-cache-control",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"cross-origin-embedder-policy",
        b"cross-origin-opener-policy",
        b"cross-origin-resource-policy",
        b"permissions-policy",
        b"referrer-policy",
        b"server",
        b"strict-transport-security",
        b"timing-allow-origin",
        b"vary",
        b"via",
        b"x-content-type-options",
        b"x-dns-prefetch-control",
        b"x-frame-options",
        b"x-permitted-cross-domain-policies",
        b"x-powered-by",
        b"x-robots-tag",
        b"x-xss-protection",
    }
)
"""Names of fields whose value says more of the app than of the one response."""

LONGEST: Final = 128
"""Bytes of a value, or of a name, beyond which it is not shared."""

LIMIT: Final = 1024
"""Fields, and names, that are shared at once; beyond that all begin anew."""

_fields: Final[dict[Field, Field]] = {}
_names: Final[dict[bytes, bytes]] = {}


def is_repeated(name: bytes, value: bytes) -> bool:
    """Whether other responses probably have this very field."""
    return name in REPEATED and len(value) <= LONGEST


def shared(field: Field) -> Field:
    """Return *field*, or its equal that other responses have; or at least with their name."""
    found = _fields.get(field)
    if found is not None:
        return found
    name, value = field
    if is_repeated(name, value):
        if len(_fields) >= LIMIT:
            _fields.clear()
        _fields[field] = field
        return field
    return field if (known := _shared_name(name)) is name else (known, value)


def all_shared(fields: Fields) -> tuple[Field, ...]:
    """Return *fields*, each as `shared` has it."""
    return tuple([_fields.get(field) or shared(field) for field in fields])


def unshared(fields: Fields) -> list[Field]:
    """Return those of *fields* that no other record has."""
    return [field for field in fields if _fields.get(field) is not field]


def _shared_name(name: bytes) -> bytes:
    found = _names.get(name)
    if found is not None:
        return found
    if len(name) <= LONGEST:
        if len(_names) >= LIMIT:
            _names.clear()
        _names[name] = name
    return name


def is_shared_name(name: bytes) -> bool:
    """Whether it is this very *name*."""
    return _names.get(name) is name
