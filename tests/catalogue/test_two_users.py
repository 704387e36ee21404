"""Whatever two users ask for, and whatever the app says: neither is sent what is the other's."""

from __future__ import annotations

import pytest

from asgi_cache.identity import NOBODY, Identity
from asgi_cache.policy import storing
from tests.catalogue.two_users import Pairs

pytestmark = pytest.mark.anyio

COUNT = 2000
ENOUGH = 3000
"""Pairs among which a leak shows."""


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_of_one_user_is_sent_to_another(seed):
    """The same with more seeds and pairs is ``make pairs``."""
    pairs = Pairs(seed)
    await pairs.run(COUNT)
    assert pairs.leaks == []
    assert pairs.hits > COUNT / 20


async def no_partition(*_):
    return NOBODY


def no_partition_at_hand(*_):
    return NOBODY


@pytest.mark.parametrize("seed", [0, 1])
async def test_a_cache_without_partitions_would_be_seen(monkeypatch, seed):
    """The control: it takes a few pairs."""
    monkeypatch.setattr(Identity, "partition", no_partition)
    monkeypatch.setattr(Identity, "partition_at_hand", no_partition_at_hand)
    pairs = Pairs(seed)
    await pairs.run(ENOUGH)
    assert pairs.leaks


@pytest.mark.parametrize("detail", ["credentials", "set-cookie", "private"])
async def test_a_clause_that_is_missing_would_be_seen(monkeypatch, detail):
    """Each of those that keep what is one user's out of the store."""
    kept = tuple(clause for clause in storing.CLAUSES if clause.detail != detail)
    monkeypatch.setattr(storing, "CLAUSES", kept)
    found = []
    for seed in range(4):
        pairs = Pairs(seed)
        await pairs.run(ENOUGH)
        found += pairs.leaks
    assert found
