"""The app of the simulation: it tells the truth, but takes its time, and may fail at any point."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from tests.simulation.resources import kind_of, pair_of
from tests.simulation.truth import Made, Truth

PAUSES = (0.0, 0.0, 0.01, 0.05, 0.3, 0.3, 1.0)
"""Seconds of which the app takes a drawn part at each step."""

LONGEST = 6.0
"""Seconds that the app takes at most for one answer."""

FAILURES = ("raise", "raise", "503", "503", "break", "short", "stop")


class AppFailure(Exception):
    """What the app raises."""


@dataclass(eq=False)
class Ticket:
    """The flight that a run of the app belongs to."""

    key: bytes
    began_at: float
    task: asyncio.Task
    background: bool = False
    """No client waits for it."""


TICKET: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


def _ticket() -> Ticket | None:
    """Return the ticket of the task that runs; a flight leaves its own to who began it."""
    ticket = TICKET.get()
    return ticket if ticket and ticket.task is asyncio.current_task() else None


@dataclass(eq=False)
class AppRun:
    """One run of the app for GET or HEAD."""

    process: object
    path: str
    user: str
    variant: str
    method: str
    insists: bool
    ticket: Ticket | None
    started_at: float
    appends: int
    """How many purges had begun or ended before."""
    ended_at: float | None = None
    """When its answer was complete."""
    good: bool = False
    """It brought what others can use."""

    @property
    def waited(self) -> float:
        """Seconds for which its flight had been under way when it began."""
        return 0.0 if self.ticket is None else self.started_at - self.ticket.began_at

    def asks_the_same(self, other: AppRun) -> bool:
        """Whether *other* answers the same request."""
        mine, theirs = pair_of(self.path, self.user), pair_of(other.path, other.user)
        return mine == theirs and self.variant == other.variant


@dataclass(eq=False)
class Write:
    """What an unsafe request does."""

    pairs: frozenset = frozenset()
    status: int = 200
    location: str | None = None
    late: bool = False
    """The app commits after it has answered."""
    represents: bool = False
    """The answer is the new representation, as one to GET would be."""
    version: int = 0
    appends: list = field(default_factory=list)
    """What became of the purges: whether each one was recorded."""


class SimulatedApp:
    """Answers for all processes from one truth."""

    def __init__(self, truth: Truth, draw, clock, note) -> None:
        self.truth = truth
        self.runs: list[AppRun] = []
        self.appends = 0
        """How many purges have begun or ended."""
        self._draw = draw
        self._clock = clock
        self._note = note

    async def __call__(self, process, scope, receive, send) -> None:
        """Answer one request that *process* received."""
        if "write" in scope:
            await self._write(scope, send)
        else:
            fields = dict(scope["headers"])
            run = self._new_run(process, scope, fields)
            await self._read(run, fields, receive, send)

    def _new_run(self, process, scope, fields) -> AppRun:
        user, variant = (fields.get(n, b"").decode() for n in (b"authorization", b"x-variant"))
        insists = b"no-cache" in fields.get(b"cache-control", b"")
        path, method, ticket = scope["path"], scope["method"], _ticket()
        now = self._clock()
        run = AppRun(
            process, path, user, variant, method, insists, ticket, now, appends=self.appends
        )
        self.runs.append(run)
        self._note(f"app: {method} {path} for {user!r} {variant} in {process}")
        return run

    async def _pause(self) -> None:
        seconds = self._draw.random() * self._draw.choice(PAUSES)
        if seconds:
            await asyncio.sleep(seconds)

    async def _write(self, scope, send) -> None:
        path, write = scope["path"], scope["write"]
        await self._pause()
        if write.status < 400 and not write.late:
            self._commit(path, write)
        fields, body = [(b"content-length", b"0")], b""
        if write.location:
            fields.append((b"location", write.location.encode()))
        if write.represents:
            fields, body = self._representation(scope)
        await self._pause()
        await send({"type": "http.response.start", "status": write.status, "headers": fields})
        await send({"type": "http.response.body", "body": body})
        if write.late and write.status < 400:
            await self._pause()
            self._commit(path, write)

    def _commit(self, path, write) -> None:
        write.version = self.truth.commit(write.pairs)
        self._note(f"app: {path} is changed, version {write.version}")

    def _representation(self, scope):
        """Answer a POST with what a GET would be answered from now on."""
        path = scope["path"]
        user = dict(scope["headers"]).get(b"authorization", b"").decode()
        made, etag = self._make(path, user, "", private=False)
        made.made_at = self._clock() + 1.0  # it may take that long to send it
        return [
            (b"content-length", b"%d" % len(made.body)),
            (b"content-location", path.encode()),
            (b"cache-control", b"max-age=%d" % kind_of(path).ttl),
            *([] if etag is None else [(b"etag", etag)]),
        ], made.body

    def _make(self, path, user, variant, *, private):
        """Make the body for what is true now; where it has an entity tag, the same one again."""
        kind, pair = kind_of(path), pair_of(path, user)
        variant = variant if kind.varies else ""
        text = f"{path} {pair[1]} {variant} v{self.truth.version(pair)}"
        etag = f'"{text.replace(" ", "_")}"'.encode() if kind.tagged else None
        if etag in self.truth.etags:
            return self.truth.etags[etag], etag
        size = self._draw.choice((0, 10, 200, 1500, 6000 if kind.tagged else 2000))
        body = f"{text} #{len(self.truth.bodies)}|".encode() + b"x" * size
        made = Made(pair, variant, self.truth.version(pair), body, private=private)
        self.truth.note(made, etag)
        return made, etag

    async def _read(self, run, fields, receive, send) -> None:
        kind, draw = kind_of(run.path), self._draw
        await self._pause()
        private = draw.random() < kind.private
        made, etag = self._make(run.path, run.user, run.variant, private=private)
        await self._pause()
        failure = draw.choice(FAILURES) if draw.random() < kind.failing else ""
        self._note(f"app: answers {run.path} with version {made.version} {failure}")
        if failure == "raise":
            raise AppFailure(run.path)
        if failure == "503":
            await _send_whole(send, 503, [(b"content-length", b"4")], b"down")
            return
        made.made_at = self._clock()
        headers = [(name.encode(), value.encode()) for name, value in kind.fields.items()]
        if private:
            headers.append((b"cache-control", draw.choice((b"private", b"no-store"))))
        if etag is not None:
            headers.append((b"etag", etag))
        if etag is not None and fields.get(b"if-none-match") == etag:
            await _send_whole(send, 304, headers, b"")
            self._end(run, good=True)
            return
        if kind.measured:
            headers.append((b"content-length", b"%d" % len(made.body)))
        if run.method == "HEAD":
            await _send_whole(send, 200, headers, b"")
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send_body(run, made, failure, receive, send)

    async def _send_body(self, run, made, failure, receive, send) -> None:
        kind = kind_of(run.path)
        chunks = _chunks(made.body, kind.chunks)
        if failure == "short" and kind.measured:
            chunks = chunks[:-1] or [b""]
        leaving = asyncio.ensure_future(_until_left(receive))
        try:
            for number, chunk in enumerate(chunks):
                if kind.chunks > 1:
                    await self._pause()
                last = number == len(chunks) - 1
                if last and self._gives_up(run, failure):
                    return
                ends = last or (leaving.done() and not kind.measured)
                await send({"type": "http.response.body", "body": chunk, "more_body": not ends})
                if ends and not last:
                    self._note(f"app: ends {run.path} early, as its client left")
                    return
        finally:
            has_left = leaving.done()
            leaving.cancel()
        shared = kind.holds(made.body) and not made.private and not has_left
        self._end(run, good=shared and not failure)

    def _gives_up(self, run, failure) -> bool:
        if failure == "break":
            raise AppFailure(run.path)
        if failure == "stop":
            self.truth.unfinished.add(run.path)
        return failure == "stop"

    def _end(self, run, *, good) -> None:
        run.ended_at = self._clock()
        run.good = good


def _chunks(body, count):
    size = max(1, -(-len(body) // count))
    return [body[start : start + size] for start in range(0, len(body), size)]


async def _send_whole(send, status, headers, body) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _until_left(receive) -> None:
    with suppress(Exception):
        while (await receive())["type"] != "http.disconnect":
            pass
