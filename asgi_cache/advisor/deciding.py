"""Whether to cache what a route answers, and how: one table, from what was learned of it.

Read often, written rarely, expensive and tolerably stale: cache. Volatile, security-sensitive
or cheap: don't.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType
from typing import Final

from asgi_cache.advisor.curve import Curve, Point
from asgi_cache.advisor.factors import Factor
from asgi_cache.advisor.learning import USER, Learned
from asgi_cache.quantities import VOLATILITY

FEWEST: Final = 50
"""Requests before anything is said of a route."""

CHEAPEST: Final = 0.002
"""Seconds of the app's below which a stored answer is hardly quicker."""

RAREST: Final = 0.1
"""The hit ratio below which storing is mostly effort."""

TOLERANCE: Final = 0.02
"""The part of the answers from the store that may be older than the app's own would be."""

SECRET: Final = 0.005
"""The part of the responses beyond which marks such as ``no-store`` are no accident."""

PERSONAL: Final = VOLATILITY["dynamic"]
"""Seconds for which a user's own answers are stored at most: users know what they have done."""

SHARED: Final = 20
"""Users whose answers were equal before it is said that one answer is for all of them."""

OVERHEAD: Final = 1300
"""Bytes that a stored response takes besides its body, at most."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of route it is, as far as caching goes."""

    advice: str
    """What is advised."""
    why: str


KINDS: Final = MappingProxyType(
    {
        "unseen": Kind("wait", "too little was seen of it"),
        "secret": Kind(
            "don't", "the app marks it `no-store` or `private`, or sets cookies with it"
        ),
        "failing": Kind("don't", "most answers are errors"),
        "large": Kind("don't", "most answers are larger than `max_body`"),
        "cheap": Kind("don't", "the app answers as quickly as a cache would"),
        "volatile": Kind("don't", "it changes within seconds, and no write tells when"),
        "rare": Kind("don't", "hardly anything is asked for twice before it has changed"),
        "personal": Kind("cache for each user", "what it answers depends on who asks"),
        "dynamic": Kind("cache for a short time", "it changes within the hour"),
        "semi-static": Kind("cache", "it changes now and then"),
        "static": Kind("cache for long", "it changes by writes that purge it, or hardly ever"),
    }
)
"""The kinds of routes, in the order in which they are ruled out."""

NEVER: Final = frozenset({"secret", "volatile"})
"""Kinds of which a rules file says that they are never stored."""


@dataclass(frozen=True, slots=True)
class RouteAdvice:
    """What is advised for one route, and from what was seen of it."""

    route: str
    kind: str
    """One of `KINDS`."""
    requests: int
    app_seconds: float
    """The app's own time, on average."""
    ttl: float | None = None
    """Seconds; nothing if it should not be stored."""
    public: bool = False
    """One answer is for every user, whatever credentials a request shows."""
    ignore_query: tuple[str, ...] = ()
    """The parameters on which the answer does not depend.

    There is no list of those that count: nobody knows what one does that was not used meanwhile.
    """
    vary: tuple[str, ...] = ()
    """Fields on which the answer depends, though the app does not say so."""
    tags: tuple[str, ...] = ()
    purged_by: tuple[tuple[str, str], ...] = ()
    """Writes that make it untrue, as ``METHOD route``, each with the tag that it should purge."""
    hit_ratio: float = 0.0
    """The part of the requests that are expected to be answered from the store."""
    stale_ratio: float = 0.0
    """The part of those answers that would be older than the app's own."""
    seconds_saved: float = 0.0
    """The app's time that would be saved, per hour of traffic as it was."""
    memory: int = 0
    """Bytes that its responses would take."""
    curve: tuple[Point, ...] = ()

    @property
    def is_stored(self) -> bool:
        """Whether it should be."""
        return self.ttl is not None

    @property
    def why(self) -> str:
        """The reason, in words."""
        return KINDS[self.kind].why


