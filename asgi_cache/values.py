"""Values: what is compared by what it holds, and changed by nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make *cls* a dataclass that type checkers take for frozen.

    At run time it is not, since a frozen one takes four times as long to make, and each
    request that is not a hit makes a dozen.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
