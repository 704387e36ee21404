"""Writes dataclasses as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from asgi_cache.observe.histogram import Histogram


def plain(value: Any) -> Any:
    """Return *value* as JSON has it: what it is made of, by name, and lists."""
    if isinstance(value, Histogram):
        return {"counts": list(value.counts), "sum": value.total}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value
