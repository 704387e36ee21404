"""Whether a stored response can answer a request (RFC 9111, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import TypeAlias

from asgi_cache.policy.cache_control import RequestDirectives
from asgi_cache.policy.message import Request, StoredResponse
from asgi_cache.policy.rule import Rule
from asgi_cache.values import value

ERRORS = frozenset({500, 502, 503, 504})
"""Statuses in whose place a stale response may be served (RFC 5861, section 4)."""

UNCONDITIONAL = RequestDirectives()

PATIENCE = 16.0
"""Times the cost of a response, before the end of its lifetime, that no refresh comes earlier."""

ROUNDING = 1e-6
"""Seconds by which sums of instants, which are large numbers, may be wrong."""

Chance: TypeAlias = Callable[[], float]
"""Returns a number drawn evenly from 0 to 1, of which 0 is none."""


def never() -> float:
    """Return the chance with which nothing is refreshed early."""
    return 1.0


@value
class Reuse:
    """Serve the stored response."""

    age: float
    ttl: float
    """Seconds it remains fresh; negative once it is stale."""
    refresh: bool = False
    """Ask the app for a new one meanwhile: it is stale (``stale-while-revalidate``) or soon is."""


@value
class Undisputed:
    """A response that may be served as it is."""

    age: float
    ttl: float
    """Seconds it remains fresh."""
    until: float
    """The instant up to which this holds, with age and ttl the same in whole seconds."""


@value
class Validate:
    """Ask the app, and let it say that the stored response is still good."""

    reason: str
    """``stale`` or ``request``, as ``Cache-Status`` says it (RFC 9211, section 2.2)."""


@value
class Forward:
    """Ask the app; the stored response is of no use to this request."""

    reason: str


Decision: TypeAlias = Reuse | Validate | Forward


def effective_directives(request: Request, rule: Rule) -> RequestDirectives:
    """Return what the client asks for, as far as the rule lets clients ask."""
    return request.directives if rule.client_bypass else UNCONDITIONAL


def assess(
    stored: StoredResponse, request: Request, rule: Rule, now: float, chance: Chance = never
) -> Decision:
    """Decide whether *stored* can answer *request* at *now* (section 4).

    Being fresh is not enough: both sides can demand validation, and a request can refuse
    any response that is too old for it or too close to becoming stale. By *chance* one
    request among those of the last moments of its lifetime begins to refresh it.
    """
    if request.has_credentials and not (request.partitioned or stored.shareable):
        return Forward("uri-miss")
    age = stored.age_at(now)
    ttl = stored.lifetime - age
    directives = effective_directives(request, rule)
    if stored.must_validate:
        return Validate("stale")
    if refuses(directives, age, ttl):
        return Validate("request" if ttl > 0 else "stale")
    if ttl > 0:
        return Reuse(age, ttl, is_due(stored.cost * rule.early_refresh, ttl, chance))
    return _assess_stale(stored, directives, age, ttl)


def undisputed(stored: StoredResponse, rule: Rule, now: float) -> Undisputed | None:
    """Return the standing of a response that is fresh, with nothing else to decide.

    Nothing otherwise: it is for `assess`, which has more to look at. Of a request that has no
    directives, and may be answered with *stored* whoever it is from, it would say the same.
    """
    elapsed = now - stored.stored_at
    age = stored.initial_age + elapsed
    ttl = stored.lifetime - age
    unquestioned = ttl - PATIENCE * stored.cost * rule.early_refresh
    if elapsed < 0.0 or stored.must_validate or unquestioned <= 0.0:
        return None
    return Undisputed(age, ttl, now + min(1.0 - age % 1.0, ttl % 1.0, unquestioned) - ROUNDING)


def is_due(eagerness: float, ttl: float, chance: Chance) -> bool:
    """Whether to refresh a response that is fresh for *ttl* seconds more.

    The longer it takes to make and the sooner it is stale, the likelier; so of many requests
    one begins in time, and hardly ever a second (Vattani, Chierichetti and Lowenstein, Optimal
    Probabilistic Cache Stampede Prevention, VLDB 2015).
    """
    return ttl < PATIENCE * eagerness and ttl < -log(chance()) * eagerness


def refuses(directives: RequestDirectives, age: float, ttl: float) -> bool:
    """Whether the client demands better than a response of this age (section 5.2.1)."""
    if directives.no_cache or directives.max_age == 0:
        return True
    if directives.max_age is not None and age > directives.max_age:
        return True
    return directives.min_fresh is not None and ttl < directives.min_fresh


def _assess_stale(
    stored: StoredResponse, directives: RequestDirectives, age: float, ttl: float
) -> Decision:
    """Serve it stale if the app's leave or the client's covers it (section 4.2.4).

    A client that limits the age without ``max-stale`` wants nothing stale (section 5.2.1.1).
    """
    if stored.must_revalidate:
        return Validate("stale")
    refresh = -ttl < stored.stale_while_revalidate
    if directives.max_stale is not None:
        permitted = refresh or -ttl <= directives.max_stale
    else:
        permitted = refresh and directives.max_age is None
    return Reuse(age, ttl, refresh) if permitted else Validate("stale")


def may_replace_error(stored: StoredResponse, request: Request, rule: Rule, now: float) -> bool:
    """Whether *stored* may be served because the app failed (RFC 5861, section 4).

    Where it is an error itself, the app's latest word is the better one.
    """
    if stored.must_revalidate or stored.must_validate or stored.status in ERRORS:
        return False
    directives = effective_directives(request, rule)
    age = stored.age_at(now)
    if refuses(directives, age, stored.lifetime - age):
        return False
    window = max(stored.stale_if_error, directives.stale_if_error or 0)
    return age - stored.lifetime < window
