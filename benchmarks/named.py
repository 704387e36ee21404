"""Results as JSON has them."""

from __future__ import annotations

from typing import Any


def named(value: Any) -> Any:
    """Return *value* with names in place of positions."""
    if isinstance(value, list):
        return [named(each) for each in value]
    if isinstance(value, dict):
        return {name: named(each) for name, each in value.items()}
    if hasattr(value, "_asdict"):
        return named(value._asdict())
    return value
