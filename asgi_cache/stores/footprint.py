"""What a record takes of a process's memory, in CPython on 64 bits.

What other records share with it is not counted: see `asgi_cache.policy.sharing`.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from asgi_cache.policy.fields import Field
from asgi_cache.policy.message import StoredResponse, Variant
from asgi_cache.policy.sharing import is_shared_name, unshared
from asgi_cache.stores.base import Record

RECORD_OVERHEAD: Final = 688
"""Bytes that a record takes besides what it is made of.

The record itself 208, its key 64, its numbers 160, what `S3Fifo` keeps of it 112, its place in
a dictionary at most 120, and 24 for a ghost and what lies idle.
"""

_STEP: Final = 16
"""Memory is given out in multiples of so many bytes."""


def size_of(record: Record) -> int:
    """Return how many bytes of memory *record* is counted as: not less than it takes."""
    if not isinstance(record, StoredResponse):
        return RECORD_OVERHEAD + sum(map(_size_of_variant, record.variants))
    return (
        RECORD_OVERHEAD
        + _taken(record.body)
        + _taken(record.fields)
        + sum(map(_size_of_field, unshared(record.fields)))
        + _taken(record.url)
        + (_taken(record.owner) if record.owner else 0)
        + _taken(record.tags)
        + sum(map(_taken, record.tags))
    )


def _taken(value: object) -> int:
    return getsizeof(value) + _STEP - 1 & -_STEP


def _size_of_field(field: Field) -> int:
    name, value = field
    return _taken(field) + (0 if is_shared_name(name) else _taken(name)) + _taken(value)


def _size_of_variant(variant: Variant) -> int:
    digests = filter(None, (variant.selector, variant.language_selector))
    return _taken(variant) + _taken(variant.vary) + sum(map(_taken, (*variant.vary, *digests)))
