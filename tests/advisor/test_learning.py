"""What is learned from one request after the other, and that it stays within bounds."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.advisor.curve import SAMPLED, TTLS, Curve
from asgi_cache.advisor.factors import ENOUGH, REMEMBERED, SOON, Factor
from asgi_cache.advisor.learning import FACTORS, FOLLOWED, USERS, Learned, Read
from asgi_cache.advisor.watching import inferred
from asgi_cache.advisor.writes import Writes

NEVER = float("-inf")


def read(**said):
    told = {
        "path": 1,
        "params": {},
        "query": {},
        "fields": {},
        "user": 0,
        "status": 200,
        "body": 1,
        "size": 100,
        "seconds": 0.01,
    }
    return Read(**{**told, **said})


def learned_from(reads, writes=None):
    learned = Learned("/a")
    for now, each in reads:
        learned.note(each, now, writes or Writes())
    return learned


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(0.01, 5000)),
        min_size=1,
        max_size=40,
    )
)
def test_a_curve_is_what_a_cache_would_do(requests):
    """For each ttl, the hits are those of a plain cache, and the stale ones are counted."""
    curve, now, played = Curve(), 0.0, []
    for key, body, pause in requests:
        now += pause
        curve.note(key, body, now, NEVER)
        played.append((key, body, now))
    for point in curve.points():
        stored, hits, stale = {}, 0, 0
        for key, body, at in played:
            if key in stored and stored[key][0] + point.ttl > at:
                hits, stale = hits + 1, stale + (stored[key][1] != body)
            else:
                stored[key] = (at, body)
        assert point.hit_ratio == hits / len(played)
        assert point.stale_ratio == (stale / hits if hits else 0.0)


def test_a_write_ends_what_is_stored():
    """What was stored before a write does not answer after it."""
    curve = Curve()
    for now, written_at in ((0.0, NEVER), (1.0, NEVER), (2.0, 1.5), (3.0, 1.5)):
        curve.note(1, 1, now, written_at)
    assert curve.points()[0].hit_ratio == 2 / 4


def test_a_sample_stands_for_all():
    """With more keys than are followed, ratio and number are about right."""
    draw, curve = random.Random(3), Curve()
    keys = [draw.getrandbits(64) for _ in range(20_000)]
    for turn in range(2):
        for number, key in enumerate(keys):
            curve.note(key, 1, 100_000.0 * turn + number * 1e-3, NEVER)
    assert len(curve._keys) <= SAMPLED
    assert curve.keys == pytest.approx(20_000, rel=0.25)
    assert curve.points()[0].hit_ratio == 0.0
    assert TTLS[-1] < 100_000


@pytest.mark.parametrize(
    ("seen", "matters", "is_idle"),
    [
        pytest.param([(v % 2, 1) for v in range(20)], False, True, id="never-differs"),
        pytest.param([(v % 2, v % 2) for v in range(20)], True, False, id="decides"),
        pytest.param([(1, v) for v in range(20)], False, False, id="no-other-value"),
        pytest.param([(v // 2 % 2, v) for v in range(40)], False, False, id="always-differs"),
        pytest.param([(v, 1) for v in range(ENOUGH)], False, False, id="too-few"),
        pytest.param([(v, 1) for v in range(ENOUGH + 1)], False, True, id="enough"),
    ],
)
def test_factors(seen, matters, is_idle):
    """A thing matters if another value brings another body more often than time alone does."""
    factor = Factor()
    for now, (value, body) in enumerate(seen):
        factor.note(1, value, body, float(now))
    assert (factor.matters, factor.is_idle) == (matters, is_idle)


def test_what_lies_far_apart_is_not_compared():
    """After a while the content may have changed, whoever asks."""
    factor = Factor()
    factor.note(1, 1, 1, 0.0)
    factor.note(1, 2, 2, SOON + 1)
    assert factor.comparisons == 0


def test_a_write_and_a_change_after_it_belong_together():
    """A write is found that comes before changes where a parameter agrees; others are not."""
    writes, learned, now = Writes(), Learned("/a/{id}"), 0.0
    body = {1: 0, 2: 0}
    for turn in range(40):
        item = turn % 2 + 1
        if turn % 4 < 2:
            writes.note("PUT /a/{id}", {"id": item}, now)
            body[item] += 1
        writes.note("POST /log", {}, now)
        for each in (1, 2):
            now += 1
            learned.note(read(path=each, params={"id": each}, body=body[each]), now, writes)
    accepted = {name: each.names for name, each in learned.relations.items() if each.is_accepted}
    assert accepted == {"PUT /a/{id}": ("id",)}


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/tasks/42", "/tasks/{id}"),
        ("/tasks/42/comments/7", "/tasks/{id}/comments/{id2}"),
        ("/u/550e8400-e29b-41d4-a716-446655440000", "/u/{id}"),
        ("/commits/deadbeef42", "/commits/{id}"),
        ("/about/team", "/about/team"),
        ("/users/alice@example.com", "/users/{id}"),
        ("/", "/"),
    ],
)
def test_templates_without_a_router(path, template):
    """Where the app has no routes to read, values in a path are told from names by their looks."""
    assert inferred(path)[0] == template


def test_memory_is_bounded():
    """Thousands of URLs, users, parameters and writes leave it as small as the first ones."""
    writes, learned, draw = Writes(), Learned("/a"), random.Random(1)

    def ask(count):
        for number in range(count):
            some = draw.getrandbits(63)
            query = {f"p{number % 500}": some}
            writes.note(f"PUT /{number % 500}", {"id": some}, float(number))
            told = read(path=some, user=some, body=some, query=query, params={"id": some})
            learned.note(told, float(number), writes)

    ask(2_000)
    tracemalloc.start()
    ask(4_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(learned.factors) <= FACTORS + 1
    assert len(learned._last) <= FOLLOWED
    assert len(learned.users) <= USERS
    assert all(len(each._seen) <= REMEMBERED for each in learned.factors.values())
    assert grown < 2 * 2**20