def decide(learned: Learned, tolerance: float = TOLERANCE) -> RouteAdvice:
    """Say what to do about a route, so that at most *tolerance* of the hits would be stale."""
    advice = RouteAdvice(learned.route, "unseen", learned.requests, learned.app.mean or 0.0)
    for kind, applies in _REASONS.items():
        if applies(learned):
            return replace(advice, kind=kind)
    is_personal = _is_personal(learned)
    is_shared = not is_personal and _is_for_all(learned)
    curve = learned.shared if is_shared else learned.own
    tried = _tried(curve, min(PERSONAL if is_personal else inf, learned.seconds))
    if not tried:
        return advice
    fit = [point for point in tried if point.stale_ratio <= tolerance]
    advice = replace(advice, curve=curve.points())
    if not fit:
        return replace(advice, kind="volatile")
    best = fit[-1]
    if best.hit_ratio < RAREST:
        return replace(advice, kind="rare", hit_ratio=best.hit_ratio)
    return _stored(advice, learned, curve, best, is_personal=is_personal, is_shared=is_shared)


def _stored(
    advice: RouteAdvice,
    learned: Learned,
    curve: Curve,
    best: Point,
    *,
    is_personal: bool,
    is_shared: bool,
) -> RouteAdvice:
    purged_by = tuple(_purged_by(learned))
    hours = max(learned.seconds, 1.0) / 3600
    hits = best.hit_ratio * learned.requests
    per_body = learned.size / learned.requests + OVERHEAD
    return replace(
        advice,
        kind="personal" if is_personal else kind_of(best.ttl),
        ttl=best.ttl,
        public=is_shared and learned.with_credentials > 0,
        ignore_query=tuple(_idle(learned)),
        vary=tuple(_vary(learned)),
        tags=tuple(dict.fromkeys(tag for _, tag in purged_by)),
        purged_by=purged_by,
        hit_ratio=best.hit_ratio,
        stale_ratio=best.stale_ratio,
        seconds_saved=hits * advice.app_seconds / hours,
        memory=round(curve.keys * per_body),
    )


def kind_of(ttl: float) -> str:
    """Return the kind of a route that is fresh for *ttl* seconds."""
    if ttl >= VOLATILITY["static"]:
        return "static"
    return "semi-static" if ttl >= VOLATILITY["semi-static"] else "dynamic"


_REASONS: Final[dict[str, Callable[[Learned], bool]]] = {
    "unseen": lambda learned: learned.requests < FEWEST,
    "secret": lambda learned: learned.secrets > SECRET * learned.requests,
    "failing": lambda learned: learned.failures > learned.requests / 2,
    "large": lambda learned: learned.too_large > learned.requests / 2,
    "cheap": lambda learned: (learned.app.mean or 0.0) < CHEAPEST,
}
"""What rules a route out at once."""


def _is_personal(learned: Learned) -> bool:
    return learned.factors[USER].matters


def _is_for_all(learned: Learned) -> bool:
    """Whether one answer serves all who ask: nobody says who they are, or it was seen to.

    A public answer is given to whoever asks, so that who shows no credentials must have had it
    from the app as well; and nobody may have been refused, or been answered in private.
    """
    if not learned.with_credentials:
        return True
    if learned.refusals or learned.secrets or not learned.without_credentials:
        return False
    user = learned.factors[USER]
    return user.is_idle and user.same >= SHARED and len(learned.users) >= SHARED


def _tried(curve: Curve, longest: float) -> list[Point]:
    """Return the ttls that are not longer than that: what nobody has watched, nobody knows."""
    longest = min(longest, VOLATILITY["static"])
    return [point for point in curve.points() if point.ttl <= longest]


def _idle(learned: Learned) -> list[str]:
    return [name for name in _named(learned, "query:") if learned.is_idle(f"query:{name}")]


def _vary(learned: Learned) -> list[str]:
    declared = learned.declared
    fields = _named(learned, "field:")
    return [name for name, factor in fields.items() if factor.matters and name not in declared]


def _named(learned: Learned, prefix: str) -> dict[str, Factor]:
    return {
        name.removeprefix(prefix): factor
        for name, factor in sorted(learned.factors.items())
        if name.startswith(prefix)
    }


def _purged_by(learned: Learned) -> list[tuple[str, str]]:
    accepted = {n: r for n, r in sorted(learned.relations.items()) if r.is_accepted}
    return [(name, tag_of(learned.route, each.names)) for name, each in accepted.items()]


def tag_of(route: str, names: tuple[str, ...]) -> str:
    """Return a template for what *route* answers where the parameters *names* agree."""
    fixed = [part for part in route.split("/") if part and "{" not in part]
    name = fixed[-1] if fixed else "root"
    return ":".join([name, *(f"{{{each}}}" for each in names)])
