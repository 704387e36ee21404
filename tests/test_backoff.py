"""Pauses between tries."""

from __future__ import annotations

from itertools import islice

import pytest

from asgi_cache.backoff import doubling, full_jitter


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        pytest.param(max, [1, 2, 4, 5, 5], id="the-longest"),
        pytest.param(min, [0.5, 1, 2, 2.5, 2.5], id="the-shortest"),
    ],
)
def test_each_is_twice_as_long_up_to_the_longest(draw, expected):
    """None is shorter than half of what it could be."""
    assert list(islice(doubling(1, 5, draw), 5)) == expected


def test_those_that_double_are_spread():
    """Who lost a server together does not come back to it together."""
    firsts = [next(doubling(1.0, 5.0)) for _ in range(300)]
    assert 0.5 <= min(firsts) < 0.6
    assert 0.9 < max(firsts) <= 1.0


def test_full_jitter_draws_from_nothing_to_a_bound_that_doubles():
    """There are as many as were asked for."""
    drawn = [list(full_jitter(1.0, 3)) for _ in range(300)]
    for number, pauses in enumerate(zip(*drawn, strict=True)):
        bound = 2**number
        assert 0 <= min(pauses) < 0.1 * bound
        assert 0.9 * bound < max(pauses) <= bound
