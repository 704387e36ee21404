"""A rule may limit how many responses are stored anew in a second: floods are for nothing then."""

from __future__ import annotations

import asyncio

import pytest

from asgi_cache.fill_rate import FillRate
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
