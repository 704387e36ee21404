"""Adds up what several processes have counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from functools import reduce
from typing import Any, Final

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.stats import Stats

BREAKER: Final = ("closed", "half-open", "open")
"""The states of a circuit breaker; of several processes the worst one counts."""


def merged(every: Iterable[Stats]) -> Stats:
    """Add up the counts of several processes; there has to be one at least."""
    return reduce(_added, every)


def _worse(one: str, other: str) -> str:
    return max(one, other, key=BREAKER.index)


_MERGED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    **dict.fromkeys(("at", "uptime", "position", "changes", "behind", "bound"), max),
    **dict.fromkeys(("route", "kind"), lambda one, _: one),
    "process": lambda one, other: f"{one}, {other}",
    "memory": lambda one, other: other or one,
    "breaker": _worse,
}
"""How fields of several processes become one, where they do not add up."""


def _joined(one: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    mine, theirs = one.keys(), other.keys()
    both = {key: _added(one[key], other[key]) for key in one if key in theirs}
    return {**one, **{key: other[key] for key in other if key not in mine}, **both}


def _added(one: Any, other: Any) -> Any:
    match one:
        case None:
            return other
        case Histogram():
            return one.plus(other)
        case dict():
            return _joined(one, other)
        case tuple():  # of routes
            mine, theirs = ({each.route: each for each in routes} for routes in (one, other))
            return tuple(_joined(mine, theirs).values())
        case int() | float():
            return one + other
        case _ if other is None:
            return one
        case _:
            names = [f.name for f in fields(one)]
            pairs = {n: (getattr(one, n), getattr(other, n)) for n in names}
            return replace(one, **{n: _MERGED.get(n, _added)(*pairs[n]) for n in names})
