"""What Redis is sent for each request while many ask at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from benchmarks.speed.contestants import CONTESTANTS
from benchmarks.speed.setting import measured
from benchmarks.speed.throughput import turn

ASKED: Final = ("local-hit", "redis-hit", "local-many", "redis-many")
SIZE: Final = 1024
OWN: Final = frozenset({"info"})
"""Commands of this measurement."""


@dataclass(frozen=True, slots=True)
class Commands:
    """That Redis was sent during so many requests."""

    name: str
    requests: int
    seconds: float
    times: Mapping[str, int]

    @property
    def per_request(self) -> float:
        """Of any kind."""
        return sum(self.times.values()) / self.requests


def count(name: str, seconds: int) -> Commands:
    """Count them while a contestant is asked.

    Raises:
        Unverified: It did not do what it should.
    """
    with measured(CONTESTANTS[name], SIZE) as asking, Redis.from_url(asking.order.redis) as client:
        before = _calls(client)
        asked = turn(asking, 0, seconds)
        after = _calls(client)
    times = {command: calls - before.get(command, 0) for command, calls in after.items()}
    sent = {command: calls for command, calls in sorted(times.items()) if calls}
    return Commands(name, asked.requests, round(asked.seconds, 3), sent)


def _calls(client: Redis) -> dict[str, int]:
    statistics: dict[str, Any] = client.info("commandstats")
    named = {name.removeprefix("cmdstat_"): each["calls"] for name, each in statistics.items()}
    return {name: calls for name, calls in named.items() if name not in OWN}
