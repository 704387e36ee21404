"""A rule may limit how many responses are stored anew in a second: floods are for nothing then."""

from __future__ import annotations

import asyncio

import pytest

from asgi_cache.fill_rate import FillRate
from asgi_cache.policy.rule import Rule
from tests.bare import App, Clock, Response, ask

RULES = {"/**": {"ttl": 60, "max_fills": 5, "public": True}}
REFUSED = "asgi-cache; fwd=uri-miss; detail=max-fills"
STORED = "asgi-cache; fwd=uri-miss; stored"


@pytest.fixture
def clock():
    return Clock(0.0)


@pytest.fixture
def rate(clock):
    return FillRate(clock)


def taken(rate, per_second, tries=100):
    """How many of some tries are successful."""
    return sum(rate.take("/a", per_second) for _ in range(tries))


@pytest.mark.parametrize(
    ("per_second", "at_once", "after_a_second", "after_a_minute"),
    [(5, 5, 5, 5), (2.5, 2, 2, 2), (0.5, 1, 0, 1), (0, 1, 0, 0)],
)
def test_a_seconds_worth_at_most(rate, clock, per_second, at_once, after_a_second, after_a_minute):
    """It comes back with time, and is saved up for a second, or until there is one."""
    assert taken(rate, per_second) == at_once
    clock.advance(1)
    assert taken(rate, per_second) == after_a_second
    clock.advance(60)
    assert taken(rate, per_second) == after_a_minute


def test_rules_are_counted_apart(rate):
    """A flood on one route leaves the others alone."""
    assert taken(rate, 5) == 5
    assert rate.take("/b", 5)
    assert rate.refused == 95


def test_a_clock_that_is_set_back_adds_nothing(rate, clock):
    """And keeps nothing back for longer than the second that it is about."""
    taken(rate, 5)
    clock.advance(-3600)
    assert taken(rate, 5) == 0
    clock.advance(1)
    assert taken(rate, 5) == 5


def test_users_are_counted_apart(rate):
    """What one of them is refused takes nothing from the others, nor from their rule."""
    rule = Rule(max_fills=5, max_user_fills=2)
    asked = [rate.refusal("/a", rule, user) for user in (b"one", b"one", b"one", b"two")]
    assert asked == [None, None, "max-user-fills", None]
    assert [rate.refusal("/a", rule, b"") for _ in range(3)] == [None, None, "max-fills"]
    assert rate.refusal("/b", rule, b"one") is None


def test_nobody_in_particular_is_not_counted_as_one_user(rate):
    """Thousands may be nobody."""
    rule = Rule(max_user_fills=1)
    assert {rate.refusal("/a", rule, b"") for _ in range(50)} == {None}


def test_users_who_have_not_come_for_long_are_forgotten(rate, monkeypatch):
    """The table does not grow with them; a rule that is in use is never among them."""
    monkeypatch.setattr("asgi_cache.fill_rate.REMEMBERED", 3)
    rule = Rule(max_fills=1000, max_user_fills=1)
    for number in range(900):
        assert rate.refusal("/a", rule, b"%d" % number) is None
    assert len(rate._buckets) == 3
    assert taken(rate, 1000, 200) == 100


@pytest.mark.anyio
async def test_what_is_beyond_goes_past_the_store(cached, clock):
    """The app answers, nothing is stored, and what is stored goes on being served."""
    app = App()
    cache = cached(app, rules=RULES)
    statuses = [(await ask(cache, f"/{number}")).cache_status for number in range(8)]
    assert statuses == [STORED] * 5 + [REFUSED] * 3
    assert (await ask(cache, "/0")).cache_status == "asgi-cache; hit"
    clock.advance(1)
    assert (await ask(cache, "/7")).cache_status == STORED
    assert (app.runs, cache.cache.fills_refused > 0) == (9, True)


@pytest.mark.anyio
async def test_a_response_that_is_made_anew_is_no_new_one(cached, clock):
    """What is stored is refreshed, however many others have come."""
    cache = cached(App(Response(b"x", {"ETag": '"1"'})), rules=RULES)
    for number in range(9):
        await ask(cache, f"/{number}")
    answer = await ask(cache, "/0", {"Cache-Control": "no-cache"})
    assert answer.cache_status == "asgi-cache; fwd=request; stored"


@pytest.mark.anyio
async def test_those_who_join_a_flight_take_none(cached, clock):
    """A crowd on one URL is one fill."""
    cache = cached(rules={"/**": {"ttl": 60, "max_fills": 1}})
    answers = await asyncio.gather(*(ask(cache, "/a") for _ in range(20)))
    assert not any("max-fills" in answer.cache_status for answer in answers)
