"""The targets of fuzzing, with the seeds and with what Hypothesis comes upon."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

EACH = pytest.mark.parametrize("name", TARGETS)


def test_every_target_has_seeds():
    """And no seeds are for nothing."""
    assert SEEDS.keys() == TARGETS.keys()


@EACH
def test_seeds(name):
    """What fuzzing begins with, or once came upon, is no failure any more."""
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@EACH
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_seeds_that_were_changed(name, data):
    """A piece of a seed replaced by anything."""
    seed = data.draw(st.sampled_from(SEEDS[name]))
    begin = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(begin, len(seed)))
    TARGETS[name](seed[:begin] + data.draw(st.binary(max_size=20)) + seed[end:])


@EACH
@given(st.binary(max_size=200))
def test_anything(name, data):
    """Whatever it is."""
    TARGETS[name](data)
