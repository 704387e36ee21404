"""When a bearer token expires (RFC 6750, section 2.1; RFC 7519, section 4.1.4).

Nothing is verified here, and need not be: an instant that is read from a token only ends
what is stored, and a token that says another one is another token.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from math import inf
from typing import Any, Final, cast

from asgi_cache.policy.fields import Fields, lines

PARTS: Final = 3
"""Of a signed token: header, claims, signature. One that is encrypted has five."""

EXPIRED: Final = 0.0
"""The instant that is read where none can be made of what a token says."""

LATEST: Final = 1e15
"""The latest instant that is read, to which a number of any length is cut."""


def expiry(fields: Fields) -> float:
    """Return the instant at which a request's bearer token expires, in seconds since the epoch.

    It is infinite where there is no such token, or where it is not a JWT that says so.
    """
    return min(map(_expiry, lines(fields, b"authorization")), default=inf)


def _expiry(credentials: bytes) -> float:
    scheme, _, token = credentials.strip().partition(b" ")
    parts = token.strip().split(b".")
    if scheme.lower() != b"bearer" or len(parts) != PARTS:
        return inf
    claims = _claims(parts[1])
    if claims is None or "exp" not in claims:
        return inf
    instant = claims["exp"]
    if isinstance(instant, bool) or not isinstance(instant, int | float):
        return EXPIRED
    return float(max(EXPIRED, min(instant, LATEST)))  # which makes EXPIRED of what is no number


def _claims(part: bytes) -> dict[str, Any] | None:
    """Return the claims in the middle of a token; nothing if there are none."""
    try:
        claims = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else None
