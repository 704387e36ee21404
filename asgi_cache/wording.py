"""How errors of configuration are worded: the value at fault, why, and what was meant."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches

from asgi_cache.errors import ConfigurationError

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 60


class Unfit(ConfigurationError):
    """A value cannot be used; whoever knows where it stands says so and repeats ``why``."""

    def __init__(self, value: object, why: str) -> None:
        super().__init__(f"{shorten(value)} {why}")
        self.why = why


def shorten(value: object) -> str:
    """Show *value* in an error, cut short so that a large one does not bury the reason."""
    return _REPR.repr(value)


def nearest(word: object, known: Iterable[str], *, prefix: str = "") -> str:
    """Name the nearest of the *known* spellings in parentheses, or nothing if none is near.

    *prefix* is shown before it, but does not count.
    """
    near = get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {prefix + near[0]!r}?)" if near else ""


def suggest(word: object, known: Iterable[str], *, prefix: str = "") -> str:
    """Name the nearest of the *known* spellings in parentheses, or all if none is near."""
    names = list(known)
    every = ", ".join(prefix + name for name in names)
    return nearest(word, names, prefix=prefix) or f" (known: {every})"
