"""How old a response is, and for how long it is fresh (RFC 9111, section 4.2)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from asgi_cache.policy.fields import (
    Fields,
    combined,
    has_any,
    members,
    parse_date,
    parse_delta_seconds,
)
from asgi_cache.policy.message import Response
from asgi_cache.policy.rule import Rule
from asgi_cache.values import value

HEURISTICALLY_CACHEABLE = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses that may be reused without explicit freshness (RFC 9110, section 15.1)."""

RULE_STATUSES = frozenset({200, 203, 204, 300, 301, 308})
"""Statuses that a rule's ``ttl`` speaks of: an error is kept only by ``status_ttl``."""

HEURISTIC_LIMIT = 86400.0
"""Seconds beyond which a guess is no longer made (section 4.2.2)."""


_DATED = frozenset({b"age", b"date"})


Source: TypeAlias = Literal["app", "rule", "guess", "nobody"]


@value
class Freshness:
    """For how many seconds a response is fresh, and who said so."""

    lifetime: float
    source: Source

    @property
    def explicit(self) -> bool:
        """Whether the app or the operator stated it; else it was guessed, or is none."""
        return self.source in {"app", "rule"}


def freshness(response: Response, rule: Rule, now: float) -> Freshness:
    """Find the freshness lifetime of *response*, which arrived at *now* (section 4.2.1).

    What the app states comes before what the rule supplies, and a guess comes last.
    """
    stated = _from_app(response, now)
    if stated is not None:
        return Freshness(stated, "app")
    supplied = rule_lifetime(rule, response.status)
    if supplied is not None:
        return Freshness(supplied, "rule")
    guess = _heuristic(response, rule, now)
    return Freshness(0.0, "nobody") if guess is None else Freshness(guess, "guess")


def rule_lifetime(rule: Rule, status: int) -> float | None:
    """Return the seconds of freshness that *rule* supplies; nothing if not for this *status*."""
    listed = rule.status_ttl.get(status)
    if listed is not None:
        return listed
    return rule.ttl if status in RULE_STATUSES else None


def initial_age(fields: Fields, requested_at: float, arrived_at: float) -> float:
    """Compute ``corrected_initial_age`` in seconds (section 4.2.3).

    A ``Date`` in the past shows time that the response spent on its way, even where
    no cache in between counted it.
    """
    if not has_any(fields, _DATED):
        return max(0.0, arrived_at - requested_at)
    apparent_age = max(0.0, arrived_at - date_of(fields, arrived_at))
    corrected_age = _age_value(fields) + max(0.0, arrived_at - requested_at)
    return max(apparent_age, corrected_age)


def date_of(fields: Fields, arrived_at: float) -> float:
    """Return the instant of the ``Date`` field; of its arrival if it has none that is valid."""
    stated = _date(fields, b"date", arrived_at)
    return arrived_at if stated is None else stated


def _age_value(fields: Fields) -> int:
    """Read ``Age``: of a list the first member, and nothing if that is invalid (section 5.1)."""
    value = combined(fields, b"age")
    listed = members(value) if value else []
    return (parse_delta_seconds(listed[0]) if listed else None) or 0


def _from_app(response: Response, now: float) -> float | None:
    directives = response.directives
    if directives.s_maxage is not None:
        return directives.s_maxage
    if directives.max_age is not None:
        return directives.max_age
    if directives.targeted:  # RFC 9213, section 2.2: Expires does not count either
        return None
    return _expires(response.fields, now)


def _expires(fields: Fields, now: float) -> float | None:
    """Seconds from ``Date`` to ``Expires``; an invalid date means the past (section 5.3)."""
    if combined(fields, b"expires") is None:
        return None
    expires = _date(fields, b"expires", now)
    return 0.0 if expires is None else max(0.0, expires - date_of(fields, now))


def _heuristic(response: Response, rule: Rule, now: float) -> float | None:
    """Guess from the time since ``Last-Modified`` (section 4.2.2), if the rule asks for it."""
    guessable = response.status in HEURISTICALLY_CACHEABLE or response.directives.public
    if not rule.heuristic or not guessable:
        return None
    modified = _date(response.fields, b"last-modified", now)
    if modified is None:
        return None
    unchanged_for = max(0.0, date_of(response.fields, now) - modified)
    return min(HEURISTIC_LIMIT, rule.heuristic * unchanged_for)


def _date(fields: Fields, name: bytes, now: float) -> float | None:
    value = combined(fields, name)
    return None if value is None else parse_date(value, now)
