"""The simulation finds what is wrong: each mechanism is taken away once, and is missed."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import replace

import pytest

from asgi_cache import purging
from asgi_cache.fill import Sought
from asgi_cache.flight import Flight
from asgi_cache.lease import Lease, Turn
from asgi_cache.passenger import Follower
from asgi_cache.purging import PurgeLog
from asgi_cache.stores.redis import RedisStore
from tests.simulation.schedule import draw_schedule, minimised
from tests.simulation.world import explained, violations_of

ENOUGH = 400
"""Schedules after which it should have been found."""

TOO_OLD = "though purged up to"

_judge = PurgeLog.judge


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """Keep the log out of the way, in which every failure is told of."""
    caplog.set_level("CRITICAL", "asgi_cache")
    caplog.set_level("CRITICAL", "asyncio")


def _is_found(what, **kinds):
    """Whether one of the schedules shows it; all of them are of *kinds*, if some are named.

    Those of everything show it too, but some things so seldom that hundreds have to be run.
    """
    schedules = (draw_schedule(seed, kinds or None) for seed in range(ENOUGH))
    return any(what in wrong for schedule in schedules for wrong in violations_of(schedule)[0])


def test_births_matter(monkeypatch):
    """A response whose making began before a purge would be served after it."""

    def judge(self, stored, tags):
        return stored if stored.log == self.identity else None

    monkeypatch.setattr(PurgeLog, "judge", judge)
    assert _is_found(TOO_OLD)


def test_the_identity_of_the_log_matters(monkeypatch):
    """With a log that was lost, its purges would be."""

    def judge(self, stored, tags):
        return _judge(self, replace(stored, log=self.identity), tags)

    monkeypatch.setattr(PurgeLog, "judge", judge)
    assert _is_found(TOO_OLD, read=6, purge=2, lose_log=2)


def test_a_run_must_outlive_the_request_that_began_it(monkeypatch):
    """Followers would be left with a part of their answer."""

    def abandon(self):
        self.task.cancel()
        self.end(CancelledError())

    monkeypatch.setattr(Flight, "abandon", abandon)
    assert _is_found("failed: LeftBehind")


def test_what_waits_to_be_purged_must_be_withheld(monkeypatch):
    """The log does not have it yet, and this process knows better."""
    monkeypatch.setattr(PurgeLog, "withhold", lambda self, purges: None)
    assert _is_found(TOO_OLD, read=8, write=2, hang=1)


def test_nobody_may_join_a_flight_that_a_purge_overtook(monkeypatch):
    """What comes of it is older than the purge."""
    monkeypatch.setattr(Sought, "flight_key", property(lambda self: (self.key, b"", 0, 0)))
    assert _is_found(TOO_OLD)


def test_copies_must_not_be_trusted_for_ever(monkeypatch):
    """What was purged in another process would be served until it is stale."""
    monkeypatch.setattr(RedisStore, "behind", lambda self: 0.0)
    assert _is_found(TOO_OLD)


def test_leases_matter(monkeypatch):
    """Two processes would run the app for the same."""

    async def take(self):
        return Turn.UNKNOWN

    monkeypatch.setattr(Lease, "take", take)
    assert _is_found("two runs at once")


def test_followers_must_ask_for_the_same_variant(monkeypatch):
    """One would be given what another asked for."""
    monkeypatch.setattr(Follower, "_agrees", lambda self, terms, now: True)
    assert _is_found("another's answer", read=1)


def test_what_a_soft_purge_names_must_be_stale(monkeypatch):
    """It would be served as if it were fresh."""
    monkeypatch.setattr(purging, "stale_since", lambda stored, instant: stored)
    assert _is_found("served as fresh, though softened", read=6, purge=2)


def test_leases_must_be_given_up(monkeypatch):
    """They would be prolonged for ever."""

    async def give_up(self, *, marked=False):
        pass

    monkeypatch.setattr(Lease, "give_up", give_up)
    assert _is_found("a timer is left: Lease._prolong")


def test_an_app_must_not_hear_of_a_client_that_left_while_others_wait(monkeypatch):
    """It would end the response early, and they would take it for whole."""

    async def until_deserted(self):
        pass

    monkeypatch.setattr(Flight, "until_deserted", until_deserted)
    assert _is_found("no such body was made")


def test_a_wrong_schedule_is_cut_to_what_matters_and_explained():
    """Two reads are left of a schedule, if two reads are all that is wrong with it."""

    def is_wrong(schedule):
        return [action.what for action in schedule.actions].count("read") > 1

    schedule = minimised(draw_schedule(0), is_wrong)
    assert [action.what for action in schedule.actions] == ["read", "read"]
    said = explained(schedule, ["too old"], [f"event {number}" for number in range(50)])
    assert said.startswith("too old\n\nevent 10\n")
    assert "SIMULATION_SEED=0 " in said
