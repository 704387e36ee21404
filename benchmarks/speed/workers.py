"""What a request costs when several processes share one Redis, all of them on one core."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.speed.client import CONNECTIONS
from benchmarks.speed.contestants import CONTESTANTS
from benchmarks.speed.setting import order_for, redis_for, started
from benchmarks.speed.throughput import turns_at_once
from benchmarks.speed.verify import prepare

ASKED: Final = ("bare", "local-many", "redis-many")
NUMBERS: Final = (1, 2, 4, 8)
SIZE: Final = 1024


@dataclass(frozen=True, slots=True)
class Workers:
    """So many processes, each with as many connections as one alone."""

    name: str
    number: int
    processor_time: float
    """Microseconds of all of them for each request."""
    rate: float
    """Requests per second of all of them."""


def measure(name: str, number: int, seconds: int) -> Workers:
    """Have so many processes answer for a while.

    Raises:
        Unverified: One of them did not do what it should.
    """
    contestant = CONTESTANTS[name]
    with ExitStack() as stack:
        url = stack.enter_context(redis_for(contestant))
        order = order_for(contestant, SIZE, url)
        servers = [stack.enter_context(started(contestant, order)) for _ in range(number)]
        askings = [prepare(contestant, order, server) for server in servers]
        turns = turns_at_once(askings, 0, seconds, CONNECTIONS)
    requests = sum(each.requests for each in turns)
    used = sum(each.processor_time * each.requests for each in turns) / requests
    rate = sum(each.rate for each in turns)
    return Workers(contestant.name, number, round(used, 2), round(rate, 1))
