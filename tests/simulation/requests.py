"""The clients of the simulation: what they ask, and what they are told."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

from tests.bare import Answer, scope_of
from tests.simulation.resources import kind_of

_TTL = re.compile(r"; ttl=(-?\d+)")


@dataclass(eq=False)
class Request:
    """One request, and what came of it."""

    process: object
    method: str
    path: str
    user: str
    variant: str = ""
    fields: dict = field(default_factory=dict)
    leaves_after: float | None = None
    """Seconds after which the client is gone, as the server tells the app."""
    pace: float = 0.0
    """Seconds that the client takes to read each message."""
    extra: dict = field(default_factory=dict)
    answer: Answer = field(default_factory=Answer)
    started_at: float = 0.0
    headed_at: float = 0.0
    ended_at: float | None = None
    truth_at_start: int = 0
    error: BaseException | None = None
    has_left: bool = False
    task: asyncio.Task | None = None
    on_head: object = None

    @property
    def insists(self) -> bool:
        """Whether it wants nothing that was made before."""
        return "no-cache" in self.fields.get("cache-control", "")

    @property
    def cache_status(self) -> str:
        """Return what the cache says it did."""
        return next(iter(self.answer.all("cache-status")), "")

    @property
    def ttl(self) -> int | None:
        """Return for how long the answer remains fresh, by the cache's own word."""
        found = _TTL.search(self.cache_status)
        return int(found[1]) if found else None

    @property
    def is_whole(self) -> bool:
        """Whether its client believes that it has all of the body."""
        answer = self.answer
        if not answer.heads or not answer.is_complete:
            return False
        lengths = answer.all("content-length")
        bodiless = self.method == "HEAD" or answer.status == 304
        return bodiless or not lengths or int(lengths[0]) == len(answer.body)

    def __str__(self) -> str:
        """Describe it for the trace."""
        who = f"{self.user!r}{self.variant and ' ' + self.variant}"
        fields = f" {self.fields}" if self.fields else ""
        return f"{self.method} {self.path} by {who} to {self.process}{fields}"

    async def run(self, clock) -> None:
        """Send it, and wait for the end of the answer."""
        self.started_at = clock()
        left = asyncio.Event()
        if self.leaves_after is not None:
            asyncio.get_running_loop().call_later(self.leaves_after, left.set)
        pending = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if pending:
                return pending.pop()
            await left.wait()
            self.has_left = True
            return {"type": "http.disconnect"}

        async def send(message):
            self._note(message, clock())
            if self.pace:
                await asyncio.sleep(self.pace)

        try:
            await self.process.middleware(self._scope(), receive, send)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended_at = clock()

    def _note(self, message, now: float) -> None:
        if message["type"] == "http.response.start":
            self.headed_at = now
            if self.on_head is not None:
                self.on_head(message["status"])
        self.answer.messages.append(message)

    def _scope(self):
        fields = dict(self.fields)
        if self.user:
            fields["authorization"] = self.user
        if self.variant:
            fields["x-variant"] = self.variant
        return scope_of(self.method, self.path, fields, **self.extra)

    @property
    def kind(self):
        """Return the kind of what it asks for."""
        return kind_of(self.path)
