"""Where a contestant is measured: a server of its own, and a Redis if it needs one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache

from benchmarks.peers.environments import prepare as environment_of
from benchmarks.speed.contestants import CONTESTANTS, Contestant
from benchmarks.speed.order import NOTHING, Order, Response
from benchmarks.speed.server import CLIENT_CORE, Server, serving
from benchmarks.speed.verify import Asking, prepare
from tests.redis_server import running_redis

OF_THE_SERVER = frozenset({"date", "server"})
"""Fields that uvicorn adds to each response."""


@contextmanager
def measured(contestant: Contestant, size: int, *, under: Sequence[str] = ()) -> Iterator[Asking]:
    """Start a contestant, *under* another program if need be; warm it up and verify it.

    Raises:
        NotCompared: It is a peer that cannot be installed.
        Unverified: It does not do what it should.
    """
    with redis_for(contestant) as url:
        order = order_for(contestant, size, url, is_slowed=bool(under))
        with started(contestant, order, under=under) as server:
            yield prepare(contestant, order, server)


@contextmanager
def redis_for(contestant: Contestant) -> Iterator[str]:
    """Start a Redis, if it is needed, beside the client; its URL."""
    with running_redis() if contestant.needs_redis else nullcontext() as server:
        if server is not None:
            os.sched_setaffinity(server.process.pid, {CLIENT_CORE})
        yield server.url if server is not None else ""


def order_for(
    contestant: Contestant,
    size: int,
    redis: str = "",
    *,
    seconds: float = 0.0,
    is_slowed: bool = False,
) -> Order:
    """Return what the server of a contestant is told."""
    return Order(
        contestant.build,
        size,
        redis=redis,
        replay=_response_of(contestant.replays, size) if contestant.replays else NOTHING,
        adapter=contestant.peer.adapter if contestant.peer else "",
        option=contestant.option,
        seconds=seconds,
        is_slowed=is_slowed,
    )


@contextmanager
def started(contestant: Contestant, order: Order, *, under: Sequence[str] = ()) -> Iterator[Server]:
    """Start the server of a contestant."""
    python = environment_of(contestant.peer) if contestant.peer else sys.executable
    with serving(order, python=python, under=under) as server:
        yield server


@cache
def _response_of(name: str, size: int) -> Response:
    """Return what the app sends when the contestant of that name is asked, once and for all."""
    with measured(CONTESTANTS[name], size) as asking, asking.connected(1) as client:
        (answer,) = asking.wave(client)
    fields = tuple(pair for pair in answer.fields if pair[0] not in OF_THE_SERVER)
    return answer.status, fields, answer.body.decode()
