"""Field values are read as RFC 9110 has them, and nothing that a peer sends is too much."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.fields import (
    LONGEST_DELTA,
    combined,
    format_date,
    has_any,
    is_field_value,
    is_token,
    lines,
    members,
    parse_date,
    parse_delta_seconds,
    vary_names,
)

FIELDS = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3, 4"), (b"c", b"")]
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()
EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
MEGABYTE = 2**20
DIGITS = b"0123456789"


def at(*date: int) -> float:
    """Return a date in UTC as seconds since the epoch."""
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def test_lines_keep_their_order_and_repeats() -> None:
    """Each line of a field is a value of its own."""
    assert lines(FIELDS, b"a") == [b"1", b"3, 4"]
    assert lines(FIELDS, b"d") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(b"a", b"1, 3, 4", id="several-lines"),
        pytest.param(b"b", b"2", id="one-line"),
        pytest.param(b"c", b"", id="empty"),
        pytest.param(b"d", None, id="absent"),
    ],
)
def test_lines_combine_to_one_value(name: bytes, expected: bytes | None) -> None:
    """The lines of a field are one list, and an empty field is not an absent one."""
    assert combined(FIELDS, name) == expected


def test_one_field_of_several_is_enough() -> None:
    """Whether there is one is asked for many requests that have none."""
    assert has_any(FIELDS, {b"d", b"c"})
    assert not has_any(FIELDS, {b"d", b"1"})
    assert not has_any([], {b"a"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"a, b,c", [b"a", b"b", b"c"], id="plain"),
        pytest.param(b" \ta \t,\tb ", [b"a", b"b"], id="whitespace"),
        pytest.param(b",, a ,\t, b,", [b"a", b"b"], id="empty-members"),
        pytest.param(b"", [], id="empty"),
        pytest.param(b" , ", [], id="nothing-but-commas"),
        pytest.param(b'a="x, y", b', [b'a="x, y"', b"b"], id="comma-in-quotes"),
        pytest.param(rb'a="x\", y", b', [rb'a="x\", y"', b"b"], id="escaped-quote"),
        pytest.param(rb'a="x\\", b', [rb'a="x\\"', b"b"], id="escaped-backslash"),
        pytest.param(b'a="", b', [b'a=""', b"b"], id="empty-quotes"),
        pytest.param(b'a, b="c, d', [b"a", b'b="c, d'], id="quote-never-closed"),
        pytest.param(b'a, b="c, d\\', [b"a", b'b="c, d\\'], id="ends-in-a-backslash"),
        pytest.param(b"a='b, c'", [b"a='b", b"c'"], id="single-quotes-are-none"),
        pytest.param(rb"a\, b", [b"a\\", b"b"], id="backslash-outside-quotes"),
        pytest.param(b'"a\nb,c", d', [b'"a\nb,c"', b"d"], id="newline-in-quotes"),
        pytest.param(b'"a\\\n,b", d', [b'"a\\\n,b"', b"d"], id="newline-escaped"),
    ],
)
def test_members_are_what_is_between_commas_outside_quotes(
    value: bytes, expected: list[bytes]
) -> None:
    """A list is split at its commas, but never inside a quoted string."""
    assert members(value) == expected


@given(st.lists(st.from_regex(rb'[a-z]+(="([^"\\\x00-\x1f]|\\.)*")?', fullmatch=True)))
def test_members_are_found_again(parts: list[bytes]) -> None:
    """Whatever the members of a list contain, joining and splitting gives them back."""
    assert members(b" , ".join(parts)) == parts


@given(st.text(alphabet='a,"\\ \t').map(str.encode) | st.binary())
def test_members_lose_nothing_but_commas_and_whitespace(value: bytes) -> None:
    """No input makes bytes vanish: only separators do."""
    kept = b"".join(members(value))
    assert kept.translate(None, b", \t") == value.translate(None, b", \t")


@pytest.mark.parametrize("unit", [b",", b'"', b"\\", b'"\\', b'",', b'a="b', b" "])
def test_a_megabyte_is_split_in_linear_time(unit: bytes) -> None:
    """A value made to be slow is not: quadratic time would exceed any timeout."""
    assert len(members(b'"' + unit * (MEGABYTE // len(unit)))) <= MEGABYTE


@pytest.mark.parametrize(
    ("value", "names"),
    [
        pytest.param([], (), id="absent"),
        pytest.param([b""], (), id="empty"),
        pytest.param([b"Accept"], (b"accept",), id="lower-case"),
        pytest.param([b"b, a,B"], (b"a", b"b"), id="sorted-and-each-once"),
        pytest.param([b"b", b"a"], (b"a", b"b"), id="several-lines"),
        pytest.param([b"*"], (b"*",), id="star"),
    ],
)
def test_vary_names(value: list[bytes], names: tuple[bytes, ...]) -> None:
    """However an app writes Vary, the same names give the same key (section 12.5.5)."""
    assert vary_names([(b"vary", line) for line in value]) == names


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"0", 0, id="zero"),
        pytest.param(b"60", 60, id="plain"),
        pytest.param(b"003600", 3600, id="leading-zeros"),
        pytest.param(b"2147483647", 2**31 - 1, id="just-below-the-limit"),
        pytest.param(b"2147483648", LONGEST_DELTA, id="at-the-limit"),
        pytest.param(b"2147483649", LONGEST_DELTA, id="beyond-the-limit"),
        pytest.param(b"99999999999", LONGEST_DELTA, id="far-beyond"),
        pytest.param(b"9" * MEGABYTE, LONGEST_DELTA, id="a-megabyte-of-digits"),
        pytest.param(b"0" * MEGABYTE + b"7", 7, id="a-megabyte-of-zeros"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"-1", None, id="negative"),
        pytest.param(b"+1", None, id="signed"),
        pytest.param(b"1.5", None, id="decimal"),
        pytest.param(b"1e3", None, id="exponent"),
        pytest.param(b" 1", None, id="leading-space"),
        pytest.param(b"1_000", None, id="underscore"),
        pytest.param(b"1a", None, id="trailing-junk"),
        pytest.param(b"1, 2", None, id="two"),
        pytest.param("\u0663".encode(), None, id="digit-of-another-script"),
        pytest.param(b"\xb2", None, id="superscript"),
    ],
)
def test_delta_seconds_are_digits_alone(value: bytes, expected: int | None) -> None:
    """Only ASCII digits are a number of seconds, and a large one stands for forever."""
    assert parse_delta_seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE, id="imf-fixdate"),
        pytest.param(b"Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE, id="rfc850"),
        pytest.param(b"Sun Nov  6 08:49:37 1994", EXAMPLE, id="asctime"),
        pytest.param(b"Sun Nov 06 08:49:37 1994", EXAMPLE, id="asctime-two-digit-day"),
        pytest.param(b"sUN, 06 nOV 1994 08:49:37 gmt", EXAMPLE, id="any-case"),
        pytest.param(b" Sun, 06 Nov 1994 08:49:37 GMT\t", EXAMPLE, id="whitespace-around"),
        pytest.param(b"Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE, id="another-weekday"),
        pytest.param(b"Thu, 01 Jan 1970 00:00:00 GMT", 0, id="epoch"),
        pytest.param(b"Wed, 31 Dec 1969 23:59:59 GMT", -1, id="before-the-epoch"),
        pytest.param(b"Mon, 01 Jan 0001 00:00:00 GMT", at(1, 1, 1), id="first-year"),
        pytest.param(
            b"Fri, 31 Dec 9999 23:59:59 GMT", at(9999, 12, 31, 23, 59, 59), id="last-year"
        ),
        pytest.param(b"Sat, 31 Dec 2016 23:59:60 GMT", at(2017, 1, 1), id="leap-second"),
        pytest.param(b"Thu, 29 Feb 2024 00:00:00 GMT", at(2024, 2, 29), id="leap-day"),
    ],
)
def test_dates_have_three_forms(value: bytes, expected: float) -> None:
    """All three forms of a date are read, in any letter case."""
    assert parse_date(value, NOW) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"0", id="zero"),
        pytest.param(b"784111777", id="epoch-seconds"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 UTC", id="utc"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 AEST", id="another-zone"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 +0000", id="numeric-zone"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37", id="no-zone"),
        pytest.param(b"06 Nov 1994 08:49:37 GMT", id="no-weekday"),
        pytest.param(b"Sun 06 Nov 1994 08:49:37 GMT", id="no-comma"),
        pytest.param(b"Sun, 06  Nov 1994 08:49:37 GMT", id="two-spaces"),
        pytest.param(b"Sun, 06-Nov-1994 08:49:37 GMT", id="dashes"),
        pytest.param(b"Sunday, 06-Nov-1994 08:49:37 GMT", id="rfc850-four-digit-year"),
        pytest.param(b"Sun, 06 Nov 94 08:49:37 GMT", id="two-digit-year"),
        pytest.param(b"Sun, 06 Nov 1994 08.49.37 GMT", id="periods"),
        pytest.param(b"Sun, 06 Nov 1994 8:49:37 GMT", id="one-digit-hour"),
        pytest.param(b"Sun, 6 Nov 1994 08:49:37 GMT", id="one-digit-day"),
        pytest.param(b"Sun Nov 6 08:49:37 1994", id="asctime-unpadded-day"),
        pytest.param(b"Sun, 06 Nov 1994 08:49 GMT", id="no-seconds"),
        pytest.param(b"Sun, 06 Nov 1994 24:00:00 GMT", id="hour-24"),
        pytest.param(b"Sun, 06 Nov 1994 08:60:00 GMT", id="minute-60"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:61 GMT", id="second-61"),
        pytest.param(b"Mon, 31 Feb 1994 08:49:37 GMT", id="31-february"),
        pytest.param(b"Wed, 29 Feb 2023 08:49:37 GMT", id="no-leap-year"),
        pytest.param(b"Sun, 00 Nov 1994 08:49:37 GMT", id="day-0"),
        pytest.param(b"Sun, 06 Nov 0000 08:49:37 GMT", id="year-0"),
        pytest.param(b"Xyz, 06 Nov 1994 08:49:37 GMT", id="no-such-weekday"),
        pytest.param(b"Sun, 06 Xyz 1994 08:49:37 GMT", id="no-such-month"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT, x", id="list"),
        pytest.param(
            "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT".encode(), id="digits-of-another-script"
        ),
        pytest.param(b"\xff\x00", id="binary"),
    ],
)
def test_what_is_no_date_is_none(value: bytes) -> None:
    """What deviates from the forms may mean another time than it seems to, so it means none."""
    assert parse_date(value, NOW) is None


@pytest.mark.parametrize(
    ("now", "year", "expected"),
    [
        pytest.param(at(2026, 3, 1), b"26", 2026, id="this-year"),
        pytest.param(at(2026, 3, 1), b"75", 2075, id="in-49-years"),
        pytest.param(at(2026, 3, 1), b"76", 2076, id="in-50-years-to-the-second"),
        pytest.param(at(2026, 2, 28, 23, 59, 59), b"76", 1976, id="in-50-years-and-a-second"),
        pytest.param(at(2026, 3, 1), b"77", 1977, id="in-51-years"),
        pytest.param(at(2026, 3, 1), b"00", 2000, id="this-century"),
        pytest.param(at(2099, 3, 1), b"01", 2101, id="next-century"),
        pytest.param(at(1999, 3, 1), b"49", 2049, id="next-century-in-50-years"),
        pytest.param(at(1999, 3, 1), b"50", 1950, id="next-century-in-51-years"),
    ],
)
def test_two_digit_years_are_at_most_50_years_ahead(now: float, year: bytes, expected: int) -> None:
    """A year that seems to be more than 50 years in the future is a past one."""
    assert parse_date(b"Monday, 01-Mar-%b 00:00:00 GMT" % year, now) == at(expected, 3, 1)


def test_a_two_digit_year_may_lie_outside_the_calendar() -> None:
    """At the very end of the calendar there is no later century to choose from."""
    assert parse_date(b"Monday, 01-Mar-01 00:00:00 GMT", at(9999, 1, 1)) is None


@given(st.integers(int(at(1, 1, 1)), int(at(9999, 12, 31, 23, 59, 59))))
def test_a_date_that_was_written_is_read_again(instant: int) -> None:
    """Every second that has a date survives writing and reading."""
    assert parse_date(format_date(instant), NOW) == instant


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        pytest.param(EXAMPLE, b"Sun, 06 Nov 1994 08:49:37 GMT", id="whole-second"),
        pytest.param(EXAMPLE + 0.999, b"Sun, 06 Nov 1994 08:49:37 GMT", id="fraction"),
        pytest.param(-0.5, b"Wed, 31 Dec 1969 23:59:59 GMT", id="fraction-before-the-epoch"),
        pytest.param(1e300, b"Fri, 31 Dec 9999 23:59:59 GMT", id="beyond-the-calendar"),
        pytest.param(-1e300, b"Mon, 01 Jan 0001 00:00:00 GMT", id="before-the-calendar"),
    ],
)
def test_dates_are_written_in_one_form(instant: float, expected: bytes) -> None:
    """A date is written as an IMF-fixdate, rounded down, and never fails to be."""
    assert format_date(instant) == expected


@given(st.binary())
def test_no_bytes_make_reading_fail(value: bytes) -> None:
    """Whatever a peer sends is read or refused, never an error."""
    assert parse_date(value, NOW) is None
    assert (parse_delta_seconds(value) is not None) == (value != b"" and not value.strip(DIGITS))
    assert is_token(value) <= is_field_value(value)


@given(
    st.from_regex(
        rb"(sunday|sun),? (nov)?[ -]?\d\d[ -](nov)?[ -]?(\d\d|\d{4})? \d\d:\d\d:\d\d ?(gmt|\d{4})",
        fullmatch=True,
    )
)
def test_nothing_that_looks_like_a_date_makes_reading_fail(value: bytes) -> None:
    """Numbers that fit the grammar but not the calendar are refused, not an error."""
    instant = parse_date(value, NOW)
    assert instant is None or at(1, 1, 1) <= instant <= at(9999, 12, 31, 23, 59, 59) + 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"max-age", True, id="name"),
        pytest.param(b"!#$%&'*+-.^_`|~09azAZ", True, id="every-kind-of-character"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"a b", False, id="space"),
        pytest.param(b"a\n", False, id="newline"),
        pytest.param(b'"a"', False, id="quotes"),
        pytest.param(b"a/b", False, id="slash"),
        pytest.param("ä".encode(), False, id="not-ascii"),
    ],
)
def test_tokens(value: bytes, expected: bool) -> None:
    """A token has no delimiters, no whitespace and nothing beyond ASCII."""
    assert is_token(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"", True, id="empty"),
        pytest.param('a b\t"c" ä'.encode(), True, id="text"),
        pytest.param(b"a\r\nb: c", False, id="another-line"),
        pytest.param(b"a\n", False, id="newline"),
        pytest.param(b"\ra", False, id="carriage-return"),
        pytest.param(b"a\0b", False, id="nul"),
    ],
)
def test_field_values_end_where_they_seem_to(value: bytes, expected: bool) -> None:
    """Nothing may be sent that another recipient could read as more than one line."""
    assert is_field_value(value) is expected
