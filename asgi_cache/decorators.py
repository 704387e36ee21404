"""What handlers say themselves of how their responses are kept.

A decorator runs nothing and wraps nothing: it leaves a statement on the handler, which
`routes` finds there when the app's routes are read. So a handler stays what it was, and a hit
costs no more for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from inspect import Signature
from typing import Any, Final, TypeVar, Unpack, overload

from asgi_cache.errors import ConfigurationError
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import Duration, RuleOptions
from asgi_cache.wording import shorten, suggest

F = TypeVar("F", bound=Callable[..., Any])

STATED: Final = "__asgi_cache__"
"""The attribute of a handler that holds what decorators state of it."""

ADDED: Final = frozenset({"tags", "purge"})
"""The fields in which what several state adds up."""

_NAMES: Final = frozenset(field.name for field in fields(Rule))


class Statement:
    """Some fields of the rule of a route: a decorator, and a dependency that does nothing."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self.options: Mapping[str, object] = options
        # As a dependency FastAPI calls it without arguments. It runs what it does not take for
        # a coroutine function in a thread, and looks at this attribute to tell.
        self.__signature__: Signature = Signature()
        self.__dict__["__call__"] = _nothing

    @overload
    def __call__(self) -> Any: ...

    @overload
    def __call__(self, endpoint: F) -> F: ...

    def __call__(self, endpoint: F | None = None) -> Any:
        """Leave the statement on *endpoint*, which stays as it is."""
        if endpoint is None:
            return _nothing()
        stated = (*getattr(endpoint, "__dict__", {}).get(STATED, ()), self)
        try:
            setattr(endpoint, STATED, stated)
        except AttributeError:
            raise ConfigurationError(
                f"{shorten(endpoint)} cannot be decorated: state a rule in the mapping instead"
            ) from None
        return endpoint


async def _nothing() -> None:
    """Depend on nothing: what is stated is found in the route, not by running it."""


def cached(ttl: Duration | None = None, **options: Unpack[RuleOptions]) -> Statement:
    """Have the responses of a handler stored, under a rule of its own.

    *ttl* and *options* are the fields of a rule (`Rule`). A decorator of an endpoint, above or
    below the one that routes to it; with FastAPI also ``Depends(cached(...))``, of an endpoint
    or of a router.

    Where a rule of the mapping matches too, this one holds in its place, but for ``tags`` and
    ``purge``, which add up. One that names nothing but these leaves the mapping's rule in force.

    Raises:
        ConfigurationError: There is no such field. What cannot be its value is found when the
            app starts.
    """
    if ttl is not None and not isinstance(ttl, str | float | int | timedelta):
        raise ConfigurationError(
            f"cached: {shorten(ttl)} is not a duration: write @cached('5m'), with parentheses"
        )
    given: dict[str, object] = {**options} if ttl is None else {"ttl": ttl, **options}
    for name in given:
        if name not in _NAMES:
            raise ConfigurationError(f"cached: unknown field {name!r}{suggest(name, _NAMES)}")
    return Statement(given)


def invalidates(*tags: str) -> Statement:
    """Purge *tags* when a request that a handler answers has succeeded.

    They are templates, as in a rule's ``purge``: ``"task:{task_id}"``. A success is any answer
    that is no error (RFC 9111, section 4.4): a form that redirects has changed something too.
    A decorator of an endpoint, or with FastAPI ``Depends(invalidates(...))``.

    Raises:
        ConfigurationError: No tag is named, or one that is no string.
    """
    if not tags or not all(isinstance(tag, str) for tag in tags):
        raise ConfigurationError(
            f"invalidates: {shorten(tags)} names no tags: write @invalidates('tasks')"
        )
    return Statement({"purge": tags})


def joined(statements: tuple[Statement, ...]) -> dict[str, object]:
    """Return what *statements* say together: the last word counts, but tags add up."""
    stated: dict[str, Any] = {}
    for statement in statements:
        for name, given in statement.options.items():
            if name in ADDED and isinstance(given, list | tuple):
                stated[name] = (*stated.get(name, ()), *given)
            else:
                stated[name] = given
    return stated
