"""The circuit breaker: when it opens, and what closes it."""

from __future__ import annotations

import pytest

from asgi_cache.stores.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker, State
from tests.bare import Clock


def upper(low, high):
    """Draw the largest number there is."""
    return high


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def breaker(clock):
    return Breaker(clock, upper)


def fail(breaker, clock, times=1):
    """Let so many things fail, each begun after the one before had failed."""
    for _ in range(times):
        began_at, clock.now = clock.now, clock.now + 0.05
        breaker.note_failure(began_at, "it did not answer")


def test_some_failures_in_a_row_open_it(breaker, clock):
    """Fewer do not, as a single one says little."""
    fail(breaker, clock, FAILURES - 1)
    assert breaker.state is State.CLOSED
    fail(breaker, clock)
    assert breaker.state is State.OPEN


def test_a_success_in_between_starts_the_count_again(breaker, clock):
    """A server that answers most of the time is asked all of the time."""
    for _ in range(5):
        fail(breaker, clock, FAILURES - 1)
        breaker.note_success()
    assert breaker.is_closed


def test_failures_that_overlap_are_one(breaker, clock):
    """A process that was busy elsewhere for a while has not lost its server."""
    began_at = [clock.now + number / 1000 for number in range(50)]
    clock.now += 0.1
    for each in began_at:
        breaker.note_failure(each, "the event loop was blocked")
    assert breaker.is_closed
    fail(breaker, clock, FAILURES - 1)
    assert not breaker.is_closed


def test_a_probe_is_due_after_a_pause(breaker, clock):
    """Not before, and only one at a time."""
    fail(breaker, clock, FAILURES)
    clock.now += FIRST_PAUSE - 0.01
    assert not breaker.is_due
    assert breaker.remaining == pytest.approx(0.01)
    clock.now += 0.01
    assert breaker.is_due
    assert breaker.remaining == pytest.approx(0)
    breaker.begin_probe()
    assert breaker.state is State.HALF_OPEN
    assert not breaker.is_due


def test_an_answered_probe_closes_it(breaker, clock):
    """It takes as many failures as before to open it again."""
    fail(breaker, clock, FAILURES)
    clock.now += FIRST_PAUSE
    breaker.end_probe(breaker.begin_probe(), answered=True)
    fail(breaker, clock, FAILURES - 1)
    assert breaker.is_closed


def test_each_failed_probe_doubles_the_pause(breaker, clock):
    """A server that is gone for long is asked less and less, and never given up."""
    fail(breaker, clock, FAILURES)
    seen = []
    for _ in range(6):
        seen.append(breaker.remaining)
        clock.now += breaker.remaining
        breaker.end_probe(breaker.begin_probe(), answered=False)
    assert seen == pytest.approx([0.5, 1.0, 2.0, 2.0, 2.0, 2.0])


def test_what_had_passed_before_counts_for_nothing_later(breaker, clock):
    """Neither its failure nor its success changes a breaker that has opened since."""
    began_at = clock.now
    fail(breaker, clock, FAILURES)
    remaining = breaker.remaining
    breaker.note_failure(began_at, "late")
    breaker.note_success()
    assert (breaker.state, breaker.remaining) == (State.OPEN, remaining)


def test_an_abandoned_probe_is_due_again(breaker, clock):
    """The end of an event loop must not leave the store alone for good."""
    breaker.abandon_probe()
    assert breaker.is_closed
    fail(breaker, clock, FAILURES)
    clock.now += FIRST_PAUSE
    breaker.begin_probe()
    breaker.abandon_probe()
    assert breaker.is_due


def test_nothing_is_heard_of_a_probe_that_was_abandoned(breaker, clock):
    """It may be collected much later, when another one has been answered."""
    fail(breaker, clock, FAILURES)
    clock.now += FIRST_PAUSE
    abandoned = breaker.begin_probe()
    breaker.abandon_probe()
    breaker.end_probe(abandoned, answered=True)
    assert breaker.is_due
    probe = breaker.begin_probe()
    breaker.end_probe(abandoned, answered=False)
    assert breaker.state is State.HALF_OPEN
    breaker.end_probe(probe, answered=True)
    breaker.end_probe(abandoned, answered=False)
    assert breaker.is_closed


def test_one_line_for_each_change(breaker, clock, caplog):
    """However much fails in between."""
    fail(breaker, clock, FAILURES)
    for _ in range(3):
        fail(breaker, clock)
        clock.now += LONGEST_PAUSE
        breaker.end_probe(breaker.begin_probe(), answered=False)
    breaker.end_probe(breaker.begin_probe(), answered=True)
    assert [record.getMessage() for record in caplog.records] == [
        "the store is left alone, as it does not answer: it did not answer",
        "the store answers again",
    ]


def test_what_was_opened_by_hand_is_tried_again_after_a_while(breaker, clock):
    """An order to leave the server alone ends by itself, as another process may hear of its end."""
    breaker.hold(600)
    clock.advance(599)
    assert (breaker.state, breaker.is_held, breaker.is_due) == (State.OPEN, True, False)
    clock.advance(1)
    assert (breaker.state, breaker.is_held, breaker.is_due) == (State.OPEN, False, True)


def test_what_was_opened_by_hand_can_be_released(breaker):
    """The server is tried at once then."""
    breaker.hold(600)
    breaker.release()
    assert breaker.is_due
