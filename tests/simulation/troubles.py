"""What goes wrong in the simulated world: servers that hang, lose or forget, processes that die."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from random import Random

from tests.simulation.process import Process
from tests.simulation.virtual_time import wall_clock

LOG = b"sim:log"
RECORDS = b"sim:r:"

SLOW = {(0.0001, 0.002): 3, (0.01, 0.04): 3, (0.1, 0.9): 1}
"""Latencies by which deadlines are missed often."""


class Troubles:
    """All of them, by the names that a schedule has for them."""

    def __init__(self, world, server) -> None:
        self._world = world
        self._server = server

    def _some(self, draw: Random) -> list[Process]:
        return (
            self._world.processes if draw.random() < 0.4 else [draw.choice(self._world.processes)]
        )

    def heal(self, processes: list[Process]) -> None:
        """Put right what can be."""
        for process in processes:
            network = process.network
            network.hung = network.refused = False
            network.request_loss = network.reply_loss = 0.0

    def _for_a_while(self, draw: Random, what: str, **settings) -> None:
        processes = self._some(draw)
        self._world.note(f"{what}: {processes}")
        for process in processes:
            for name, value in settings.items():
                setattr(process.network, name, value)
        alive = [process for process in processes if not process.is_dead]
        delay = draw.choice((0.01, 0.1, 0.5, 3.0)) * draw.random()
        asyncio.get_running_loop().call_later(delay, self.heal, alive)

    def hang(self, draw: Random) -> None:
        """Let commands go without an answer for a while."""
        self._for_a_while(draw, "hangs", hung=True)

    def refuse(self, draw: Random) -> None:
        """Let nobody connect for a while."""
        self._for_a_while(draw, "refuses", refused=True)
        if draw.random() < 0.5:
            self.sever(draw)

    def sever(self, draw: Random) -> None:
        """Break the links that there are."""
        for process in self._some(draw):
            self._world.note(f"severs: {process}")
            process.network.sever()

    def lose(self, draw: Random) -> None:
        """Lose requests and replies for a while, and the links with them."""
        loss = draw.choice((0.1, 0.5))
        self._for_a_while(draw, "loses", request_loss=loss * draw.random(), reply_loss=loss)

    def slow(self, draw: Random) -> None:
        """Let messages take long from now on."""
        for process in self._some(draw):
            self._world.note(f"is slow: {process}")
            process.network.latencies = SLOW

    def flush(self, draw: Random) -> None:
        """Forget everything."""
        self._execute(b"FLUSHALL")

    def lose_log(self, draw: Random) -> None:
        """Forget the log alone."""
        self._execute(b"DEL", LOG)

    def trim(self, draw: Random) -> None:
        """Forget the older entries of the log, or all."""
        self._execute(b"XTRIM", LOG, b"MAXLEN", b"%d" % draw.choice((0, 1, 2)))

    def evict(self, draw: Random) -> None:
        """Forget something that is not the log."""
        keys = [key for key in self._server.values if key != LOG]
        if keys:
            self._execute(b"DEL", draw.choice(keys))

    def corrupt(self, draw: Random) -> None:
        """Change a record."""
        keys = [key for key in self._server.values if key.startswith(RECORDS)]
        if keys:
            key = draw.choice(keys)
            value = self._server.values[key]
            self._world.note(f"corrupts {key}")
            self._server.values[key] = draw.choice((b"", value[:-1], value[:20], b"x" + value[1:]))

    def _execute(self, *command: bytes) -> None:
        self._world.note(f"server: {command}")
        self._server.execute(list(command))

    def kill(self, draw: Random) -> None:
        """Let a process be heard of no more, and another take its place."""
        process = draw.choice(self._world.processes)
        self._world.note(f"dies: {process}")
        process.kill()
        self._world.processes[self._world.processes.index(process)] = self._world.start()

    def fail_over(self, draw: Random) -> None:
        """Let the server fall back, in a moment, to what it knows now.

        Not if the log was lost meanwhile: nothing is promised of two such losses at once.
        """
        saved_at, saved = wall_clock(), deepcopy((self._server.values, self._server.deadlines))
        delay = draw.choice((0.005, 0.02, 0.2)) * draw.random()
        asyncio.get_running_loop().call_later(delay, self._fall_back, saved_at, saved)

    def _fall_back(self, saved_at: float, saved) -> None:
        if _first_entry(saved[0]) != _first_entry(self._server.values):
            return
        self._world.note(f"fails over, to what it was at {saved_at:.4f}")
        self._server.values, self._server.deadlines = saved
        self._world.losses.append((saved_at, wall_clock()))
        for promise in self._world.truth.promises:
            promise.is_lost = promise.is_lost or promise.at > saved_at
        for process in self._world.all:
            process.network.sever()

    def close(self, draw: Random) -> None:
        """Close a cache that is in use."""
        process = draw.choice(self._world.processes)
        self._world.note(f"closes: {process}")
        process.is_closing = True
        self._world.begin(process.cache.close(), f"closing of {process}")


def _first_entry(values):
    return values[LOG].entries[:1] if LOG in values else None
