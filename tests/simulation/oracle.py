"""What must hold of every answer, and when all is over."""

from __future__ import annotations

import asyncio
from itertools import combinations

from asgi_cache import unsafe
from asgi_cache.errors import LeftBehind
from asgi_cache.lease import WAIT
from tests.simulation.requests import Request
from tests.simulation.resources import kind_of, pair_of
from tests.simulation.simulated_app import LONGEST, AppFailure, AppRun, SimulatedApp
from tests.simulation.truth import Made, Truth

SLACK = 1e-6

LONGEST_WAIT = 2 * (WAIT + LONGEST) + 3 * LONGEST + 3.0
"""Seconds that a request may take whose client reads at once."""

LANDING = 5.0
"""Seconds in which a response that was stored arrives in Redis, if it ever does."""


class Oracle:
    """Knows the promises, and notes what was not as promised."""

    def __init__(self, truth: Truth, app: SimulatedApp, *, calm: bool, note) -> None:
        self._truth = truth
        self._app = app
        self._calm = calm
        self._note = note
        self.violations: list[str] = []

    def report(self, what: str, request: Request | None = None) -> None:
        """Note that something was wrong."""
        said = what if request is None else f"{what} ({request}, {request.cache_status})"
        self._note(f"WRONG: {said}")
        self.violations.append(said)

    def judge(self, request: Request) -> None:
        """Check the answer to a request that was not cancelled."""
        if request.process.is_dead:
            return
        self.judge_duration(request)
        if request.has_left:
            return
        if request.error is not None:
            self._judge_error(request, request.error)
        elif not request.answer.heads or not request.answer.is_complete:
            if request.path not in self._truth.unfinished:
                self.report("an answer has no end, and nobody says so", request)
        elif request.answer.status == 200 and request.method == "GET":
            if request.is_whole:
                self._judge_body(request)
        elif request.answer.status in (200, 304):
            self._judge_etag(request)
        elif request.answer.status != 503 or not request.kind.failing:
            self.report(f"status {request.answer.status}", request)

    def judge_duration(self, request: Request) -> None:
        """Check that a request did not take too long."""
        took = request.ended_at - request.started_at
        reads = len(request.answer.messages) * request.pace
        if took > LONGEST_WAIT + 3 * reads:
            self.report(f"took {took:.1f} s", request)

    def _judge_error(self, request: Request, error: BaseException) -> None:
        cause = error.__cause__ if isinstance(error, LeftBehind) else error
        is_stopped = request.process.is_closing and isinstance(error, LeftBehind)
        if not (is_stopped or isinstance(cause, AppFailure)):
            self.report(f"failed: {error!r} because of {cause!r}", request)

    def _judge_body(self, request: Request) -> None:
        made = self._truth.bodies.get(request.answer.body)
        if made is None:
            self.report(f"no such body was made: {request.answer.body[:60]!r}", request)
            return
        self._judge_made(made, request)
        if made.private:
            self._truth.deliveries[made.body] += 1
            if self._truth.deliveries[made.body] > 1:
                self.report("a private answer was given to two", request)

    def _judge_etag(self, request: Request) -> None:
        etag = next(iter(request.answer.all("etag")), request.fields.get("if-none-match"))
        if request.answer.status == 304 and etag != request.fields.get("if-none-match"):
            self.report(f"304 with {etag}", request)
        made = self._truth.etags.get((etag or "").encode())
        if made is not None:
            self._judge_made(made, request)
        elif etag is not None:
            self.report(f"no such entity tag was made: {etag}", request)

    def _judge_made(self, made: Made, request: Request) -> None:
        if made.pair != pair_of(request.path, request.user) or (
            made.variant != request.variant and request.kind.varies
        ):
            self.report(f"another's answer: {made.pair} {made.variant}", request)
            return
        if (request.insists or made.private) and made.version < request.truth_at_start:
            self.report(f"version {made.version} of {request.truth_at_start}", request)
        self._judge_purges(made, request)
        self._judge_age(made, request)

    def _judge_purges(self, made: Made, request: Request) -> None:
        process, rule = request.process, request.kind.rule or {}
        strictly = not process.tiered or rule.get("coherence") == "strict"
        promises = self._truth.binding(made.pair, process, request.started_at, strictly=strictly)
        floor = self._truth.floor(promises)
        if made.version < floor:
            self.report(f"version {made.version}, though purged up to {floor}", request)
        softened_at = self._truth.softened_at(made, promises)
        if softened_at <= request.started_at:
            self._judge_stale(softened_at, "softened", request)

    def _judge_age(self, made: Made, request: Request) -> None:
        ended_at = made.made_at + request.kind.ttl
        if ended_at + SLACK < request.headed_at:
            self._judge_stale(ended_at, "stale", request)

    def _judge_stale(self, ended_at: float, why: str, request: Request) -> None:
        """Check that an answer whose lifetime ended at an instant says so, and may be served."""
        ttl = request.ttl
        if ttl is None or ttl > 0 or ttl > request.started_at - ended_at + 1:
            self.report(f"served as fresh, though {why} at {ended_at:.4f}", request)
        windows = [request.kind.window("stale_while_revalidate")]
        if "stale-if-error" in request.cache_status:
            windows.append(request.kind.window("stale_if_error"))
        if request.headed_at - ended_at > max(windows) + SLACK:
            self.report(f"served outside its windows, {why} at {ended_at:.4f}", request)

    def judge_end(self, processes) -> None:
        """Check what is left when all is over, and how often the app was run."""
        for process in processes:
            flights = process.flights
            for name in ("_tasks", "_open", "_background"):
                if getattr(flights, name):
                    self.report(f"{process} still has {name}: {getattr(flights, name)}")
            if process.lent():
                self.report(f"{process} lacks {process.lent()} connections")
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        for task in sorted(asyncio.all_tasks() - {this}, key=hash):
            self.report(f"a task is left: {task.get_coro().__qualname__}")
        for timer in loop._scheduled:
            if not timer.cancelled():
                self.report(f"a timer is left: {timer._callback.__qualname__}")
        if unsafe.under_way:
            self.report(f"purges are under way: {unsafe.under_way}")
        self._judge_runs()

    def _judge_runs(self) -> None:
        by_key: dict[bytes, list[AppRun]] = {}
        for run in self._app.runs:
            if run.ticket is None:
                self._judge_alone(run)
            elif run.good and not run.insists:
                by_key.setdefault(run.ticket.key, []).append(run)
        for same in by_key.values():
            for first, second in combinations(same, 2):
                self._judge_two(first, second)

    def _judge_alone(self, run: AppRun) -> None:
        """Check that a run which nobody shared was of no use to others."""
        if self._calm and run.method == "GET" and kind_of(run.path).is_steady:
            self.report(f"a run of its own of {run.path} from {run.started_at:.4f} on")

    def _judge_two(self, first: AppRun, second: AppRun) -> None:
        """Check that of two runs under one key the second was needed."""
        if not self._calm and first.process is not second.process:
            return
        if first.variant != second.variant or second.waited >= WAIT:
            return
        if second.started_at < first.ended_at:
            self.report(f"two runs at once of {first.path} from {second.started_at:.4f} on")
        elif self._calm and not second.ticket.background:
            is_fresh = second.started_at < first.started_at + kind_of(first.path).ttl
            unchanged = first.appends == second.appends
            if is_fresh and unchanged and not self._is_replaced(first, second.started_at):
                self.report(f"a second run of {first.path} from {second.started_at:.4f} on")

    def _is_replaced(self, first: AppRun, until: float) -> bool:
        """Whether what *first* brought may have given way to something older.

        A process that had not heard of a purge stores what it does not know to be void, and that
        may arrive later than what was sent after it. A response to HEAD may show that what was
        stored before is wrong.
        """
        others = [run for run in self._app.runs if run.asks_the_same(first)]
        return any(run.method == "HEAD" and run.started_at <= until for run in others) or any(
            run.process is not first.process and first.ended_at - LANDING <= run.ended_at <= until
            for run in others
            if run.ended_at is not None
        )
