"""What is advised for a whole app: a report to read, and rules to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from asgi_cache.advisor.curve import Point
from asgi_cache.advisor.deciding import NEVER, RouteAdvice
from asgi_cache.advisor.ruling import UNSTORED, ruled
from asgi_cache.errors import ConfigurationError
from asgi_cache.quantities import worded_duration, worded_size

LISTS = ("ignore_query", "vary", "tags")
"""What of a route's advice is a list of names, as in a rule."""

HEAD = ("route", "requests", "app", "advice", "ttl", "hits", "stale", "memory")


@dataclass(frozen=True, slots=True)
class Advice:
    """What to cache and for how long, by what was learned in *seconds* of traffic.

    As text it is a report.
    """

    seconds: float
    routes: tuple[RouteAdvice, ...]
    """What saves most comes first."""
    unasked: tuple[str, ...] = ()
    """The app's other routes, of which nothing is known."""

    def rules(self) -> dict[str, object]:
        """Return rules as ``Cache(rules=...)`` takes them.

        What should be purged by a write is said of that write's route.
        """
        purged: dict[str, list[str]] = {}
        for advice in self.routes:
            for write, tag in advice.purged_by:
                tags = purged.setdefault(write, [])
                tags += [tag] if tag not in tags else []
        writes = {write: {"purge": tags} for write, tags in purged.items()}
        reads: dict[str, object] = {
            advice.route: _rule(advice) if advice.is_stored else UNSTORED
            for advice in self.routes
            if advice.is_stored or advice.kind in NEVER
        }
        return ruled(writes, reads, (*self.unasked, *(advice.route for advice in self.routes)))

    def to_toml(self) -> str:
        """Write the rules as a file that `Cache.from_config` reads, with the reasons beside them.

        Raises:
            ConfigurationError: tomlkit is not installed.
        """
        try:
            import tomlkit  # noqa: PLC0415 - only who wants a file needs it
        except ImportError:
            raise ConfigurationError("a file of rules: pip install 'asgi-cache[cli]'") from None
        said = {advice.route: advice for advice in self.routes}
        document, rules = tomlkit.document(), tomlkit.table()
        document.add(tomlkit.comment(f"From {worded_duration(self.seconds)} of traffic."))
        for pattern, rule in self.rules().items():
            advice = said.get(pattern)
            if advice is not None:
                rules.add(tomlkit.comment(f"{advice.kind}: {advice.why}; {_expected(advice)}"))
            if isinstance(rule, Mapping):
                value = tomlkit.inline_table()
                value.update(cast("Mapping[str, object]", rule))
                rules.add(tomlkit.key(pattern), value)
            else:
                rules.add(tomlkit.key(pattern), rule)
        document.add("rules", rules)
        return tomlkit.dumps(document)

    def __str__(self) -> str:
        """Write the report."""
        rows = [HEAD, *(_row(advice) for advice in self.routes)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        details = [line for advice in self.routes for line in _details(advice)]
        head = f"From {worded_duration(self.seconds)} of traffic:"
        return "\n".join([head, "", *lines, *(["", *details] if details else [])])

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Advice:
        """Read what `to_plain` has written.

        Raises:
            ValueError: It is nothing of the kind.
        """
        try:
            return cls(
                float(plain["seconds"]), tuple(map(_read, plain["routes"])), tuple(plain["unasked"])
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no advice: {error}") from None


def _read(plain: Mapping[str, Any]) -> RouteAdvice:
    read = {
        "curve": tuple(Point(**point) for point in plain["curve"]),
        "purged_by": tuple((write, tag) for write, tag in plain["purged_by"]),
        **{name: tuple(plain[name]) for name in LISTS},
    }
    return RouteAdvice(**{**plain, **read})


def _rule(advice: RouteAdvice) -> dict[str, object]:
    stated: dict[str, object] = {"ttl": _written(advice.ttl or 0.0)}
    if advice.public:
        stated["public"] = True
    for name in LISTS:
        if said := getattr(advice, name):
            stated[name] = list(said)
    return stated


def _row(advice: RouteAdvice) -> tuple[str, ...]:
    app = f"{advice.app_seconds * 1000:.1f} ms"
    if not advice.is_stored:
        return advice.route, f"{advice.requests:,}", app, advice.kind, "-", "-", "-", "-"
    return (
        advice.route,
        f"{advice.requests:,}",
        app,
        advice.kind,
        worded_duration(advice.ttl or 0.0),
        f"{advice.hit_ratio:.1%}",
        f"{advice.stale_ratio:.1%}",
        worded_size(advice.memory),
    )


def _details(advice: RouteAdvice) -> Iterator[str]:
    yield f"{advice.route}: {advice.kind}, as {advice.why}"
    if advice.curve:
        tried = (f"{worded_duration(point.ttl)} {point.hit_ratio:.0%}" for point in advice.curve)
        yield f"  hits by ttl: {', '.join(tried)}"
    if not advice.is_stored:
        return
    yield f"  {_expected(advice)}"
    whose = "public: users were compared, and their answers were equal" if advice.public else ""
    idle = ", ".join(advice.ignore_query)
    query = f"ignore_query: {idle}, on which nothing depends" if idle else ""
    vary = f"vary: {', '.join(advice.vary)}, which the app does not say" if advice.vary else ""
    purged = [f"purged by {write}: {tag}" for write, tag in advice.purged_by]
    yield from (f"  {said}" for said in (whose, query, vary, *purged) if said)


def _expected(advice: RouteAdvice) -> str:
    saved = worded_duration(advice.seconds_saved)
    return f"{advice.hit_ratio:.0%} hits expected, {saved} saved an hour"


def _written(seconds: float) -> str:
    """Write a duration as a rule has it."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
