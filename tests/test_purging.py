"""The purge log as one process knows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.message import StoredResponse
from asgi_cache.purging import PurgeLog
from asgi_cache.stores.base import Purge
from asgi_cache.stores.unacknowledged import NOWHERE

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


SOFT = Purge(5, ("a",), soft_at=4.0)
JOINT = Purge(5, ("a", "b"), all_of=True)
SOFT_JOINT = Purge(5, ("a", "b"), all_of=True, soft_at=4.0)


@pytest.mark.parametrize(
    ("purges", "birth", "tags", "lifetime"),
    [
        pytest.param([SOFT], 4, "a", 4.0, id="soft"),
        pytest.param([SOFT], 5, "a", 9, id="born-at-the-soft-purge"),
        pytest.param([SOFT], 4, "b", 9, id="soft-of-another-tag"),
        pytest.param([SOFT, Purge(6, ("a",), soft_at=8.0)], 4, "a", 4.0, id="the-first-counts"),
        pytest.param([SOFT, Purge(6, ("a",), soft_at=8.0)], 5, "a", 8.0, id="the-first-since"),
        pytest.param([SOFT, Purge(6, ("b",))], 4, "ab", None, id="soft-then-hard"),
        pytest.param([JOINT], 4, "ab", None, id="all-of"),
        pytest.param([JOINT], 4, "abc", None, id="all-of-and-more"),
        pytest.param([JOINT], 4, "a", 9, id="one-of-all"),
        pytest.param([JOINT], 5, "ab", 9, id="born-at-the-joint-purge"),
        pytest.param([SOFT_JOINT], 4, "ab", 4.0, id="soft-all-of"),
        pytest.param([SOFT_JOINT], 4, "b", 9, id="one-of-all-softly"),
        pytest.param([Purge(5, ("a",), all_of=True)], 4, "ab", None, id="all-of-one"),
        pytest.param([Purge(5, ("a",), all_of=True, soft_at=4.0)], 4, "a", 4.0, id="all-of-1-soft"),
    ],
)
def test_purges_void_or_end_a_lifetime(purges, birth, tags, lifetime):
    """A soft purge ends a lifetime at its instant; a purge of all of several needs them all."""
    judged = log_with(*purges).judge(born(birth), lambda: tags)
    assert (judged and judged.lifetime) == lifetime


def test_many_soft_purges_of_a_tag_are_as_good_as_one():
    """Only the latest are remembered one by one; what is older than they are is void."""
    log = log_with(*(Purge(n, ("a",), soft_at=float(n)) for n in range(1, 12)))
    assert log.judge(born(2), lambda: "a") is None
    assert log.judge(born(9), lambda: "a").lifetime == 9
    assert len(log._softened["a"]) == 8


def test_soft_purges_and_joint_ones_are_bounded_too(monkeypatch):
    """Whatever is forgotten is void, and never good."""
    log = log_with(*(Purge(n, (str(n),), soft_at=0.0) for n in range(1, 11)), limit=4)
    assert len(log._softened) == 4
    assert log.judge(born(5), lambda: "z") is None
    assert log.judge(born(6), lambda: "z") is not None
    monkeypatch.setattr("asgi_cache.purging.JOINT_REMEMBERED", 4)
    log = log_with(*(Purge(n, ("a", "b"), all_of=True) for n in range(1, 11)))
    assert len(log._joint) == 4
    assert log.judge(born(5), lambda: "z") is None
    assert log.judge(born(6), lambda: "z") is not None


def test_another_log_has_none_of_the_former_ones_purges():
    """A new log begins with nothing purged, softly or jointly."""
    log = log_with(SOFT, JOINT)
    log.restart(LOG, 0)
    log.advance([Purge(1, ("z",))])
    assert is_good(log, born(0), lambda: "ab")


def test_soft_purges_do_not_make_a_hard_one_forgotten():
    """However many follow it."""
    soft = [Purge(n, ("a",), soft_at=0.0) for n in range(7, 16)]
    log = log_with(Purge(1, ("a",), soft_at=0.0), Purge(5, ("a",)), *soft)
    assert log.judge(born(3), lambda: "a") is None


@pytest.mark.parametrize(
    ("purge", "tags", "expected"),
    [
        pytest.param(Purge(NOWHERE, ("a", "b")), ("a",), None, id="any-of-its-tags"),
        pytest.param(Purge(NOWHERE, ("a", "b")), ("c",), 9, id="other-tags"),
        pytest.param(Purge(NOWHERE, ("a", "b"), all_of=True), ("a",), 9, id="not-all"),
        pytest.param(Purge(NOWHERE, ("a", "b"), all_of=True), ("a", "b"), None, id="all"),
        pytest.param(Purge(NOWHERE, ("a",), soft_at=3.0), ("a",), 3, id="soft"),
    ],
)
@pytest.mark.parametrize("birth", [0, 5, 7, 1_790_000_000_000 << 24])
def test_what_the_log_does_not_have_yet_is_withheld(purge, tags, expected, birth):
    """Whenever it was made: nobody can tell which responses are younger than such a purge."""
    log = log_with(Purge(5, ("z",)))
    stored, before = born(birth), log.changes
    log.withhold([purge])
    assert log.changes > before
    judged = log.judge(stored, lambda: tags)
    assert (judged and judged.lifetime) == expected
    log.withhold([])
    assert is_good(log, stored, lambda: tags)
