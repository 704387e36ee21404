"""What is compared of two answers, and what of it differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from asgi_cache.values import value
from benchmarks.differential.stage import Played
from benchmarks.differential.steps import Step
from tests.bare import Answer

OF_ONE_CACHE: Final = frozenset(
    {
        *("cache-status", "x-varnish", "via", "age", "accept-ranges"),
        *("connection", "keep-alive", "transfer-encoding", "content-length"),
    }
)
"""Fields that each cache makes for itself. ``Age`` and the length are compared as numbers."""

IN_304: Final = frozenset(
    {"cache-control", "content-location", "date", "etag", "expires", "vary", "x-step"}
)
"""The fields that a 304 has to have if the 200 had them (RFC 9110, section 15.4.5)."""

IN_206: Final = IN_304 | {"content-range"}
"""The same of a 206 (RFC 9110, section 15.3.7)."""

IN_416: Final = frozenset({"content-range"})
LATE: Final = 1
"""Seconds by which ages may differ: they are rounded, and one cache is asked before the other."""


@value
class Difference:
    """One thing that differs, in one step."""

    what: str
    """``asked``, ``source`` (which answer of the app), ``status``, ``body``, ``age`` or a field."""
    played: Played

    @property
    def step(self) -> Step:
        """What was asked."""
        return self.played.step

    @property
    def only_we_asked(self) -> bool:
        """Whether only Varnish served what is stored."""
        return self.what == "asked" and self.played.ours.asked

    @property
    def only_they_asked(self) -> bool:
        """Whether only this cache did."""
        return self.what == "asked" and self.played.theirs.asked

    @property
    def we_served(self) -> Step:
        """The step in which the app said what this cache sent."""
        return self.played.steps[self.played.ours.source or 0]

    @property
    def they_served(self) -> Step:
        """The same of Varnish."""
        return self.played.steps[self.played.theirs.source or 0]


def difference(played: Played) -> Difference | None:
    """Return the first thing that differs; what is after it would follow from it."""
    return next((Difference(what, played) for what in _differing(played)), None)


def _differing(played: Played) -> Iterator[str]:
    ours, theirs = played.ours, played.theirs
    if ours.asked != theirs.asked:
        yield "asked"
    if ours.source != theirs.source:
        yield "source"
    if ours.answer.status != theirs.answer.status:
        yield "status"
    if ours.answer.body != theirs.answer.body:
        yield "body"
    if not ours.asked and abs(_age(ours.answer) - _age(theirs.answer)) > LATE:
        yield "age"
    yield from _differing_fields(ours.answer, theirs.answer, ours_asked=ours.asked)


def _differing_fields(ours: Answer, theirs: Answer, *, ours_asked: bool) -> Iterator[str]:
    names = {name.lower() for name, _ in (*ours.fields, *theirs.fields)} - OF_ONE_CACHE
    if "etag" not in theirs:
        names.discard("etag")  # this cache makes one where the app did not
    if ours_asked:
        names.discard("x-hop")  # this cache is behind the server that the connection is with
    compared = {304: IN_304, 206: IN_206, 416: IN_416}.get(ours.status)
    for name in sorted(names if compared is None else names & compared):
        if ours.all(name) != theirs.all(name):
            yield name


def _age(answer: Answer) -> int:
    return int(answer["age"]) if "age" in answer else -LATE - 1  # which no age is near to
