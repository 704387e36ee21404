"""What the simulated app serves: paths of several kinds, the rules for them, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Pair: TypeAlias = tuple[str, str]
"""A path, and whose answer it has; `EVERYBODY` where it is the same for all."""

EVERYBODY: Final = "-"
USERS: Final = ("u0", "u1", "")
"""Who asks; the last one shows no credentials."""
VARIANTS: Final = ("a", "b")
HOST: Final = "http://example.com"


@dataclass(frozen=True)
class Kind:
    """How the app answers for one kind of resource, and what the rule says of it."""

    rule: Mapping[str, Any] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    ttl: float = 2.0
    public: bool = False
    tagged: bool = False
    """It has an entity tag, and the app answers conditions."""
    chunks: int = 1
    measured: bool = True
    varies: bool = False
    private: float = 0.0
    """How likely an answer is for one request alone."""
    failing: float = 0.0

    @property
    def is_steady(self) -> bool:
        """Whether every run brings what can be shared with all who ask the same."""
        rule = self.rule or {"max_body": 0}
        return self.ttl > 2 and not (
            self.private or self.failing or self.varies or "max_body" in rule
        )

    def holds(self, body: bytes) -> bool:
        """Whether *body* is not too large to be stored."""
        return len(body) <= (self.rule or {}).get("max_body", len(body))

    def window(self, name: str) -> float:
        """Return the seconds after its lifetime for which an answer may be served so."""
        return float((self.rule or {}).get(name, 0.0))


def _kind(name: str, *, ttl: float = 2.5, rule: Mapping[str, Any] | None = None, **options):
    tags = {"tags": [f"{name}:{{id}}", "every"], "purge": [f"{name}:{{id}}"]}
    public = {"public": True} if options.get("public") else {}
    return Kind(rule={"ttl": ttl, **tags, **public, **(rule or {})}, ttl=ttl, **options)


KINDS: Final = {
    "item": _kind("item"),
    "tagged": _kind("tagged", ttl=0.5, tagged=True),
    "list": _kind("list", public=True, rule={"early_refresh": 3.0}, ttl=1.0),
    "window": _kind(
        "window", ttl=0.3, rule={"stale_while_revalidate": 0.5, "stale_if_error": 1.5}, failing=0.2
    ),
    "flaky": _kind("flaky", ttl=0.3, rule={"stale_if_error": 4.0}, failing=0.5, public=True),
    "strict": _kind("strict", rule={"coherence": "strict"}, public=True),
    "varying": _kind("varying", public=True, varies=True, fields={"vary": "x-variant"}),
    "stream": _kind("stream", public=True, chunks=4, measured=False, failing=0.1),
    "parts": _kind("parts", chunks=3, failing=0.1, rule={"max_body": 3000}),
    "large": _kind("large", public=True, chunks=6, measured=False, rule={"max_body": 1000}),
    "private": _kind("private", private=0.7, fields={}),
    "marked": Kind(fields={"cache-control": "public, max-age=2"}, public=True, ttl=2.0),
}

PATHS: Final = tuple(f"/{kind}/{number}" for kind in KINDS for number in range(2))
RULES: Final = {f"/{name}/{{id}}": kind.rule for name, kind in KINDS.items() if kind.rule}


def kind_of(path: str) -> Kind:
    """Return the kind of the resource at *path*."""
    return KINDS[path.split("/")[1]]


def pair_of(path: str, user: str) -> Pair:
    """Return whose version of *path* it is that *user* asks for."""
    return path, EVERYBODY if kind_of(path).public else user


PAIRS: Final = tuple(dict.fromkeys(pair_of(path, user) for path in PATHS for user in USERS))


def _names(pair: Pair) -> frozenset[str]:
    path, user = pair
    _, kind, number = path.split("/")
    names = {"everything", f"url {path}", f"path /{kind}", f"path {path}", "path /"}
    if kind_of(path).rule is not None:
        names |= {f"route /{kind}/{{id}}", f"tag {kind}:{number}", "tag every"}
        names |= {f"user {user}"} if user not in (EVERYBODY, "") else set()
    return frozenset(names)


NAMES: Final = {pair: _names(pair) for pair in PAIRS}
"""By which names what is stored for a pair can be purged: what kind of name, and the name."""


def covered(names: Iterable[str], *, all_of: bool = False) -> frozenset[Pair]:
    """Return the pairs that any of *names* name, or all of them."""
    wanted = set(names)
    return frozenset(
        pair for pair, own in NAMES.items() if (wanted <= own if all_of else wanted & own)
    )


def purge_arguments(names: Iterable[str]) -> dict[str, Any]:
    """Return what `Cache.purge` is told of *names*."""
    arguments: dict[str, Any] = {"tags": [], "url": [], "path": [], "route": []}
    for name in names:
        what, _, value = name.partition(" ")
        match what:
            case "everything":
                arguments["everything"] = True
            case "user":
                arguments["user"] = value
            case "tag":
                arguments["tags"].append(value)
            case "url":
                arguments["url"].append(HOST + value)
            case _:
                arguments[what].append(value)
    return arguments
