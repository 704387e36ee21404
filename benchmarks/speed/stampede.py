"""How often an app runs when many ask at once for what is not stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from benchmarks.speed.client import connected
from benchmarks.speed.contestants import CONTESTANTS, PEERS, Contestant
from benchmarks.speed.order import Order
from benchmarks.speed.setting import order_for, redis_for, started
from benchmarks.speed.verify import Unverified

CLIENTS: Final = 500
SECONDS: Final = 0.1
"""That the app takes."""
SIZE: Final = 1024
PROCESSES: Final = 4
OPTIONS: Final = {"fastapi-cachex": "coalesce"}
"""What a peer has for this, and does not do unless it is told."""


@dataclass(frozen=True, slots=True)
class Stampede:
    """What came of it."""

    title: str
    runs: int
    milliseconds: float
    """Until all had their answer."""


class Asked(NamedTuple):
    """Who is asked."""

    contestant: Contestant
    title: str
    processes: int = 1


def asked() -> Iterator[Asked]:
    """Yield this cache and the others as they are set up, and with their option for this."""
    memory, redis = CONTESTANTS["miss"], CONTESTANTS["redis-miss"]
    yield Asked(memory, "asgi-cache, memory")
    yield Asked(redis, "asgi-cache, redis")
    yield Asked(redis, f"asgi-cache, redis, {PROCESSES} processes", PROCESSES)
    for contestant in PEERS:
        yield Asked(contestant, contestant.title)
        option = OPTIONS.get(contestant.peer.name) if contestant.peer else None
        if option and not contestant.option:
            told = replace(contestant, option=option)
            yield Asked(told, f"{contestant.title}, with `{option}`")


def measure(contestant: Contestant, title: str, processes: int) -> Stampede:
    """Let many ask one of them.

    Raises:
        NotCompared: It cannot be installed.
        Unverified: Not all were given the answer.
    """
    with redis_for(contestant) as url:
        order = order_for(contestant, SIZE, url, seconds=SECONDS)
        return _ask(contestant, order, title, processes)


def _ask(contestant: Contestant, order: Order, title: str, processes: int) -> Stampede:
    with ExitStack() as stack:
        servers = [stack.enter_context(started(contestant, order)) for _ in range(processes)]
        clients = [
            stack.enter_context(connected(server.port, connections=CLIENTS // processes))
            for server in servers
        ]
        began = time.monotonic()
        for client, server in zip(clients, servers, strict=True):
            client.send([server.path])
        answers = [answer for client in clients for answer in client.read()]
        took = time.monotonic() - began
        if {(answer.status, answer.body) for answer in answers} != {(200, order.body)}:
            raise Unverified("not all were given the answer")
        return Stampede(title, sum(server.runs for server in servers), round(took * 1e3, 1))
