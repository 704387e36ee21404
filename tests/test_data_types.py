"""Values that are stored come back as they were."""

from __future__ import annotations

import enum
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import reduce
from typing import NamedTuple
from uuid import UUID

import attrs
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from asgi_cache.data_types import DataType, DataTypes
from asgi_cache.errors import ConfigurationError, CorruptRecord, UnsupportedValue


@dataclass(frozen=True)
class Point:
    x: int
    y: object = None
    norm: int = field(init=False, default=0)


@attrs.frozen
class Secretive:
    _name: str
    when: datetime | None = None


class Model(BaseModel):
    name: str = Field(alias="n")
    parts: list[Model] = []


class Pair(NamedTuple):
    left: int
    right: object


class Colour(enum.Enum):
    RED = "r"


class Level(enum.IntEnum):
    HIGH = 3


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None


TYPES = DataTypes(
    [
        *(Point, Secretive, Model, Pair, Colour, Level),
        DataType(Money, lambda money: money.cents, Money),
    ]
)


def identical(left: object, right: object) -> bool:
    """Whether both are equal and, all through, of the same types."""
    return left == right and repr(left) == repr(right) and type(left) is type(right)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
HASHABLE = PLAIN | st.tuples(PLAIN, PLAIN) | st.frozensets(PLAIN, max_size=3)
VALUES = st.recursive(
    HASHABLE | st.sets(HASHABLE, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.builds(Point, st.integers(0, 9), inner)
        | st.builds(Pair, st.integers(0, 9), inner)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_any_value_of_known_types_comes_back(value):
    """Equal, and of the same types all through."""
    back = TYPES.unpack(TYPES.pack(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Point(1, Point(2)), id="dataclass"),
        pytest.param(Secretive("a", datetime(2026, 1, 1, tzinfo=UTC)), id="attrs"),
        pytest.param(Model(n="a", parts=[Model(n="b")]), id="pydantic"),
        pytest.param(Pair(1, (2, [3])), id="named-tuple"),
        pytest.param(Colour.RED, id="enum"),
        pytest.param(Level.HIGH, id="int-enum"),
        pytest.param({"a": {(1, 2): {frozenset({1})}}}, id="nested"),
        pytest.param(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), id="offset"),
        pytest.param([date(2026, 1, 1), time(1, 2), timedelta(days=-1)], id="times"),
        pytest.param([Decimal("1.10"), UUID(int=7)], id="numbers"),
    ],
)
def test_listed_and_built_in_types_come_back(value):
    """Their names and order are part of what is stored, so that all processes agree."""
    assert identical(TYPES.unpack(TYPES.pack(value)), value)


def test_an_own_way_to_store_a_type_is_taken():
    """Whatever it makes of a value is stored."""
    assert TYPES.unpack(TYPES.pack([Money(5)])) == [Money(5)]


DEEP = reduce(lambda inner, _: (inner,), range(3000), 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param({"a": object()}, "is a builtins.object, and nobody said how", id="object"),
        pytest.param([Point], "is a builtins.type", id="class"),
        pytest.param("\ud800", "cannot be stored", id="surrogate"),
        pytest.param(
            reduce(lambda inner, _: (inner,), range(3000), 0), "cannot be stored", id="deep"
        ),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(value, message):
    """Nothing is stored in a form that would not come back."""
    with pytest.raises(UnsupportedValue) as caught:
        TYPES.pack(value)
    assert message in str(caught.value)


def test_a_type_that_says_nothing_of_itself_is_refused():
    """How it is stored has to be said."""
    with pytest.raises(ConfigurationError, match="say how it is stored with a DataType"):
        DataTypes([Money])


OTHER = DataTypes([Pair])


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="no-msgpack"),
        pytest.param(TYPES.pack(1) + b"\x00", id="more-after-it"),
        pytest.param(TYPES.pack(Point(1)), id="a-type-that-is-not-listed"),
        pytest.param(msgpack.packb(msgpack.ExtType(99, OTHER.pack(1))), id="unknown-kind"),
        pytest.param(msgpack.packb(msgpack.ExtType(8, OTHER.pack("x"))), id="no-decimal"),
        pytest.param(msgpack.packb(msgpack.ExtType(0, OTHER.pack(1))), id="no-name"),
    ],
)
def test_what_cannot_be_read_is_a_corrupt_record(packed):
    """What another process or another version stored is nothing to fail by."""
    with pytest.raises(CorruptRecord):
        OTHER.unpack(packed)


@given(st.binary(max_size=64))
def test_no_bytes_do_anything_but_mean_a_value_or_not(packed):
    """Whoever can write to the store gets no further than to values."""
    with suppress(CorruptRecord):
        TYPES.unpack(packed)
