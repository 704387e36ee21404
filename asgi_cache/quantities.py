"""Durations and sizes as people write them: ``"1h30m"``, ``"semi-static"``, ``"64kb"``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from asgi_cache.wording import Unfit, nearest, shorten

VOLATILITY: Final[Mapping[str, float]] = MappingProxyType(
    {"static": 12 * 3600.0, "semi-static": 15 * 60.0, "dynamic": 2 * 60.0}
)
"""Durations in seconds by how often what they are for changes."""

NEVER: Final = "never"
"""What a rule says in place of a duration to store nothing; no class can have that name."""

_SECONDS: Final = {
    "w": 7 * 86400.0,
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 0.001,
}
_DECIMAL: Final = r"[0-9]+(?:\.[0-9]+)?"
_PLAIN_NUMBER: Final = re.compile(_DECIMAL)
_WITH_UNITS: Final = re.compile("".join(rf"(?:(?P<{unit}>{_DECIMAL}){unit})?" for unit in _SECONDS))

_KIB: Final = 1024
_BYTES: Final = {
    "": 1,
    "b": 1,
    "kb": _KIB,
    "kib": _KIB,
    "mb": _KIB**2,
    "mib": _KIB**2,
    "gb": _KIB**3,
    "gib": _KIB**3,
}
_SIZE: Final = re.compile(r"(?P<number>[0-9]{1,18})(?P<unit>[a-z]*)", re.IGNORECASE)


def parse_duration(value: object, classes: Mapping[str, float] = VOLATILITY) -> float:
    """Read a duration in seconds: a number, a ``timedelta``, a string, a volatility class.

    Units go from large to small and each occurs once, so that ``"1h30"`` or ``"5m5m"``,
    which are more likely slips than intentions, are refused.

    Raises:
        ConfigurationError: It is none of these, or negative, or not finite.
    """
    seconds = _seconds(value, classes)
    if seconds is None:
        raise Unfit(value, _not_a_duration(value, classes))
    if not 0 <= seconds < math.inf:
        raise Unfit(value, "is not a duration: it must be finite and not negative")
    return seconds


def worded_duration(seconds: float) -> str:
    """Write a duration as short as it can be read."""
    if not seconds:
        return "0 s"
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if abs(seconds) >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds * 1000:.3g} ms"


def worded_size(size: float) -> str:
    """Write a number of bytes as short as it can be read."""
    for unit, length in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size:.0f} B"


def parse_size(value: object) -> int:
    """Read a size in bytes: a number, or a string such as ``"64kb"``; a kb is 1024 bytes.

    Raises:
        ConfigurationError: It is neither, or negative.
    """
    if isinstance(value, str):
        parts = _SIZE.fullmatch(value)
        if parts and parts["unit"].lower() in _BYTES:
            return int(parts["number"]) * _BYTES[parts["unit"].lower()]
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Unfit(
        value,
        "is not a size: write bytes, or a whole number with a unit such as '64kb', '8mb' or '1gb'",
    )


def volatility_classes(own: Mapping[str, object]) -> Mapping[str, float]:
    """Join the user's *own* volatility classes with the built-in ones, which they may override.

    Raises:
        ConfigurationError: A name would hide a duration, or its value is not one.
    """
    classes = dict(VOLATILITY)
    for name, value in own.items():
        _check_class_name(own, name)
        try:
            classes[name] = parse_duration(value)
        except Unfit as error:
            raise Unfit(own, f"says {name!r} is {shorten(value)}, which {error.why}") from None
    return classes


def _seconds(value: object, classes: Mapping[str, float]) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return _finite_or_negative(value)
        case timedelta():
            return value.total_seconds()
        case str():
            return classes[value] if value in classes else _written_seconds(value)
        case _:
            return None


def _finite_or_negative(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int too large for any float
        return math.inf


def _written_seconds(text: str) -> float | None:
    if _PLAIN_NUMBER.fullmatch(text):
        return float(text)
    parts = _WITH_UNITS.fullmatch(text)
    if not text or parts is None:
        return None
    return math.fsum(
        float(number) * _SECONDS[unit] for unit, number in parts.groupdict("0").items()
    )


def _not_a_duration(value: object, classes: Mapping[str, float]) -> str:
    return (
        "is not a duration: write seconds, or a number with a unit such as '90s', '2m', "
        f"'1h30m', or one of {', '.join(classes)}{nearest(value, classes)}"
    )


def _check_class_name(own: Mapping[str, object], name: object) -> None:
    if not isinstance(name, str) or not name:
        raise Unfit(own, f"has the name {shorten(name)}, which is not a word")
    if name == NEVER or _written_seconds(name) is not None:
        raise Unfit(own, f"has the name {name!r}, which has a meaning already")
