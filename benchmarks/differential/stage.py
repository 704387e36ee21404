"""The app behind both caches, and one sequence of steps that is played to both."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate, parsedate_to_datetime
from itertools import count
from typing import Any, Final, NamedTuple

from asgi_cache import CacheMiddleware
from asgi_cache.policy.ranges import parse_ranges
from asgi_cache.values import value
from benchmarks.differential.steps import MODES, Fields, Step, modified
from tests.bare import Answer, Response, ask

ASGIApp = Callable[..., Awaitable[None]]
HOST: Final = "example.org"
_DATE: Final = re.compile(r"@([+-]?)(\d+)")


@value
class Seen:
    """What came of one step with one cache."""

    answer: Answer
    asked: bool
    """Whether the app was asked."""
    source: int | None
    """In which step the app said what was sent; ``None`` where it is the cache's own word."""


@value
class Played:
    """One step, and what came of it with this cache and with Varnish."""

    mode: str
    steps: tuple[Step, ...]
    """The sequence up to this step, which is the last."""
    ours: Seen
    theirs: Seen

    @property
    def step(self) -> Step:
        """The step itself."""
        return self.steps[-1]


class Moment(NamedTuple):
    """The step that is under way, its number, and the time: to both caches the same."""

    step: Step
    number: int
    now: float


class Stage:
    """Where sequences are played: who is where, and which step is under way."""

    def __init__(self) -> None:
        """Put up ours, one cache for each of the modes."""
        ours = self.app("ours")
        self.caches: dict[str, ASGIApp] = {
            mode: CacheMiddleware(ours, cookies=mode, errors=mode) for mode in MODES
        }
        self.varnish: ASGIApp
        """What goes to Varnish."""
        self.under_way: dict[str, Moment] = {}
        """Where each sequence is, by its name."""
        self.asked: set[tuple[str, str]] = set()
        """The sequences whose step has reached the app, and through which cache."""
        self._names = count()

    async def play(self, mode: str, steps: Sequence[Step]) -> list[Played]:
        """Play a sequence to both, at a place of its own."""
        name, played = f"{mode}-{next(self._names)}", list[Played]()
        for number, step in enumerate(steps):
            await asyncio.sleep(step.wait)
            self.under_way[name] = Moment(step, number, time.time())
            ours, theirs = await asyncio.gather(
                self._ask("ours", self.caches[mode], name),
                self._ask("theirs", self.varnish, name),
            )
            played.append(Played(mode, tuple(steps[: number + 1]), ours, theirs))
        del self.under_way[name]
        return played

    async def _ask(self, side: str, cache: ASGIApp, name: str) -> Seen:
        step, _, now = self.under_way[name]
        self.asked.discard((name, side))
        fields = (("host", HOST), *filled(step.fields, name, now))
        answer = await ask(cache, placed(step.path, name), fields, method=step.method)
        source = int(answer["x-step"]) if "x-step" in answer else None
        return Seen(answer, (name, side) in self.asked, source)

    def app(self, side: str) -> ASGIApp:
        """Return the app as it is behind one of the caches: it does what the step says."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            name = scope["path"].split("/")[1]
            self.asked.add((name, side))
            fields = {key.decode(): text.decode() for key, text in scope["headers"]}
            answer = answered(self.under_way[name], name, fields, scope["method"])
            await answer.send_to(scope, send)

        return app


def answered(moment: Moment, name: str, asked: dict[str, str], method: str) -> Response:
    """Answer as a careful app would: by what its content is now, and what the client has."""
    step, number, now = moment
    said, fields = step.said, dict(filled(step.said.fields, name, now))
    body = f"content {said.content} of {step.path} in some language".encode()
    fields = {"date": formatdate(now, usegmt=True), **fields, "x-step": str(number)}
    fields["x-note"] = f"said in step {number}"
    if said.etag:
        fields["etag"] = f'{"W/" if said.etag == "weak" else ""}"{said.content}"'
    if said.dated:
        fields["last-modified"] = formatdate(modified(said.content), usegmt=True)
    if method not in {"GET", "HEAD"} or said.status != 200:
        return Response(b"" if said.status == 204 else body, fields, said.status)
    if _has_it(asked, fields):
        return Response(b"", fields, 304)
    return _part(asked, fields, body) or Response(body, fields)


def _has_it(asked: dict[str, str], fields: dict[str, str]) -> bool:
    if (known := asked.get("if-none-match")) is not None:
        own = fields.get("etag", "").removeprefix("W/")
        return known == "*" or (own != "" and own in known)
    since, changed = asked.get("if-modified-since"), fields.get("last-modified")
    if since is None or changed is None:
        return False
    return parsedate_to_datetime(changed) <= parsedate_to_datetime(since)


def _part(asked: dict[str, str], fields: dict[str, str], body: bytes) -> Response | None:
    """Answer a request for one range, where its condition holds."""
    condition = asked.get("if-range")
    if condition is not None and condition not in {fields.get("etag"), fields.get("last-modified")}:
        return None
    if condition is not None and condition.startswith("W/"):
        return None
    ranges = parse_ranges(asked.get("range", "").encode(), len(body))
    if ranges == []:
        return Response(b"", fields | {"content-range": f"bytes */{len(body)}"}, 416)
    if ranges is None or len(ranges) != 1:
        return None
    start, stop = ranges[0]
    where = {"content-range": f"bytes {start}-{stop - 1}/{len(body)}"}
    return Response(body[start:stop], fields | where, 206)


def filled(fields: Fields, name: str, now: float) -> Fields:
    """Fill in dates and paths."""
    return tuple((field, placed(_dated(text, now), name)) for field, text in fields)


def placed(text: str, name: str) -> str:
    """Put the paths of a sequence where it is played."""
    return text.replace("{a}", f"/{name}/a").replace("{b}", f"/{name}/b")


def _dated(text: str, now: float) -> str:
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    seconds = int(found[1] + found[2])
    return formatdate(now + seconds if found[1] else seconds, usegmt=True)
