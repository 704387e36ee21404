"""What is kept of a response knows its own age, and which of its fields the app sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import RequestDirectives
from asgi_cache.policy.message import CLOCK_TOLERANCE, Request, StoredResponse

STORED = StoredResponse(
    key=b"k" * 16,
    status=200,
    fields=((b"x-a", b"1"), (b"x-a", b"2"), (b"etag", b'"e"')),
    body=b"hello",
    stored_at=1000.0,
    initial_age=5.0,
    lifetime=60.0,
)

INSTANTS = st.floats(-1e12, 1e12)


@pytest.mark.parametrize(
    ("now", "age"),
    [
        pytest.param(1000.0, 5.0, id="as-old-as-it-came"),
        pytest.param(1010.5, 15.5, id="older-by-the-time-since"),
        pytest.param(940.0, 5.0, id="no-younger-when-clocks-differ-a-little"),
        pytest.param(400.0, 605.0, id="of-unknown-age-when-a-clock-was-set-back"),
    ],
)
def test_age(now, age):
    """A response's age is what it had on arrival and what it spent here (RFC 9111, 4.2.3)."""
    assert STORED.age_at(now) == age


@given(st.floats(0, 1e9), INSTANTS, INSTANTS, INSTANTS)
def test_age_is_never_negative_and_never_falls(initial_age, stored_at, earlier, later):
    """Whatever the clock says, nothing is younger than it came, and time makes nothing younger."""
    stored = replace(STORED, initial_age=initial_age, stored_at=stored_at)
    earlier, later = sorted((earlier, later))
    assert initial_age <= stored.age_at(earlier)
    if earlier >= stored_at - CLOCK_TOLERANCE:
        assert stored.age_at(earlier) <= stored.age_at(later)


@pytest.mark.parametrize(
    ("added", "kept"),
    [
        pytest.param(0, 3, id="all-are-the-app's"),
        pytest.param(1, 2, id="the-last-one-was-added"),
        pytest.param(3, 0, id="none-is-the-app's"),
    ],
)
def test_app_fields(added, kept):
    """The fields that the cache added are told from the app's own by their number."""
    assert replace(STORED, added=added).app_fields == STORED.fields[:kept]


def test_what_is_not_said_permits_nothing():
    """A request claims no identity, and a record no window, no sharing and no entity tag."""
    request = Request("GET", (), RequestDirectives())
    assert (request.has_credentials, request.partitioned, request.url) == (False, False, "")
    assert (STORED.added, STORED.stale_while_revalidate, STORED.stale_if_error) == (0, 0, 0)
    flags = (STORED.must_validate, STORED.must_revalidate, STORED.shareable, STORED.etag_is_ours)
    assert not any(flags)
    assert (STORED.etag, STORED.last_modified, STORED.log, STORED.birth) == (None, None, b"", 0)
