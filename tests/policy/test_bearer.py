"""When a bearer token expires, as far as it says so itself."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.bearer import EXPIRED, LATEST, expiry


def jwt(claims: object) -> bytes:
    """Return a token with these claims, and whatever else it takes."""
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return b"header." + urlsafe_b64encode(text).rstrip(b"=") + b".signature"


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        pytest.param(b"Bearer " + jwt({"exp": 1_700_000_000}), 1_700_000_000, id="instant"),
        pytest.param(b"bearer  " + jwt({"exp": 1.5, "sub": "a"}), 1.5, id="fraction"),
        pytest.param(b"BEARER " + jwt({"exp": -5}), EXPIRED, id="before-the-epoch"),
        pytest.param(b"Bearer " + jwt({"exp": 10**400}), LATEST, id="huge"),
        pytest.param(b"Bearer " + jwt(b'{"exp": Infinity}'), LATEST, id="infinite"),
        pytest.param(b"Bearer " + jwt(b'{"exp": NaN}'), EXPIRED, id="no-number"),
        pytest.param(b"Bearer " + jwt({"exp": "1700000000"}), EXPIRED, id="text"),
        pytest.param(b"Bearer " + jwt({"exp": True}), EXPIRED, id="truth"),
        pytest.param(b"Bearer " + jwt({"exp": None}), EXPIRED, id="nothing"),
        pytest.param(b"Bearer " + jwt({"sub": "a"}), inf, id="no-exp"),
        pytest.param(b"Bearer " + jwt([1]), inf, id="list"),
        pytest.param(b"Bearer " + jwt(b"{"), inf, id="no-json"),
        pytest.param(b"Bearer " + jwt(b"[" * 50_000), inf, id="deep"),
        pytest.param(b"Bearer " + jwt(b"\xff"), inf, id="no-text"),
        pytest.param(b"Bearer a.b.c", inf, id="no-base64"),
        pytest.param(b"Bearer opaque", inf, id="opaque"),
        pytest.param(b"Bearer a.b.c.d.e", inf, id="encrypted"),
        pytest.param(b"Bearer", inf, id="no-token"),
        pytest.param(b"Basic " + jwt({"exp": 5}), inf, id="another-scheme"),
    ],
)
def test_expiry(credentials: bytes, expected: float) -> None:
    """A token that says when it expires is heeded, and one that says so badly has expired."""
    assert expiry([(b"host", b"a"), (b"authorization", credentials)]) == expected


def test_of_several_the_first_to_expire_counts() -> None:
    """Nobody knows which of them the app heeds."""
    fields = [(b"authorization", b"Bearer " + jwt({"exp": exp})) for exp in (7, 5)]
    assert expiry(fields) == 5
    assert expiry([]) == inf


@given(st.binary(), st.booleans())
def test_nothing_is_too_odd(value: bytes, as_claims: bool) -> None:
    """Whatever a client sends as a token, there is an instant."""
    token = jwt(value) if as_claims else value
    assert expiry([(b"authorization", b"Bearer " + token)]) >= EXPIRED
