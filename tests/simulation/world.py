"""Several processes, one server, and all that happens to them in one run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from unittest.mock import patch

from asgi_cache.errors import PurgeNotAcknowledged
from asgi_cache.stores.redis_renewal import SCRIPT
from tests.simulation.oracle import Oracle
from tests.simulation.process import APPENDS, Process
from tests.simulation.requests import Request
from tests.simulation.resources import (
    KINDS,
    NAMES,
    PATHS,
    USERS,
    VARIANTS,
    covered,
    kind_of,
    pair_of,
    purge_arguments,
)
from tests.simulation.schedule import ACTIONS, Schedule
from tests.simulation.server import SimulatedServer
from tests.simulation.simulated_app import SimulatedApp, Write
from tests.simulation.troubles import Troubles
from tests.simulation.truth import Promise, Truth
from tests.simulation.virtual_time import Deadlock, run, wall_clock

PATIENCE = 60.0
"""Seconds of virtual time after which what still runs hangs; the oracle has closer bounds."""

TRACE = 40
"""Events that are shown of a run that went wrong."""


@dataclass
class Order:
    """A purge that an operator orders."""

    process: Process
    names: list[str]
    how: dict[str, bool]
    started_at: float = 0.0

    def __str__(self) -> str:
        """Describe it for the trace."""
        said = ", ".join([*self.names, *(word for word, on in self.how.items() if on)])
        return f"purge in {self.process}: {said}"


class World:
    """One run of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._draw = Random(schedule.seed)
        self.trace: list[str] = []
        self._app = SimulatedApp(Truth(), self._draw, wall_clock, self.note)
        self.truth = self._app.truth
        self.oracle = Oracle(self.truth, self._app, calm=schedule.calm, note=self.note)
        self._server = SimulatedServer(scripts={SCRIPT: _renew})
        self._troubles = Troubles(self, self._server)
        self.all: list[Process] = []
        """Also those that are dead."""
        self._tasks: set[asyncio.Task] = set()
        self._requests: list[Request] = []
        self.losses: list[tuple[float, float]] = []
        """When a state of the server was saved, and when it fell back to that."""
        self._seen: dict[tuple, str] = {}
        kinds = self._draw.sample(list(KINDS), self._draw.randint(1, 3))
        self._paths = [path for path in PATHS if path.split("/")[1] in kinds]
        self._paths = self._draw.sample(self._paths, min(len(self._paths), 3))
        self._users = self._draw.sample(USERS, self._draw.randint(1, 3))

    def note(self, what: str) -> None:
        """Note what happens now."""
        now = asyncio.get_running_loop().time()
        self.trace.append(f"{now:9.4f}  {what}")

    async def run(self) -> list[str]:
        """Let all happen, and return what was wrong."""
        asyncio.get_running_loop().set_exception_handler(self._unheard)
        self.processes = [self.start() for _ in range(self._draw.randint(1, 3))]
        for action in self._schedule.actions:
            await asyncio.sleep(max(0.0, action.at - asyncio.get_running_loop().time()))
            self._do(action)
        await self._finish()
        return self.oracle.violations

    def _do(self, action) -> None:
        draw = Random(action.choice)
        if action.what in ACTIONS:
            getattr(self, f"_{action.what}")(draw)
        else:
            getattr(self._troubles, action.what)(draw)

    def start(self) -> Process:
        """Start another process."""
        local = self._draw.choice((0, 6_000, 1 << 20, 1 << 20, 1 << 20))
        process = Process(
            f"p{len(self.all)}",
            self._server,
            self._app,
            self._draw,
            local=local,
            calm=self._schedule.calm,
            connections=32 if self._schedule.calm else self._draw.choice((2, 4, 32)),
        )
        self.all.append(process)
        return process

    def _unheard(self, loop, context) -> None:
        self.oracle.report(f"nobody heard of {context.get('exception')!r}: {context['message']}")

    async def _finish(self) -> None:
        """Wait for all requests, put right what went wrong, and close the caches."""
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=PATIENCE)
            for task in hanging:
                self.oracle.report(f"hangs: {task.get_name()}")
        self._troubles.heal(self.all)
        await asyncio.sleep(1.5)
        for process in self.all:
            await process.cache.close()
            for client in process.clients:  # which a request may have used after a closing
                await client.aclose()
        await asyncio.sleep(3)
        self.oracle.judge_end(self.all)

    def begin(self, work, name: str) -> asyncio.Task:
        """Do *work* beside all else; the end is not reached before it is done."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _read(self, draw: Random) -> None:
        path, user = draw.choice(self._paths), draw.choice(self._users)
        variant = draw.choice(VARIANTS) if kind_of(path).varies else ""
        request = Request(draw.choice(self.processes), "GET", path, user, variant)
        self._embellish(request, draw)
        request.task = self.begin(self._ask(request), str(request))
        if draw.random() < 0.1:
            delay = draw.choice((0.0, 0.005, 0.05, 0.5)) * draw.random()
            asyncio.get_running_loop().call_later(delay, request.task.cancel)

    def _embellish(self, request: Request, draw: Random) -> None:
        """Let some requests be special."""
        chance = draw.random()
        if chance < 0.12:
            request.fields["cache-control"] = "no-cache"
        elif chance < 0.24:
            etag = self._seen.get((request.path, request.user, request.variant))
            if etag is not None:
                request.fields["if-none-match"] = etag
        elif chance < 0.29:
            request.method = "HEAD"
        elif chance < 0.34:
            request.leaves_after = draw.random() * draw.choice((0.01, 0.1, 0.5))
        elif chance < 0.40:
            request.pace = draw.choice((0.0, 0.01, 0.2))

    async def _ask(self, request: Request) -> None:
        self._requests.append(request)
        request.truth_at_start = self.truth.version(pair_of(request.path, request.user))
        self.note(f"asks: {request}")
        try:
            await request.run(wall_clock)
        except asyncio.CancelledError:
            self.note(f"cancelled: {request}")
            raise
        except Exception as error:  # noqa: BLE001 - the oracle judges it
            self.note(f"fails: {request}: {error!r}")
        if request.answer.heads:
            self.note(f"answered {request.answer.status} {request.cache_status}: {request}")
            for etag in request.answer.all("etag"):
                self._seen[request.path, request.user, request.variant] = etag
        self.oracle.judge(request)

    def _write(self, draw: Random) -> None:
        path = draw.choice(self._paths)
        names = {f"url {path}"}
        if kind_of(path).rule is not None:
            names.add("tag " + ":".join(path.split("/")[1:]))
        status = draw.choice((200, 200, 201, 303, 404, 500))
        write = Write(frozenset(), status, late=draw.random() < 0.15)
        if draw.random() < 0.2 and status < 400:
            write.location = draw.choice(self._paths)
            names.add(f"url {write.location}")
        write.pairs = covered(names)
        method = draw.choice(("POST", "PUT", "DELETE"))
        ruled = kind_of(path).rule is not None and not kind_of(path).varies
        if status == 200 and method == "POST" and ruled and not (write.late or write.location):
            write.represents = draw.random() < 0.5
        process, user = draw.choice(self.processes), draw.choice(self._users)
        request = Request(process, method, path, user, extra={"write": write})
        task = self.begin(self._change(request, write), f"{request}")
        if draw.random() < 0.1:
            asyncio.get_running_loop().call_later(draw.random() * 0.1, task.cancel)

    async def _change(self, request: Request, write: Write) -> None:
        APPENDS.set(write.appends)

        def on_head(status):
            if status < 400 and not write.late and write.appends:
                self._promise_written(write, write.appends, request)

        request.on_head = on_head
        self.note(f"asks: {request}")
        await request.run(wall_clock)
        if write.late and request.answer.status < 400 and write.appends[1:]:
            self._promise_written(write, write.appends, request)
        self.oracle.judge_duration(request)

    def _promise_written(self, write: Write, appends: list, by: Request) -> None:
        if False not in appends:
            self._promise(write.pairs, write.version, by, here_only=None in appends)

    def _promise(self, pairs, version, by, *, soft_at=None, waited=False, here_only=False) -> None:
        """Note that *by*, a request or a purge, was acknowledged just now, or holds here only."""
        now, process = wall_clock(), by.process
        self.note(f"acknowledged: {by}: nothing older than {version}")
        everywhere_at = now if waited else now + process.lag + 1e-6
        promise = Promise(pairs, version, process, now, everywhere_at, soft_at)
        promise.is_lost = here_only or any(
            by.started_at <= failed_at and now > saved_at for saved_at, failed_at in self.losses
        )
        if not process.is_dead:
            self.truth.promises.append(promise)

    def _purge(self, draw: Random) -> None:
        pairs = [pair_of(path, user) for path in self._paths for user in self._users]
        pool = sorted(set().union(*(NAMES[pair] for pair in pairs)))
        names = draw.sample(pool, draw.choice((1, 1, 2)))
        how = {
            "all_of": draw.random() < 0.2,
            "soft": draw.random() < 0.25,
            "wait": draw.random() < 0.2,
        }
        process = draw.choice(self.processes)
        order = Order(process, names, how)
        self.begin(self._void(order), str(order))

    async def _void(self, order: Order) -> None:
        how, order.started_at = order.how, wall_clock()
        pairs = covered(order.names, all_of=how["all_of"])
        version = self.truth.commit(pairs)
        self.note(f"{order}; now version {version}")
        try:
            await order.process.cache.purge(**purge_arguments(order.names), **how)
        except PurgeNotAcknowledged:
            here_only = True
        else:
            here_only = False
        soft_at = order.started_at if how["soft"] else None
        waited = how["wait"] and not here_only
        self._promise(pairs, version, order, soft_at=soft_at, waited=waited, here_only=here_only)

    def _cancel(self, draw: Random) -> None:
        tasks = sorted(self._tasks, key=hash)
        if tasks:
            task = draw.choice(tasks)
            self.note(f"cancels: {task.get_name()}")
            task.cancel()


def _renew(server, keys, arguments):
    """Do what the script of `redis_renewal` does."""
    former = server.call(b"GET", keys[0])
    prefix, head, length, milliseconds = arguments
    if former is None or not former.startswith(prefix):
        return 0
    server.call(b"SET", keys[0], head + former[-int(length) :], b"PX", milliseconds)
    return 1


def violations_of(schedule: Schedule) -> tuple[list[str], list[str]]:
    """Run *schedule*; what was wrong, and all that happened."""
    world, draw = World(schedule), Random(schedule.seed)
    try:
        with (
            patch("asgi_cache.stores.redis_log.token_bytes", draw.randbytes),
            patch("asgi_cache.lease.token_bytes", draw.randbytes),
        ):
            wrong = run(world.run(), seed=schedule.seed)
    except Deadlock as error:
        wrong = [*world.oracle.violations, repr(error)]
    return wrong, world.trace


def explained(schedule: Schedule, wrong: list[str], trace: list[str]) -> str:
    """Say what was wrong, what happened last, and how to see it again."""
    again = f"SIMULATION_SEED={schedule.seed} make test ARGS=tests/simulation/test_interleavings.py"
    return "\n".join([*wrong, "", *trace[-TRACE:], "", again])
