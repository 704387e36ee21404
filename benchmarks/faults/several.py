"""Several servers that stand in for each other, and what can befall them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from redis import Redis
from redis.crc import key_slot

from benchmarks.faults.places import Fault
from benchmarks.faults.threads import in_thread
from tests.redis_server import RedisServer
from tests.redis_topologies import (
    Cluster,
    SentinelSet,
    running_cluster,
    running_sentinels,
    until,
)


@asynccontextmanager
async def sentinel_set() -> AsyncIterator[SentinelSet]:
    """Run servers that Sentinels watch."""
    async with in_thread(running_sentinels()) as made:
        await asyncio.to_thread(made.heal)
        yield made


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """Run a cluster."""
    async with in_thread(running_cluster()) as made:
        await asyncio.to_thread(made.heal)
        yield made


def _url(place: SentinelSet | Cluster | MovingCluster) -> str:
    return place.url


async def _fail_over(place: SentinelSet) -> None:
    """Kill the primary, and wait until there is another one."""
    await asyncio.to_thread(_kill_and_wait, place)


def _kill_and_wait(place: SentinelSet) -> None:
    former = place.primary()
    former.stop()
    until(lambda: place.primary() is not former and _leads(place), "another primary")


def _leads(place: SentinelSet) -> bool:
    """Whether the server that is said to be the primary says so itself."""
    role = place.say(place.primary(), "ROLE")
    return bool(role) and role[0] == b"master"


async def _lose_a_primary(place: Cluster) -> None:
    """Kill a primary that has something, and wait until its replica has taken its place."""
    await asyncio.to_thread(_kill_one_and_wait, place)


def _kill_one_and_wait(place: Cluster) -> None:
    server, keys = max(_stored(place), key=lambda each: len(each[1]))
    server.stop()
    until(lambda: place.owner(keys[0]) is not server, "another primary")


@dataclass(frozen=True, slots=True)
class MovingCluster:
    """A cluster, some slots of which are on their way."""

    cluster: Cluster
    targets: dict[int, RedisServer] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.cluster.url

    def begin(self) -> None:
        """Begin to move each slot in which something is stored, and take away what is there."""
        for server, keys in _stored(self.cluster):
            target = self.cluster.other(server)
            for slot in set(map(key_slot, keys)):
                self.cluster.begin_move(slot, server, target)
                self.targets[slot] = target
            for key in keys:
                self.cluster.move_key(key, server, target)

    def end(self) -> None:
        """Let those have the slots that they were moved to."""
        for slot, target in self.targets.items():
            self.cluster.end_move(slot, target)


@asynccontextmanager
async def moving_cluster() -> AsyncIterator[MovingCluster]:
    """Run a cluster whose slots are to move."""
    async with cluster() as made:
        yield MovingCluster(made)


async def _begin_to_move(place: MovingCluster) -> None:
    await asyncio.to_thread(place.begin)


async def _end_to_move(place: MovingCluster) -> None:
    await asyncio.to_thread(place.end)


def _stored(place: Cluster) -> list[tuple[RedisServer, list[bytes]]]:
    stored = []
    for server in place.primaries():
        with Redis(port=server.port) as client:
            stored.append((server, client.keys()))
    return stored


ON_SEVERAL: Final = {
    "sentinel": Fault("Sentinel: failover", _fail_over, url=_url, place=sentinel_set),
    "cluster": Fault("Cluster: failover", _lose_a_primary, url=_url, place=cluster),
    "migration": Fault(
        "Cluster: slots move", _begin_to_move, _end_to_move, url=_url, place=moving_cluster
    ),
}
