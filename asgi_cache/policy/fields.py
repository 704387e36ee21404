"""How field lines are read and written, whatever a field means (RFC 9110, section 5).

Nothing here raises for what a peer sent, and everything takes time linear in it:
field values come from clients, who are hostile, and from apps, who are careless.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final, TypeAlias

Field: TypeAlias = tuple[bytes, bytes]
"""A field line: its name and its value."""

Fields: TypeAlias = Sequence[Field]
"""Header field lines as ASGI has them: lower-case names, order and repeats kept."""

LONGEST_DELTA = 2**31
"""The delta-seconds that stand for any longer time (RFC 9111, section 1.2.2)."""

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""The pattern of a token (section 5.6.2), to build others from."""

name_of: Final = itemgetter(0)
"""Returns the name of a field line."""

_OWS = b" \t"
_TOKEN = re.compile(TOKEN)
_UNSAFE = re.compile(rb"[\r\n\0]")
# Each alternative is told by its first byte, and a missing closing quote is no
# failure, so that the pattern never has to look at a byte twice.
_MEMBER = re.compile(rb'(?:[^",]+|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {month.lower().encode(): number for number, month in enumerate(_MONTHS, 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


def _date_forms() -> tuple[re.Pattern[bytes], ...]:
    """Compile the three forms of a date; case is of no account in any of them."""
    day = "|".join(name[:3] for name in _WEEKDAYS)
    full_day = "|".join(_WEEKDAYS)
    month = f"(?P<month>{'|'.join(_MONTHS)})"
    clock = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>[0-5]\d|60)"
    forms = (
        rf"(?:{day}), (?P<day>\d\d) {month} (?P<year>\d{{4}}) {clock} GMT",
        rf"(?:{full_day}), (?P<day>\d\d)-{month}-(?P<year>\d\d) {clock} GMT",
        rf"(?:{day}) {month} (?P<day>\d\d| \d) {clock} (?P<year>\d{{4}})",
    )
    return tuple(re.compile(form.encode(), re.IGNORECASE) for form in forms)


_DATE_FORMS = _date_forms()


def lines(fields: Fields, name: bytes) -> list[bytes]:
    """Return the values of all field lines called *name*, in their order."""
    return [value for line, value in fields if line == name]


def combined(fields: Fields, name: bytes) -> bytes | None:
    """Return the field's value, its lines joined by commas (section 5.3); ``None`` if absent."""
    if name not in map(name_of, fields):
        return None
    values = [value for line, value in fields if line == name]
    if len(values) == 1:
        return values[0]
    return b", ".join(values)


def has_any(fields: Fields, names: AbstractSet[bytes]) -> bool:
    """Whether there is a field line with one of *names*."""
    return not names.isdisjoint(map(name_of, fields))


def members(value: bytes) -> list[bytes]:
    """Split a list at the commas that are outside quoted strings (section 5.6.1).

    Empty members are dropped. A quote that is never closed swallows the rest, so
    that nothing inside it can pass for a member.
    """
    found: list[bytes] = _MEMBER.findall(value) if b'"' in value else value.split(b",")
    return [member for member in (part.strip(_OWS) for part in found) if member]


def vary_names(fields: Fields) -> tuple[bytes, ...]:
    """Return the names in ``Vary``, in lower case, sorted, each once (section 12.5.5)."""
    value = combined(fields, b"vary")
    return tuple(sorted({name.lower() for name in members(value)})) if value else ()


def is_token(value: bytes) -> bool:
    """Whether *value* is a token (section 5.6.2)."""
    return _TOKEN.fullmatch(value) is not None


def is_field_value(value: bytes) -> bool:
    """Whether *value* can be sent without ending its line early (section 5.5)."""
    return _UNSAFE.search(value) is None


def parse_delta_seconds(value: bytes) -> int | None:
    """Read a number of seconds, at most `LONGEST_DELTA` (RFC 9111, section 1.2.2)."""
    if not value.isdigit():
        return None
    digits = value.lstrip(b"0") or b"0"
    if len(digits) > len(str(LONGEST_DELTA)):
        return LONGEST_DELTA
    return min(int(digits), LONGEST_DELTA)


def parse_date(value: bytes, now: float) -> float | None:
    """Read a date in any of its three forms, in seconds since the epoch (section 5.6.7).

    Only letter case is forgiven: what deviates otherwise may mean another time than
    it seems to, and a date that is not valid counts as past where it matters.
    *now* decides the century of a two-digit year.
    """
    value = value.strip(_OWS)
    for form in _DATE_FORMS:
        if match := form.fullmatch(value):
            return _instant(match, now)
    return None


def _instant(match: re.Match[bytes], now: float) -> float | None:
    year, day, hour, minute, second = map(
        int, match.group("year", "day", "hour", "minute", "second")
    )
    month = _MONTH_NUMBERS[match["month"].lower()]
    if len(match["year"]) == 2:
        year = _full_year((year, month, day, hour, minute, second), now)
    try:
        start = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    # A leap second, :60, is the first of the next minute.
    return (start - _EPOCH).total_seconds() + second


def _full_year(date: tuple[int, int, int, int, int, int], now: float) -> int:
    """Choose the latest century that puts *date* no more than 50 years after *now*."""
    today = _datetime(now)
    year, *rest = date
    year += (today.year + 50) // 100 * 100
    limit = (today.year + 50, *today.timetuple()[1:6])
    return year - 100 if (year, *rest) > limit else year


def format_date(instant: float) -> bytes:
    """Write *instant*, in seconds since the epoch, as an IMF-fixdate (section 5.6.7)."""
    date = _datetime(instant)
    # strftime would ask the locale, and does not pad years on every platform.
    weekday, month = _WEEKDAYS[date.weekday()][:3], _MONTHS[date.month - 1]
    clock = f"{date.hour:02}:{date.minute:02}:{date.second:02}"
    return f"{weekday}, {date.day:02} {month} {date.year:04} {clock} GMT".encode()


def _datetime(instant: float) -> datetime:
    """Return *instant* to the second, or the nearest one that has a date."""
    return _EPOCH + timedelta(seconds=min(max(instant, _EARLIEST), _LATEST) // 1)
