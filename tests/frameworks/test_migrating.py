"""What the page on other caches shows for this one; theirs is run in environments of its own."""

from __future__ import annotations

import sys

import pytest

from benchmarks.peers.migrating import PEERS, blocks, run

AFTER = [
    pytest.param(source, id=name)
    for when, name, source in blocks()
    if when == "after" and name != "django"  # which is not installed here
]


@pytest.mark.parametrize("source", AFTER)
def test_what_comes_after_answers_as_before(source):
    """A read is cached, and a write is seen."""
    run(sys.executable, source)


def test_each_peer_has_both():
    """A section without one of them would be no comparison."""
    shown = [(when, name) for when, name, _ in blocks()]
    assert shown == [(when, peer.name) for peer in PEERS for when in ("before", "after")]
