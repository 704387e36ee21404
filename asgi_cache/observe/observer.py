"""All that one cache counts and tells in one process, beside what its stores count themselves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging import INFO
from typing import Any, Final, Protocol, TypeVar

from asgi_cache.observe.events import KINDS, LOGGERS, Event, Kind
from asgi_cache.observe.saying import printable, say
from asgi_cache.observe.tally import UNSEEN, Hits, Tally, is_logged
from asgi_cache.outcome import Outcome

T = TypeVar("T")

SILENCE: Final = 60.0
"""Seconds after an event that is limited in which others of its kind are only counted."""

REMEMBERED: Final = 100
"""Purges that are remembered: the latest."""

NAMES_REMEMBERED: Final = 20
"""Names of each kind that are remembered of one purge, which may name very many."""

Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Purged:
    """A purge that was ordered in this process."""

    at: float
    """When; in seconds since the epoch."""
    named: Mapping[str, tuple[str, ...]]
    """What was named, by selector; of many names only the first."""
    soft: bool
    all_of: bool
    acknowledged: bool
    by: str = "app"
    """Who ordered it: ``app`` has called `Cache.purge`; else it was ordered in the admin API."""


class Companion(Protocol):
    """Does something with the counts from time to time, as long as the cache is in use."""

    def begin(self) -> None:
        """Begin, unless it has begun; the event loop of the cache runs, if there is one."""

    def end(self) -> None:
        """End: the cache is closed, for now."""


class Trace(Protocol):
    """Does a step of a request's way within a span, or whatever shows how long it took."""

    def __call__(
        self, step: str, route: str, work: Coroutine[Any, Any, T], /
    ) -> Coroutine[Any, Any, T]:
        """Return *work* with that around it; *route* is the pattern of the rule, if any."""
        ...


class Observer:
    """Has a tally for each rule, and one for values; and passes on what happens."""

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self.began_at: float = monotonic()
        """When the cache was made."""
        self.tallies: dict[str, Tally] = {}
        self.values: Tally = Tally("")
        """The counts of values, which are no requests."""
        self.invalidations: int = 0
        """Unsafe requests whose success has voided something."""
        self.recent_purges: deque[Purged] = deque(maxlen=REMEMBERED)
        """The latest that were ordered with `Cache.purge`."""
        self._listeners: list[Listener] = []
        self._silent_until: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._companions: list[Companion] = []
        self.trace: Trace | None = None
        """What shows the steps of requests that hits do not take."""

    @property
    def uptime(self) -> float:
        """Seconds since the cache was made."""
        return self._monotonic() - self.began_at

    def tally(self, pattern: str | None) -> Tally:
        """Return the counts of the rule with that *pattern*, or of what falls under no rule."""
        route = pattern or ""
        tally = self.tallies.get(route)
        if tally is None:
            tally = self.tallies[route] = Tally(route)
            self.begin()  # for apps that nobody tells of their start
        return tally

    def note_passed(self, tally: Tally, method: str) -> None:
        """Count, and log, a request that goes to the app untouched."""
        tally.passed += 1
        if is_logged():
            self.log_request(Outcome(), tally.route, method, 0, 0.0)

    def log_hit(self, hits: Hits, method: str, body: bytes, seconds: float) -> None:
        """Log a request that the short way has answered."""
        outcome = Outcome(status=hits.status, hit=True)
        self.log_request(outcome, hits.route, method, len(body), seconds)

    def log_request(
        self, outcome: Outcome, route: str, method: str, size: int, seconds: float
    ) -> None:
        """Log what became of a request."""
        self.tell(
            "request",
            route=route,
            method=method,
            result=outcome.result,
            status=outcome.status or UNSEEN,
            reason=outcome.forwarded,
            detail=outcome.detail,
            size=size,
            seconds=seconds,
        )

    @contextmanager
    def purging(
        self, named: Mapping[str, tuple[str, ...]], *, soft: bool, all_of: bool, by: str = "app"
    ) -> Iterator[None]:
        """Remember the purge that is ordered within, and tell of it if it succeeds.

        What it names may be somebody's, so that the log has only how much by which selector.
        """
        acknowledged = False
        try:
            yield
            acknowledged = True
        finally:
            kept = {name: each[:NAMES_REMEMBERED] for name, each in named.items()}
            purged = Purged(self._clock(), kept, soft, all_of, acknowledged, by)
            self.recent_purges.append(purged)
            if acknowledged:
                selectors = ", ".join(f"{name} ({len(each)})" for name, each in named.items())
                self.tell("purged", selectors=selectors, soft=soft)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have *listener* called with each event from now on, but those of single requests.

        It is called at once, where the event happens, and so must not take long. Call what is
        returned to end it.
        """
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def tell(self, name: str, error: BaseException | None = None, /, **fields: object) -> None:
        """Log an event, one of `KINDS`, with its *fields*, and tell it to who listens.

        Text in them is made `printable`, wherever it may come from.
        """
        kind = KINDS[name]
        logger = LOGGERS[kind.logger]
        if logger.isEnabledFor(kind.level) and not self._is_left_out(name, kind):
            said = (
                {**fields, "left_out": self._left_out.pop(name, 0)} if kind.is_limited else fields
            )
            message = kind.message + _LEFT_OUT if said.get("left_out") else kind.message
            extra = {"event": name, **said}
            filling = (said,) if said else ()
            say(logger, kind.level, message, *filling, error=error, extra=extra, stacklevel=2)
        if self._listeners and kind.level >= INFO:
            shown = {each: printable(value) for each, value in fields.items()}
            self._pass_on(Event(name, self._clock(), shown))

    def _is_left_out(self, name: str, kind: Kind) -> bool:
        """Whether it is enough to count this one, as another was told of a moment ago."""
        if not kind.is_limited:
            return False
        now = self._monotonic()
        if now < self._silent_until.get(name, now):
            self._left_out[name] = self._left_out.get(name, 0) + 1
            return True
        self._silent_until[name] = now + SILENCE
        return False

    def _pass_on(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - who listens may not cost a request
                if event.name != "listener-failed":
                    self.tell("listener-failed", error)

    def traced(
        self, step: str, route: str | None, work: Coroutine[Any, Any, T]
    ) -> Coroutine[Any, Any, T]:
        """Return *work* so that it is shown as a *step* of a request, if that is asked for."""
        return work if self.trace is None else self.trace(step, route or "", work)

    def accompany(self, companion: Companion) -> None:
        """Have *companion* begin when the cache is first used, and end when it is closed."""
        self._companions.append(companion)
        self.begin()

    def begin(self) -> None:
        """Have those begin who accompany the cache, which is in use from now on."""
        for companion in self._companions:
            companion.begin()

    def end(self) -> None:
        """Have those end who accompany the cache."""
        for companion in self._companions:
            companion.end()


_LEFT_OUT: Final = " (and %(left_out)d more, which were not logged)"
