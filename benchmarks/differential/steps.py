"""What is asked, and what the app would answer: drawn from a seed, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Final, TypeAlias, TypeVar

from asgi_cache.values import value

T = TypeVar("T")
Fields: TypeAlias = tuple[tuple[str, str], ...]

MODES: Final = ("safe", "rfc9111")
"""The two senses of the settings ``cookies`` and ``errors``; each is a cache of its own."""

WAIT: Final = 3.2
"""Seconds after which what was fresh for two is stale, in whole seconds as in others."""


@value
class Said:
    """What the app answers to a step, if it is asked."""

    status: int
    content: int
    """Which content it has; a validator says so, if there is one."""
    etag: str
    """``strong``, ``weak`` or nothing."""
    dated: bool
    """Whether there is a ``Last-Modified``."""
    fields: Fields
    """Besides; ``@-60`` stands for the date of a minute ago."""

    def field(self, name: str) -> str:
        """Return the value of the field called *name*; empty if there is none."""
        return dict(self.fields).get(name, "")

    @property
    def directives(self) -> str:
        """Its ``Cache-Control``, in lower case."""
        return self.field("cache-control").lower()


@value
class Step:
    """One request, and what would be true if the app were asked."""

    wait: float
    method: str
    path: str
    fields: Fields
    said: Said

    def field(self, name: str) -> str:
        """Return the value of the request field called *name*; empty if there is none."""
        return dict(self.fields).get(name, "")


# What is common stands beside its weight.
DIRECTIVES: Final[Mapping[str, int]] = {
    "max-age=1000": 12,
    "public, max-age=1000": 6,
    "s-maxage=1000": 4,
    "max-age=2": 4,
    "max-age=1000, s-maxage=2": 2,
    "max-age=0, s-maxage=1000": 1,
    "s-maxage=0, max-age=1000": 1,
    "max-age=0": 2,
    "public": 1,
    "": 3,
    "no-store": 2,
    "private": 2,
    "no-cache": 2,
    "private, max-age=1000": 2,
    "no-cache, max-age=1000": 2,
    "max-age=1000, no-store": 1,
    "max-age=1000, must-revalidate": 2,
    "max-age=2, proxy-revalidate": 1,
    "must-revalidate": 1,
    'max-age=1000, private="x-note"': 1,
    'max-age=1000, no-cache="x-note"': 1,
    "no-store, must-understand, max-age=1000": 1,
    "MAX-AGE=1000": 1,
    "max-age=1000,max-age=2": 1,
    'max-age="1000"': 1,
    "max-age=soon": 1,
    "max-age=-1": 1,
    "max-age=99999999999": 1,
    "max-age=1000, immutable, unheard-of=1": 1,
    "PRIVATE": 1,
    "No-Store": 1,
}
STATUSES: Final[Mapping[int, int]] = {
    200: 30,
    404: 2,
    **dict.fromkeys((203, 204, 299, 301, 302, 410, 500, 503), 1),
}
ADDED: Final[Mapping[Fields, int]] = {
    (): 24,
    (("vary", "x-kind"),): 6,
    (("vary", "X-Kind, Accept-Language"),): 2,
    (("vary", "accept-language"),): 3,
    (("vary", "authorization"),): 1,
    (("vary", "cookie"),): 1,
    (("vary", "*"),): 1,
    (("set-cookie", "seen=1"),): 2,
    (("age", "10"),): 2,
    (("age", "990"),): 1,
    (("age", "5000"),): 1,
    (("expires", "@+1000"),): 3,
    (("expires", "@-1000"),): 1,
    (("expires", "0"),): 1,
    (("date", "@-500"),): 1,
    (("date", "@-500"), ("expires", "@+10")): 1,
    (("connection", "x-hop"), ("x-hop", "1")): 1,
    (("content-language", "de"), ("content-type", "text/plain")): 2,
}
WRITTEN: Final[Mapping[Fields, int]] = {
    (): 4,
    (("location", "{a}"),): 2,
    (("content-location", "{a}"),): 2,
    (("content-location", "{b}"),): 1,
    (("location", "//elsewhere.example{a}"),): 1,
}
METHODS: Final[Mapping[str, int]] = {
    "GET": 40,
    "HEAD": 3,
    "POST": 2,
    "PUT": 2,
    "DELETE": 1,
    "PATCH": 1,
    "OPTIONS": 1,
}
UNSAFE: Final = frozenset({"POST", "PUT", "DELETE", "PATCH"})
WISHES: Final[Mapping[Fields, int]] = {
    (): 50,
    (("x-kind", "a"),): 6,
    (("x-kind", "b"),): 6,
    (("accept-language", "de"),): 3,
    (("accept-language", "en"),): 3,
    (("accept-language", "en, de"),): 1,
    (("accept-language", "de,en"),): 1,
    (("authorization", "one"),): 3,
    (("authorization", "two"),): 3,
    (("cookie", "who=one"),): 2,
    (("cookie", "who=two"),): 2,
    (("range", "bytes=0-3"),): 2,
    (("range", "bytes=5-"),): 1,
    (("range", "bytes=-4"),): 1,
    (("range", "bytes=1000-"),): 1,
    (("range", "bytes=0-1,4-5"),): 1,
    (("range", "bytes=3-1"),): 1,
    (("range", "items=0-1"),): 1,
    (("range", "bytes=0-3"), ("if-range", "{strong}")): 2,
    (("range", "bytes=0-3"), ("if-range", "{weak}")): 1,
    (("range", "bytes=0-3"), ("if-range", "{date}")): 1,
    (("if-none-match", "{strong}"),): 5,
    (("if-none-match", "{weak}"),): 2,
    (("if-none-match", '"other", {strong}'),): 1,
    (("if-none-match", '"other"'),): 1,
    (("if-none-match", "*"),): 1,
    (("if-modified-since", "{date}"),): 4,
    (("if-modified-since", "@-1"),): 1,
    (("if-none-match", '"other"'), ("if-modified-since", "{date}")): 1,
    (("if-none-match", "{strong}"), ("if-modified-since", "@-90000000")): 1,
    (("cache-control", "no-cache"),): 1,
    (("cache-control", "no-store"),): 1,
    (("cache-control", "max-age=0"),): 1,
    (("cache-control", "max-stale"),): 1,
    (("cache-control", "min-fresh=900"),): 1,
    (("cache-control", "only-if-cached"),): 1,
    (("pragma", "no-cache"),): 1,
}
PATHS: Final[Mapping[str, int]] = {"{a}": 24, "{b}": 3, "{a}?x=1": 3}


def draw_steps(random: Random) -> list[Step]:
    """Draw a sequence: a resource that changes now and then, and who asks for it."""
    said, steps = draw_said(random), list[Step]()
    for _ in range(random.randint(3, 9)):
        said = changed(random, said)
        steps.append(draw_step(random, said))
    return steps


def draw_said(random: Random) -> Said:
    """Draw what the app answers."""
    return Said(
        status=drawn(random, STATUSES),
        content=0,
        etag=drawn(random, {"strong": 4, "weak": 2, "": 3}),
        dated=random.random() < 0.4,
        fields=(*_cache_control(random), *drawn(random, ADDED)),
    )


def changed(random: Random, said: Said) -> Said:
    """Change, now and then, the content or what is said of it."""
    if random.random() < 0.2:
        said = replace(draw_said(random), etag=said.etag, dated=said.dated, content=said.content)
    if random.random() < 0.4:
        said = replace(said, content=said.content + 1)
    return said


def draw_step(random: Random, said: Said) -> Step:
    """Draw who asks for what."""
    method, known = drawn(random, METHODS), random.randint(max(0, said.content - 1), said.content)
    if method in UNSAFE:
        said = replace(said, fields=(*said.fields, *drawn(random, WRITTEN)))
    wishes = drawn(random, WISHES) if method in {"GET", "HEAD"} else ()
    return Step(
        wait=WAIT if random.random() < 0.12 else 0.0,
        method=method,
        path=drawn(random, PATHS),
        fields=tuple((name, written(text, known)) for name, text in wishes),
        said=said,
    )


def written(text: str, content: int) -> str:
    """Fill in the validators of a *content*."""
    strong, date = f'"{content}"', f"@{modified(content)}"
    return text.format(strong=strong, weak="W/" + strong, date=date, a="{a}", b="{b}")


def modified(content: int) -> int:
    """Return when a content was made, in seconds from 1970: each a day after the one before."""
    return 1_600_000_000 + content * 86_400


def drawn(random: Random, weights: Mapping[T, int]) -> T:
    """Draw one by its weight."""
    return random.choices(list(weights), list(weights.values()))[0]


def _cache_control(random: Random) -> Fields:
    directives = drawn(random, DIRECTIVES)
    return (("cache-control", directives),) if directives else ()
