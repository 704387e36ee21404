"""Several processes on one server, many schedules: what is promised holds in every one."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from tests.simulation.schedule import draw_schedule, minimised, schedules
from tests.simulation.world import explained, violations_of

SCALE = int(os.environ.get("SIMULATION_SCALE", "1"))
"""How many times as much is tried as in an ordinary run of the tests."""

SEED = os.environ.get("SIMULATION_SEED")
"""The one schedule to run, if it is only that."""

EACH = 50
STARTS = [int(SEED)] if SEED else [EACH * n for n in range(5 * SCALE)]
COUNT = 1 if SEED else EACH
GATED = 3 * EACH if SEED is None else float("inf")
"""The seed from which on schedules take longer than a gate can wait for."""

EXAMPLES = 60 * SCALE


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """Keep the log out of the way, in which every failure is told of."""
    caplog.set_level("CRITICAL", "asgi_cache")
    caplog.set_level("CRITICAL", "asyncio")


@pytest.mark.parametrize(
    "start",
    [pytest.param(start, marks=pytest.mark.slow if start >= GATED else ()) for start in STARTS],
)
def test_no_schedule_breaks_a_promise(start):
    """Nothing is older than a purge allows, another's, cut off, made twice or left behind."""
    for seed in range(start, start + COUNT):
        schedule = draw_schedule(seed)
        if violations_of(schedule)[0]:
            shortest = minimised(schedule, lambda shorter: bool(violations_of(shorter)[0]))
            pytest.fail(explained(shortest, *violations_of(shortest)), pytrace=False)


@pytest.mark.skipif(SEED is not None, reason="it is about one schedule only")
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(schedule=schedules())
def test_nor_does_one_that_hypothesis_finds(schedule):
    """The same, for schedules that are shrunk where they are wrong."""
    wrong, trace = violations_of(schedule)
    assert not wrong, explained(schedule, wrong, trace)


def test_a_schedule_repeats_itself():
    """All that happens, and when, follows from the seed."""
    first = violations_of(draw_schedule(3))
    assert first[1]
    assert violations_of(draw_schedule(3)) == first
    assert violations_of(draw_schedule(4)) != first
