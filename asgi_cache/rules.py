"""Which rule a request falls under: patterns and rules as users write them, compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Final, Literal, Protocol, TypeAlias, TypedDict, cast

from asgi_cache.coercion import (
    Reader,
    read_each,
    read_factor,
    read_field_names,
    read_fields,
    read_fraction,
    readers_of,
)
from asgi_cache.errors import ConfigurationError
from asgi_cache.patterns import STORABLE, Pattern, parse_pattern, storable_method
from asgi_cache.policy.rule import Rule
from asgi_cache.quantities import NEVER, volatility_classes
from asgi_cache.tags import SLOT
from asgi_cache.wording import Unfit, shorten, suggest

_DEFAULT: Final = Rule()

Duration: TypeAlias = float | str | timedelta
"""Seconds, or text such as ``"2m"``, or a volatility class."""


class RuleOptions(TypedDict, total=False):
    """What a rule can say besides its ``ttl``, as users write it; see `Rule`."""

    client_ttl: Duration
    stale_while_revalidate: Duration
    stale_if_error: Duration
    early_refresh: float
    public: bool
    query: Sequence[str] | None
    ignore_query: Sequence[str]
    sort_query: bool
    vary: Sequence[str]
    tags: Sequence[str]
    purge: Sequence[str]
    status_ttl: Mapping[int, Duration]
    methods: Sequence[str]
    client_bypass: bool
    cookies: Literal["safe", "rfc9111"]
    errors: Literal["safe", "rfc9111"]
    heuristic: float
    max_body: int | str
    max_header: int | str
    max_fills: float | None
    max_user_fills: float | None
    coherence: Literal["bounded", "strict"]
    unlinked: Literal["forward", "serve"]
    store_private: bool
    observe: bool


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that a request falls under."""

    rule: Rule | None
    """``None``: the response is never stored."""
    pattern: str
    """The pattern as it was written: a label for metrics that has few values."""
    params: dict[str, str]
    """The path parameters as they stand in the path, or as a route has converted them."""
    others: tuple[str, ...] = ()
    """Patterns that match as well, and that it can be purged by."""
    only_adds: bool = False
    """The rule says nothing but tags."""
    said_by: str = "the mapping"

    @property
    def patterns(self) -> tuple[str, ...]:
        """All that it can be purged by as a route."""
        return (self.pattern, *self.others)

    def joined(self, other: Match) -> Rule | None:
        """Return this one's rule with what that of the *other*, which matches too, adds to it.

        Tags add up, so that whatever somebody relies on to be purged is purged.
        """
        rule, second = self.rule, other.rule
        if rule is None or second is None:
            return None if self.only_adds else rule
        tags, purge = (*rule.tags, *second.tags), (*rule.purge, *second.purge)
        return replace(second if self.only_adds else rule, tags=tags, purge=purge)

    def before(self, other: Match, joined: Rule | None) -> Match:
        """Return this one where the *other* matches too, with their *joined* rule."""
        params, said_by = (
            {**other.params, **self.params},
            f"{self.said_by}, before {other.pattern!r}",
        )
        return Match(joined, self.pattern, params, other.patterns, said_by=said_by)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in their order; the first whose pattern matches a request is its rule."""

    entries: tuple[tuple[Pattern, Rule | None], ...] = ()

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, object],
        *,
        base: Rule = _DEFAULT,
        durations: Mapping[str, object] | None = None,
    ) -> RuleSet:
        """Compile rules; what one does not say is as in *base*.

        *durations* are the user's own volatility classes.

        Raises:
            ConfigurationError: A rule is malformed, contradicts itself or is never reached.
        """
        reader = RuleReader(base, durations)
        entries: list[tuple[Pattern, Rule | None]] = []
        for text, value in mapping.items():
            where = f"rule {shorten(text)}"
            pattern = _read_pattern(text, where)
            _check_reachable(pattern, [earlier for earlier, _ in entries], where)
            entries.append((pattern, reader.read(value, pattern, where)))
        return cls(tuple(entries))

    def match(self, method: str, path: str) -> Match | None:
        """Find the rule for *method* and the decoded *path*, without the root path."""
        for pattern, rule in self.entries:
            params = pattern.match(method, path)
            if params is not None:
                return Match(rule, pattern.text, params)
        return None


class Place(Protocol):
    """What a rule is said of, as far as that limits what it can say."""

    @property
    def methods(self) -> frozenset[str] | None:
        """The methods it is for; ``None``: all."""

    @property
    def parameters(self) -> frozenset[str]:
        """The names of its path parameters."""


class RuleReader:
    """Reads what is said of a route; what one does not say is as in *base*.

    *durations* are the user's own volatility classes.
    """

    def __init__(
        self, base: Rule = _DEFAULT, durations: Mapping[str, object] | None = None
    ) -> None:
        special: dict[str, Reader] = {
            "early_refresh": read_factor,
            "heuristic": read_fraction,
            "max_fills": read_factor,
            "max_user_fills": read_factor,
            "methods": _read_methods,
            "vary": read_field_names,
        }
        self._base = base
        self._readers = readers_of(Rule, volatility_classes(durations or {}), special)

    def read(self, value: object, place: Place, where: str) -> Rule | None:
        """Read the rule *value*, of *place*; an error says *where* it stands.

        Raises:
            ConfigurationError: It is malformed, or contradicts itself.
        """
        if value is None or value == NEVER:
            return None
        # A complete rule inherits nothing.
        base = _DEFAULT if isinstance(value, Rule) else self._base
        stated = read_fields(_stated_fields(value, where), self._readers, where=where, kind="field")
        _check_methods(place, stated, where)
        rule = replace(base, **(_methods_of(place, stated) | stated))
        _check_contradictions(rule, where)
        _check_templates(rule, place, where)
        return rule


def _read_methods(value: object) -> tuple[str, ...]:
    methods = read_each(value, storable_method)
    if not methods:
        raise Unfit(value, f"names no method: a rule that stores nothing is {NEVER!r}")
    return methods


def _read_pattern(text: object, where: str) -> Pattern:
    if not isinstance(text, str):
        raise ConfigurationError(f"{where}: a pattern is a string")
    try:
        return parse_pattern(text)
    except Unfit as error:
        raise ConfigurationError(f"{where} {error.why}") from None


def _check_reachable(pattern: Pattern, earlier: list[Pattern], where: str) -> None:
    for other in earlier:
        if other.covers(pattern):
            raise ConfigurationError(
                f"{where} is never reached: {shorten(other.text)} before it matches "
                "all that it matches; put the narrower pattern first"
            )


def stated_in(rule: Rule, base: Rule = _DEFAULT) -> dict[str, Any]:
    """Return the fields in which *rule* is not as *base*, which is one that says nothing."""
    every = {field.name: getattr(rule, field.name) for field in fields(Rule)}
    return {name: value for name, value in every.items() if value != getattr(base, name)}


def _stated_fields(value: object, where: str) -> Mapping[str, object]:
    """Return what a rule says by itself, still unread; a duration says its ``ttl``."""
    match value:
        case Rule():
            return stated_in(value)
        case Mapping():
            return cast("Mapping[str, object]", value)
        case str() | int() | float() | timedelta() if not isinstance(value, bool):
            return {"ttl": value}
        case _:
            raise ConfigurationError(
                f"{where}: {shorten(value)} is not a rule: write a duration, "
                f"a table of fields, or {NEVER!r}"
            )


def _methods_of(place: Place, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the methods a place names: naming POST there is enough to have it stored.

    Not so where the rule says what is purged: then POST is a write.
    """
    if place.methods is None:
        return {}
    stored = place.methods.intersection(STORABLE) - ({"POST"} if stated.get("purge") else set())
    return {"methods": tuple(sorted(stored))}


