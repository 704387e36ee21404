"""A Redis Cluster: how commands get to the nodes that have their keys."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError

from asgi_cache.stores.redis_client import (
    FAILURES,
    MAX_CONNECTIONS,
    Command,
    plain,
    scanned,
    without_errors,
)
from asgi_cache.stores.redis_nodes import Node, Nodes

MAX_HOPS: Final = 5
"""Nodes that a command is sent to, one after another, before its redirection is an error."""


class NodeUnreachable(ResponseError):
    """Stands for the reply of a node that gave none, where other nodes gave theirs."""


def make_cluster_client(
    scheme: str, nodes: Sequence[tuple[str, int]], **options: Any
) -> RedisCluster:
    """Make a client of the cluster that any of *nodes* belongs to."""
    options.setdefault("max_connections", MAX_CONNECTIONS)
    secret = options.pop("ssl_password", None)
    client = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        ssl=scheme.startswith("rediss"),
        **options,
        **plain(),
    )
    if secret is not None:  # its connections take one, but it does not
        client.connection_kwargs["ssl_password"] = secret
    return client


@dataclass(slots=True)
class _Parcel:
    """Commands of one key that go together, where they go, and what came of it."""

    key: bytes
    commands: Sequence[Command]
    node: Node | None = None
    is_asking: bool = False
    """Whether the node is to take commands for a slot that is being moved to it."""
    replies: list[Any] = field(default_factory=list[Any])
    failure: BaseException | None = None

    def fail(self, failure: BaseException) -> None:
        """Take *failure* for the reply to every command."""
        self.failure = failure
        self.replies = [NodeUnreachable(type(failure).__name__) for _ in self.commands]

    def redirection(self) -> AskError | None:
        """Return what the node said of another node that would have to be asked."""
        return next((reply for reply in self.replies if isinstance(reply, AskError)), None)


class ClusterServers:
    """The nodes of a cluster, all of which are asked at once.

    Every command has one key, look-ups too, so that none is refused for crossing slots, or
    because a slot's keys are in two places while it is moved.
    """

    def __init__(self, client: RedisCluster, monotonic: Callable[[], float]) -> None:
        """Ask the nodes that *client* would, which itself is neither used nor closed."""
        self._nodes = Nodes(client, monotonic)

    @property
    def can_spare_a_connection(self) -> bool:
        """Whether one may be kept waiting for purges while others are at work."""
        return self._nodes.max_connections > 1

    async def ask(
        self, commands: Sequence[Command], names: Sequence[bytes] = ()
    ) -> tuple[list[Any], list[Any]]:
        """Send each node in one piece what is for it.

        Where no node can be reached this fails, and where one cannot be, a `NodeUnreachable`
        stands for each reply that it would have given.
        """
        parcels = [_Parcel(_key_of(command), [command]) for command in commands]
        parcels += [_Parcel(name, [(b"GET", name)]) for name in names]
        await self._deliver(parcels)
        replies = [parcel.replies[0] for parcel in parcels]
        return replies[: len(commands)], replies[len(commands) :]

    async def transaction(self, commands: Sequence[Command]) -> list[Any]:
        """Have *commands*, all of one key, executed with no other in between; their replies."""
        parcel = _Parcel(_key_of(commands[0]), [(b"MULTI",), *commands, (b"EXEC",)])
        await self._deliver([parcel])
        *_, replies = without_errors(parcel.replies)
        return without_errors(replies)

    async def everywhere(self, commands: Sequence[Command]) -> list[list[Any]]:
        """Send *commands* to each node that has slots."""
        await self._nodes.ready()
        ways = [self._nodes.turns_of(node) for node in self._nodes.primaries()]
        return await asyncio.gather(*(turns.replies_to(commands) for turns in ways))

    async def scan(self, pattern: bytes, cursor: str, count: int) -> tuple[list[bytes], str]:
        """Look at about *count* keys of one node after another."""
        await self._nodes.ready()
        number, _, there = cursor.partition(".")
        at, nodes = int(number or 0), sorted(self._nodes.primaries())
        if not 0 <= at < len(nodes):
            return [], ""  # there are fewer than there were
        turns = self._nodes.turns_of(nodes[at])
        names, after = await scanned(turns, pattern, int(there or 0), count)
        if after:
            return names, f"{at}.{after}"
        return names, f"{at + 1}." if at + 1 < len(nodes) else ""

    async def close(self) -> None:
        """Close all connections."""
        await self._nodes.close()

    async def _deliver(self, parcels: Sequence[_Parcel]) -> None:
        """Send *parcels* where they belong, and on to where the nodes say that is."""
        await self._nodes.ready()
        for parcel in parcels:
            parcel.node = self._nodes.node_of(parcel.key)
        left = parcels
        for _ in range(MAX_HOPS):
            await self._send_all(left)
            left = [parcel for parcel in left if self._is_redirected(parcel)]
            if not left:
                break
        self._nodes.look_again()
        failures = [parcel.failure for parcel in parcels if parcel.failure is not None]
        if failures and len(failures) == len(parcels):
            raise failures[0]

    async def _send_all(self, parcels: Sequence[_Parcel]) -> None:
        ways: dict[tuple[Node | None, bool], list[_Parcel]] = defaultdict(list)
        for parcel in parcels:
            ways[parcel.node, parcel.is_asking].append(parcel)
        if len(ways) == 1:
            await self._send(parcels)
            return
        async with asyncio.TaskGroup() as group:
            for together in ways.values():
                group.create_task(self._send(together))

    async def _send(self, parcels: Sequence[_Parcel]) -> None:
        """Send *parcels*, all of which go the same way."""
        node, before = parcels[0].node, [(b"ASKING",)] if parcels[0].is_asking else []
        commands = [command for parcel in parcels for command in (*before, *parcel.commands)]
        try:
            replies = iter(await self._nodes.turns_of(node).replies_to(commands))
        except BaseException as error:
            self._nodes.doubt(node)  # who gives up may do so since the node is down
            for parcel in parcels:
                parcel.fail(error)
            if not isinstance(error, FAILURES):
                raise
            return
        for parcel in parcels:
            own = list(islice(replies, len(before) + len(parcel.commands)))
            parcel.replies = own[len(before) :]

    def _is_redirected(self, parcel: _Parcel) -> bool:
        """Say whether *parcel* has to go on, and have it addressed to where."""
        if any(isinstance(reply, ClusterDownError) for reply in parcel.replies):
            self._nodes.doubt(parcel.node)
        redirection = parcel.redirection()
        if redirection is None:
            return False
        parcel.is_asking = not isinstance(redirection, MovedError)
        if not parcel.is_asking:
            self._nodes.doubt(None)
        parcel.node = self._nodes.named(redirection, parcel.node)
        return True


def _key_of(command: Command) -> bytes:
    if command[0] == b"EVAL":
        return command[3]
    if command[0] == b"XREAD":
        return command[command.index(b"STREAMS") + 1]
    return command[1]
