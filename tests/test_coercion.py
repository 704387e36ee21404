"""How plain values become a dataclass's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from asgi_cache.coercion import read_field_names, read_fields, read_fraction, readers_of
from asgi_cache.errors import ConfigurationError
from asgi_cache.quantities import VOLATILITY
from asgi_cache.wording import Unfit


@dataclass(frozen=True)
class Sample:
    """A dataclass with a field of each kind that matters."""

    name: str = ""
    ttl: float | None = None
    table: Mapping[str, object] = field(default_factory=dict)
    password: str = field(default="", repr=False)
    size: int = 0
    flag: bool = False
    names: tuple[str, ...] = ()
    choice: Literal["one", "two"] = "one"
    status_ttl: Mapping[int, float] = field(default_factory=dict)


def read(values, special=None):
    """Read the fields of the sample."""
    readers = readers_of(Sample, VOLATILITY, special or {})
    return read_fields(values, readers, where="here", kind="field")


def refusal(values, special=None):
    """Return the message with which the values are refused."""
    with pytest.raises(ConfigurationError) as caught:
        read(values, special)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("name", "x", "x"),
        ("ttl", "2m", 120.0),
        ("table", {"a": 1}, {"a": 1}),
        ("password", "x", "x"),
        ("size", "1kb", 1024),
        ("flag", True, True),
        ("names", ["a", "b"], ("a", "b")),
        ("choice", "two", "two"),
        ("status_ttl", {404: "1m", "500": 1}, {404: 60.0, 500: 1.0}),
    ],
)
def test_a_field_is_read_by_its_type(name, value, expected):
    """The dataclass's types say what a value means."""
    assert read({name: value}) == {name: expected}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("flag", "true", "flag='true' is not a boolean"),
        ("names", "a", "names='a' is not a list"),
        ("names", [1], "names=[1] holds 1, which is not a string"),
        ("choice", "three", "choice='three' is not one of one, two"),
        ("status_ttl", [404], "status_ttl=[404] is not a table"),
        ("status_ttl", {99: 1}, "status_ttl={99: 1} holds 99, which is not a status code"),
        ("status_ttl", {600: 1}, "status_ttl={600: 1} holds 600, which is not a status code"),
    ],
)
def test_an_unfit_value_is_refused(name, value, why):
    """An error says where it stands, what it is and why it does not fit."""
    assert refusal({name: value}).startswith(f"here: {why}")


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_fraction_is_a_number_from_0_to_1(value):
    """Both ends are included."""
    assert read_fraction(value) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, True, "0.1", float("nan")])
def test_what_is_not_a_fraction_is_refused(value):
    """A percentage, for one, is not a fraction."""
    with pytest.raises(ConfigurationError, match="is not a number from 0 to 1"):
        read_fraction(value)


def test_field_names_are_read_into_lower_case():
    """Names of header fields are the same in any case."""
    assert read_field_names(["Accept", "x-y"]) == ("accept", "x-y")
    with pytest.raises(ConfigurationError, match="is not the name of a header field"):
        read_field_names(["a b"])


def test_only_what_is_stated_is_read():
    """Fields that are not mentioned stay out, so that they can be inherited."""
    assert read({"ttl": "2m"}) == {"ttl": 120.0}


def test_only_an_optional_field_may_be_none():
    """``None`` is a value where the dataclass says so."""
    assert read({"ttl": None}) == {"ttl": None}
    assert refusal({"name": None}) == "here: name=None is not a string"


def test_a_special_reader_takes_the_place_of_the_types():
    """A field can be narrower than its type; ``None`` is still what the type says."""

    def refuse(value):
        raise Unfit(value, "is refused")

    assert refusal({"ttl": 5}, {"ttl": refuse}) == "here: ttl=5 is refused"
    assert read({"ttl": None}, {"ttl": refuse}) == {"ttl": None}


def test_an_error_does_not_repeat_a_secret():
    """The value of a field that is not shown is not in the error, nor in what caused it."""
    with pytest.raises(ConfigurationError) as caught:
        read({"password": ["hunter2"]})
    assert str(caught.value) == "here: password is not a string"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_table_has_strings_for_keys():
    """What has other keys cannot come from a file, and would not be found."""
    assert read({"table": {"a": 1}}) == {"table": {"a": 1}}
    assert refusal({"table": {1: 1}}) == "here: table={1: 1} has a key that is not a string"
    assert refusal({"table": 1}) == "here: table=1 is not a table"


def test_a_table_is_copied():
    """A later change to what the user passed does not change the settings."""
    table = {"a": 1}
    values = read({"table": table})
    table["b"] = 2
    assert values == {"table": {"a": 1}}


def test_without_a_near_spelling_all_are_listed():
    """An unknown name is answered with the nearest, or with all there are."""
    assert refusal({"nmae": 1}) == "here: unknown field 'nmae' (did you mean 'name'?)"
    assert refusal({"zzz": 1}) == (
        "here: unknown field 'zzz' (known: name, ttl, table, password, "
        "size, flag, names, choice, status_ttl)"
    )
