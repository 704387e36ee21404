"""Fields that many responses have in common."""

from __future__ import annotations

import pytest

from asgi_cache.policy.sharing import (
    LIMIT,
    LONGEST,
    all_shared,
    is_shared_name,
    shared,
    unshared,
)


def fresh(name, value):
    """Return a field that is no other's, not even in its parts."""
    return (bytes(bytearray(name)), bytes(bytearray(value)))


def test_equal_fields_become_one():
    """What says more of the app than of the one response is kept once."""
    one, other = (shared(fresh(b"content-type", b"text/x-one")) for _ in range(2))
    assert one is other
    assert one == (b"content-type", b"text/x-one")
    copy = fresh(*one)
    assert [each is copy for each in unshared([one, copy])] == [True]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(b"etag", b'"one"', id="of-one-response"),
        pytest.param(b"content-type", b"x" * (LONGEST + 1), id="long"),
    ],
)
def test_fields_of_one_response_share_their_name(name, value):
    """Of the others only the name is the same in many responses."""
    one, other = (shared(fresh(name, value)) for _ in range(2))
    assert one == other == (name, value)
    assert one is not other
    assert one[0] is other[0]
    assert is_shared_name(one[0])
    assert not is_shared_name(fresh(name, value)[0])
    assert unshared([one]) == [one]


def test_fields_of_one_record():
    """Some are as others have them, the rest are its own."""
    repeated, own = (b"content-type", b"text/x-several"), (b"etag", b'"several"')
    fields = all_shared([fresh(*repeated), fresh(*own)])
    assert fields == (repeated, own)
    assert all_shared([fresh(*repeated)])[0] is fields[0]
    assert unshared(fields) == [own]


def test_long_names_are_not_kept():
    """An app cannot make the process keep what it never sends again."""
    name, value = shared(fresh(b"x" * (LONGEST + 1), b"value"))
    assert not is_shared_name(name)
    assert value == b"value"


@pytest.mark.parametrize(
    "make", [lambda n: (b"content-type", b"%d" % n), lambda n: (b"x-%d" % n, b"")]
)
def test_what_is_shared_is_bounded(make):
    """Where there is no end of different ones, those from before are forgotten."""
    first = shared(make(0))
    assert not unshared([first]) or is_shared_name(first[0])
    for number in range(1, LIMIT + 2):
        assert shared(make(number)) == make(number)
    assert unshared([first])
    assert not is_shared_name(first[0]) or first[0] == b"content-type"
