"""The one object that header, logs, metrics and tests read."""

from __future__ import annotations

import pytest
from http_sf import parse

from asgi_cache.outcome import Outcome


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(Outcome(), b"c", id="nothing-to-say"),
        pytest.param(Outcome(hit=True, ttl=47.9), b"c; hit; ttl=47", id="hit"),
        pytest.param(Outcome(hit=True, ttl=-0.1), b"c; hit; ttl=-1", id="stale-hit"),
        pytest.param(
            Outcome(forwarded="uri-miss", stored=True), b"c; fwd=uri-miss; stored", id="miss"
        ),
        pytest.param(
            Outcome(forwarded="stale", forward_status=304, ttl=60, stored=True),
            b"c; fwd=stale; fwd-status=304; ttl=60; stored",
            id="validated",
        ),
        pytest.param(
            Outcome(forwarded="uri-miss", collapsed=True),
            b"c; fwd=uri-miss; collapsed",
            id="shared",
        ),
        pytest.param(
            Outcome(forwarded="bypass", detail="request-body"),
            b"c; fwd=bypass; detail=request-body",
            id="bypass",
        ),
    ],
)
def test_cache_status(outcome, expected):
    """Every outcome is a member of a structured list (RFC 9211, section 2)."""
    assert outcome.cache_status(b"c") == expected
    assert len(parse(expected, tltype="list")) == 1
