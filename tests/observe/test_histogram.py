"""Durations in buckets."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_cache.observe.histogram import BOUNDS, Histogram

durations = st.lists(st.floats(0, 20), max_size=30)


def counted(seconds):
    histogram = Histogram()
    for each in seconds:
        histogram.note(each)
    return histogram


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        pytest.param(0.0, 0, id="nothing"),
        pytest.param(BOUNDS[0], 0, id="at-the-first-bound"),
        pytest.param(BOUNDS[0] * 1.01, 1, id="beyond-it"),
        pytest.param(BOUNDS[-1], len(BOUNDS) - 1, id="at-the-last-bound"),
        pytest.param(11.0, len(BOUNDS), id="beyond-all"),
    ],
)
def test_buckets(seconds, bucket):
    """A bound belongs to the bucket that it ends, as Prometheus has it."""
    assert counted([seconds]).counts[bucket] == 1


@example([0.001953125] * 3)  # where rounding would go beyond the bound
@given(durations)
def test_quantiles_are_in_the_right_bucket(seconds):
    """A quantile is in the bucket of the duration that it estimates, or next to its bound."""
    histogram = counted(seconds)
    for part in (0.5, 0.99, 1.0):
        estimate = histogram.quantile(part)
        if not seconds:
            assert estimate is None
            continue
        rank = max(0, -(-part * len(seconds) // 1) - 1)
        exact = sorted(seconds)[int(rank)]
        above = next((bound for bound in BOUNDS if bound >= exact), BOUNDS[-1])
        below = max((bound for bound in BOUNDS if bound < exact), default=0.0)
        assert min(below, BOUNDS[-1]) <= estimate <= above


@given(durations, durations)
def test_many_at_once(first, second):
    """Durations that are counted together are counted as one by one."""
    together, one_by_one = counted(first), counted(first + second)
    together.note_all(list(second))
    assert together.counts == one_by_one.counts
    assert together.total == pytest.approx(one_by_one.total)
    assert together.count == len(first) + len(second)


def test_nothing_has_no_mean():
    """What was never counted took no time that could be told."""
    assert Histogram().mean is None
    assert counted([1.0, 3.0]).mean == 2.0
