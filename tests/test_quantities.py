"""Durations and sizes as people write them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_cache.errors import ConfigurationError
from asgi_cache.quantities import parse_duration, parse_size, volatility_classes, worded_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(0, 0.0, id="zero"),
        pytest.param(60, 60.0, id="int"),
        pytest.param(0.5, 0.5, id="float"),
        pytest.param(timedelta(minutes=2), 120.0, id="timedelta"),
        pytest.param("60", 60.0, id="number-in-a-string"),
        pytest.param("60s", 60.0, id="seconds"),
        pytest.param("500ms", 0.5, id="milliseconds-are-not-minutes"),
        pytest.param("2m", 120.0, id="minutes"),
        pytest.param("1.5h", 5400.0, id="fraction"),
        pytest.param("1d", 86400.0, id="day"),
        pytest.param("1w", 604800.0, id="week"),
        pytest.param("1h30m", 5400.0, id="compound"),
        pytest.param("1w1d1h1m1s1ms", 694861.001, id="every-unit"),
        pytest.param("static", 43200.0, id="static"),
        pytest.param("semi-static", 900.0, id="semi-static"),
        pytest.param("dynamic", 120.0, id="dynamic"),
    ],
)
def test_a_duration_is_read_in_seconds(value, seconds):
    """Numbers, timedeltas, strings with units and volatility classes are durations."""
    parsed = parse_duration(value)
    assert parsed == pytest.approx(seconds)
    assert isinstance(parsed, float)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("2 minutes", id="words"),
        pytest.param("1h30", id="a-number-without-its-unit"),
        pytest.param("30m1h", id="small-unit-first"),
        pytest.param("5m5m", id="unit-twice"),
        pytest.param("2M", id="capital-unit"),
        pytest.param("-5s", id="negative-string"),
        pytest.param("1e3", id="exponent"),
        pytest.param("inf", id="infinity-in-words"),
        pytest.param("٣s", id="digits-of-another-script"),
        pytest.param("60s\n", id="line-break"),
        pytest.param("9" * 400, id="a-string-beyond-any-float"),
        pytest.param(10**400, id="an-int-beyond-any-float"),
        pytest.param(math.inf, id="infinite"),
        pytest.param(math.nan, id="not-a-number"),
        pytest.param(-1, id="negative"),
        pytest.param(timedelta(seconds=-1), id="negative-timedelta"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="none"),
        pytest.param([60], id="list"),
    ],
)
def test_what_is_not_a_duration_is_refused(value):
    """Slips are refused with an error that says so, and never read as something else."""
    with pytest.raises(ConfigurationError, match="is not a duration"):
        parse_duration(value)


@given(st.text() | st.from_regex(r"[0-9.]+(ms|[wdhms])?[0-9.]*[a-z]*"))
@example("1h30m")
def test_any_string_is_a_finite_duration_or_refused(text):
    """No string crashes the parser, and none becomes a negative or endless time."""
    try:
        seconds = parse_duration(text)
    except ConfigurationError:
        return
    assert 0 <= seconds < math.inf


def test_an_error_names_the_classes_and_the_nearest():
    """Whoever misspells a volatility class is told its name."""
    with pytest.raises(ConfigurationError) as caught:
        parse_duration("semistatic")
    assert str(caught.value) == (
        "'semistatic' is not a duration: write seconds, or a number with a unit such as '90s', "
        "'2m', '1h30m', or one of static, semi-static, dynamic (did you mean 'semi-static'?)"
    )


def test_own_classes_extend_and_override_the_built_in_ones():
    """A user's own volatility classes are durations beside, or instead of, the built-in ones."""
    classes = volatility_classes({"catalogue": "6h", "static": "1d"})
    assert parse_duration("catalogue", classes) == 21600
    assert parse_duration("static", classes) == 86400
    assert parse_duration("dynamic", classes) == 120


@pytest.mark.parametrize(
    ("own", "why"),
    [
        pytest.param({"x": "soon"}, "says 'x' is 'soon', which is not a duration", id="value"),
        pytest.param({"2m": "5m"}, "has the name '2m', which has a meaning", id="a-duration"),
        pytest.param({"never": "5m"}, "has the name 'never', which has a meaning", id="never"),
        pytest.param({"": "5m"}, "has the name '', which is not a word", id="empty"),
        pytest.param({5: "5m"}, "has the name 5, which is not a word", id="number"),
    ],
)
def test_an_unfit_class_is_refused(own, why):
    """A class can neither hide a duration nor be without one."""
    with pytest.raises(ConfigurationError) as caught:
        volatility_classes(own)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        pytest.param(0, 0, id="zero"),
        pytest.param(512, 512, id="int"),
        pytest.param("512", 512, id="number-in-a-string"),
        pytest.param("512b", 512, id="bytes"),
        pytest.param("64kb", 65536, id="kb"),
        pytest.param("64KiB", 65536, id="kib-in-capitals"),
        pytest.param("8mb", 8388608, id="mb"),
        pytest.param("8mib", 8388608, id="mib"),
        pytest.param("1gb", 1073741824, id="gb"),
        pytest.param("1GiB", 1073741824, id="gib"),
    ],
)
def test_a_size_is_read_in_bytes(value, size):
    """A kb is 1024 bytes, in either of its spellings."""
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["", "mb", "1.5mb", "8 mb", "8tb", "-1", -1, 1.5, True, None])
def test_what_is_not_a_size_is_refused(value):
    """Slips are refused with an error that says so."""
    with pytest.raises(ConfigurationError, match="is not a size"):
        parse_size(value)


@pytest.mark.parametrize(
    ("seconds", "worded"),
    [(0.0, "0 s"), (0.15, "150 ms"), (250.0, "4.17 min"), (-90000, "-1.04 d")],
)
def test_a_duration_is_worded_in_its_unit(seconds, worded):
    """Nobody reads seconds with an exponent."""
    assert worded_duration(seconds) == worded
