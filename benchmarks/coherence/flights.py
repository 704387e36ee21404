"""How soon after the leader those have their answer who wait for the same run of the app."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

from asgi_cache import CacheMiddleware
from benchmarks.coherence.children import child, said
from benchmarks.coherence.client import App, Client
from benchmarks.coherence.spread import Spread

FOLLOWERS: Final = 500
ROUNDS: Final = 40
PROCESSES: Final = 4
SECONDS: Final = 0.3
"""That the app takes."""
RULES: Final = {"/**": {"ttl": "1h", "early_refresh": 0}}


class WakeUp(NamedTuple):
    """How long followers waited after the leader had its answer."""

    waited: Spread
    runs: float
    """Of the app, for each round."""


async def within_a_process(url: str) -> WakeUp:
    """Have one leader and all the others in this process."""
    app = App(SECONDS)
    cache = CacheMiddleware(app, store=url, rules=RULES)
    waited: list[float] = []
    for number in range(ROUNDS):
        clients = [Client(f"/inside/{number}") for _ in range(FOLLOWERS + 1)]
        await asyncio.gather(*(client.ask(cache) for client in clients))
        leader, *followers = clients
        waited += [max(0.0, client.done_at - leader.done_at) for client in followers]
    await cache.cache.close()
    return WakeUp(Spread.of(waited), app.runs / ROUNDS)


def across_processes(url: str) -> WakeUp:
    """Have the leader in one of four processes, and count those who wait in the other three."""
    waited: list[float] = []
    runs = 0
    with ExitStack() as stack:
        connections = [stack.enter_context(child(_wait_for_others, url)) for _ in range(PROCESSES)]
        for connection in connections:
            said(connection)
        for number in range(ROUNDS):
            for connection in connections:
                connection.send(f"/across/{number}")
            answers = [said(connection) for connection in connections]
            runs += sum(ran for ran, _ in answers)
            leaders_at = min(min(done) for ran, done in answers if ran)
            for ran, done in answers:
                waited += [] if ran else [max(0.0, at - leaders_at) for at in done]
    return WakeUp(Spread.of(waited), runs / ROUNDS)


async def _wait_for_others(connection: Connection, url: str) -> None:
    app = App(SECONDS)
    cache = CacheMiddleware(app, store=url, rules=RULES)
    await Client("/first").ask(cache)
    connection.send("ready")
    while (path := await _next(connection)) is not None:
        before = app.runs
        clients = [Client(path) for _ in range(FOLLOWERS // PROCESSES)]
        await asyncio.gather(*(client.ask(cache) for client in clients))
        connection.send((app.runs - before, [client.done_at for client in clients]))
    await cache.cache.close()


async def _next(connection: Connection) -> str | None:
    """Return where the next round takes place; nothing when there is none."""
    try:
        path: str = await asyncio.to_thread(connection.recv)
    except EOFError:
        return None
    return path
