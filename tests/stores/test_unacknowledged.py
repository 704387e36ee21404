"""Purges that the log is not known to have."""

from __future__ import annotations

import pytest

from asgi_cache.stores.base import Purge
from asgi_cache.stores.unacknowledged import NOWHERE, Unacknowledged
from asgi_cache.tags import EVERYTHING


def purge(*tags, **how):
    return Purge(NOWHERE, tags, **how)


@pytest.fixture
def told():
    return []


@pytest.fixture
def waiting(told):
    made = Unacknowledged()
    made.withhold = told.append
    return made


def test_all_there_are_are_withheld(waiting, told):
    """The reader is told of all of them whenever one comes or goes."""
    first, second = purge("a"), purge("b", soft_at=5.0)
    waiting.add(first)
    last = waiting.add(second)
    waiting.acknowledge(last)
    assert told == [(first,), (first, second), ()]
    assert not waiting


def test_what_comes_meanwhile_goes_on_waiting(waiting):
    """What is acknowledged are those that were sent."""
    number = waiting.add(purge("a"))
    sent, purges = waiting.first(10)
    later = waiting.add(purge("b"))
    waiting.acknowledge(sent)
    assert purges == [purge("a")]
    assert waiting.first(10) == (later, [purge("b")])
    assert waiting.is_acknowledged(number)
    assert not waiting.is_acknowledged(later)


def test_they_are_sent_a_few_at_a_time(waiting):
    """What was taken is not sent again because the rest took too long."""
    numbers = [waiting.add(purge(str(number))) for number in range(5)]
    assert waiting.first(2) == (numbers[1], [purge("0"), purge("1")])
    waiting.acknowledge(numbers[1])
    assert waiting.first(9) == (numbers[4], [purge("2"), purge("3"), purge("4")])
    assert [waiting.is_acknowledged(number) for number in numbers] == [True] * 2 + [False] * 3
    waiting.acknowledge(numbers[4])
    assert waiting.first(9) == (0, [])


def test_too_many_become_one_of_everything(waiting, monkeypatch):
    """Nothing is forgotten for want of room."""
    monkeypatch.setattr("asgi_cache.stores.unacknowledged.MOST", 3)
    numbers = [waiting.add(purge(str(number))) for number in range(4)]
    assert waiting.first(10) == (numbers[-1], [purge(EVERYTHING)])
    assert not any(map(waiting.is_acknowledged, numbers))
    waiting.acknowledge(numbers[-1])
    assert all(map(waiting.is_acknowledged, numbers))


def test_those_that_were_sent_before_they_became_one(waiting, monkeypatch):
    """That the former ones have arrived does not acknowledge the one of everything."""
    monkeypatch.setattr("asgi_cache.stores.unacknowledged.MOST", 1)
    waiting.add(purge("a"))
    sent, _ = waiting.first(10)
    all_of_them = waiting.add(purge("b"))
    waiting.acknowledge(sent)
    assert waiting.first(10) == (all_of_them, [purge(EVERYTHING)])
    assert len(waiting) == 1
