"""Puts advised rules into an order in which each has its say, and leaves no gap that leaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from asgi_cache.errors import ConfigurationError
from asgi_cache.patterns import Pattern, parse_pattern

UNSTORED: Final = "never"


def ruled(
    writes: Mapping[str, object], stored: Mapping[str, object], others: Iterable[str]
) -> dict[str, object]:
    """Return rules that the cache takes, for what *writes* purge and what is *stored*.

    The routes named by *others* are not stored. Where a wider pattern that is would match them,
    they are said to be never stored: ``/users/{id}`` says nothing of ``/users/me``. What is no
    pattern of a rule is left out, as with a convertor that is not known here.
    """
    said: list[tuple[Pattern, object]] = []
    for text, rule in (*sorted(writes.items()), *sorted(stored.items())):
        if (pattern := _parsed(text)) is not None:
            _place(said, pattern, rule)
    for text in sorted(set(others) - stored.keys()):
        pattern = _parsed(text)
        if pattern is not None and any(_stores(rule) and p.covers(pattern) for p, rule in said):
            _place(said, pattern, UNSTORED)
    return {pattern.text: rule for pattern, rule in said}


def _place(said: list[tuple[Pattern, object]], pattern: Pattern, rule: object) -> None:
    """Put a rule before those that would leave nothing for it.

    Two patterns that match the same are one; if they disagree, nothing is stored.
    """
    for place, (other, others_rule) in enumerate(said):
        if other.covers(pattern):
            if not pattern.covers(other):
                said.insert(place, (pattern, rule))
            elif rule != others_rule:
                said[place] = (other, UNSTORED)
            return
    said.append((pattern, rule))


def _stores(rule: object) -> bool:
    return rule != UNSTORED and not (isinstance(rule, Mapping) and "purge" in rule)


def _parsed(text: str) -> Pattern | None:
    try:
        return parse_pattern(text)
    except ConfigurationError:
        return None