def _check_methods(place: Place, stated: Mapping[str, Any], where: str) -> None:
    methods = stated.get("methods", ())
    if place.methods is not None and not place.methods.issuperset(methods):
        raise ConfigurationError(
            f"{where}: methods={shorten(methods)} names methods that do not come here"
        )


def _check_templates(rule: Rule, place: Place, where: str) -> None:
    """Refuse a template that no request could fill in, or that has a brace left over."""
    for field, template in [(n, text) for n in ("tags", "purge") for text in getattr(rule, n)]:
        names = {name for name in SLOT.findall(template) if not name.startswith("query.")}
        for name in sorted(names - place.parameters - {"user"}):
            near = suggest(name, [*place.parameters, "user", "query.NAME"])
            raise ConfigurationError(
                f"{where}: {field}={shorten(template)} has {{{name}}}, "
                f"which the path does not name{near}"
            )
        if not template or set("{}") & set(SLOT.sub("", template)):
            raise ConfigurationError(
                f"{where}: {field}={shorten(template)} is not a template such as 'task:{{id}}'"
            )


def _check_contradictions(rule: Rule, where: str) -> None:
    if rule.query is not None and rule.ignore_query:
        raise ConfigurationError(
            f"{where}: 'query' and 'ignore_query' exclude each other: name the parameters "
            "that count, or those that do not"
        )
    if rule.purge and "POST" in rule.methods:
        raise ConfigurationError(
            f"{where}: 'purge' and POST in 'methods' exclude each other: a POST is a write, "
            "or a question whose answer is stored"
        )
    if rule.store_private and rule.public:
        raise ConfigurationError(
            f"{where}: 'store_private' and 'public' exclude each other: a private response "
            "is never for every user"
        )
    if rule.coherence == "strict" and rule.unlinked == "serve":
        raise ConfigurationError(
            f"{where}: coherence='strict' and unlinked='serve' exclude each other: a copy is "
            "never served without asking the store, or is when the store cannot be asked"
        )
