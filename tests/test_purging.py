"""The purge log as one process knows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.message import StoredResponse
from asgi_cache.purging import PurgeLog
from asgi_cache.stores.base import Purge

LOG = b"identity"


def born(position: int, log: bytes = LOG) -> StoredResponse:
    return StoredResponse(
        b"k" * 16, 200, (), b"", stored_at=0, initial_age=0, lifetime=9, log=log, birth=position
    )


def is_good(log: PurgeLog, stored: StoredResponse, tags) -> bool:
    return log.judge(stored, tags) is stored


def log_with(*purges: Purge, limit: int = 100, position: int = 0) -> PurgeLog:
    log = PurgeLog(limit)
    log.restart(LOG, position)
    log.advance(purges)
    return log


@pytest.mark.parametrize(
    ("birth", "tags", "expected"),
    [
        pytest.param(4, ("a",), False, id="purged-since"),
        pytest.param(5, ("a",), True, id="born-at-the-purge"),
        pytest.param(4, ("b",), True, id="another-tag"),
        pytest.param(4, ("b", "a"), False, id="any-of-its-tags"),
        pytest.param(4, (), True, id="no-tags"),
    ],
)
def test_a_purge_voids_what_was_born_before_it(birth, tags, expected):
    """Births and purges are compared by position, never by time."""
    assert (
        is_good(log_with(Purge(5, ("a",)), Purge(7, ("c",))), born(birth), lambda: tags) is expected
    )


def test_another_log_voids_everything():
    """A lost log cannot say what it purged, so nothing that it was to judge is good."""
    log = log_with()
    assert is_good(log, born(0), tuple)
    log.restart(b"another", 0)
    assert not is_good(log, born(0), tuple)
    assert is_good(log, born(0, b"another"), tuple)


def test_what_is_older_than_the_log_reaches_is_void():
    """Entries before the first one that remains are not known."""
    log = log_with(position=10)
    assert not is_good(log, born(9), tuple)
    assert is_good(log, born(10), tuple)


def test_before_any_log_is_known_nothing_is_good():
    """A record cannot be trusted on the word of a log that was never read."""
    assert not is_good(PurgeLog(), born(0), tuple)


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=30),
    st.integers(0, 30),
    st.lists(st.sampled_from("abcdefgh"), max_size=3),
)
def test_forgetting_never_resurrects(purged, birth, tags):
    """However little is remembered, what a full memory calls void is void."""
    purges = [Purge(position, tuple(names)) for position, names in enumerate(purged, 1)]
    full, short = log_with(*purges, limit=1000), PurgeLog(4)
    short.restart(LOG, 0)
    for purge in purges:
        short.advance([purge])
    assert len(short._purged) <= 4
    if not is_good(full, born(birth), lambda: tags):
        assert not is_good(short, born(birth), lambda: tags)
    assert is_good(short, born(len(purges)), lambda: tags)
