"""Where the commands of a store go: to one server, or to the nodes of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from asgi_cache.stores.redis_client import Command, Turns, scanned, without_errors
from asgi_cache.stores.redis_cluster import ClusterServers


class Servers(Protocol):
    """Has commands executed, each by the server that has its key.

    There are no deadlines here: who cannot wait any longer cancels, which costs a connection
    but leaves none with replies in it that nobody has read.
    """

    @property
    def can_spare_a_connection(self) -> bool:
        """Whether one may be kept waiting for purges while others are at work."""

    async def ask(
        self, commands: Sequence[Command], names: Sequence[bytes] = ()
    ) -> tuple[list[Any], list[Any]]:
        """Send *commands*, then look *names* up; the replies, and the value of each name.

        That is the order on each server, and there is none between servers. A `ResponseError`
        is not raised but stands for the reply, or the value, that it is about.
        """

    async def transaction(self, commands: Sequence[Command]) -> list[Any]:
        """Have *commands*, all of one key, executed with no other in between; their replies.

        Raises:
            ResponseError: One of them failed; the others may have been executed all the same.
        """

    async def everywhere(self, commands: Sequence[Command]) -> list[list[Any]]:
        """Send *commands*, which have no key, to each server with records; the replies of each."""

    async def scan(self, pattern: bytes, cursor: str, count: int) -> tuple[list[bytes], str]:
        """Look at about *count* keys from *cursor* on; those like *pattern*, and where to go on."""

    async def close(self) -> None:
        """Close the connections, but for those of a client that is the user's."""


def servers_of(
    client: Redis | RedisCluster,
    *,
    is_ours: bool,
    monotonic: Callable[[], float] = time.monotonic,
) -> Servers:
    """Return the servers that *client* talks to; unless it is ours, it is left open."""
    if isinstance(client, RedisCluster):
        return ClusterServers(client, monotonic)
    return OneServer(client, is_ours=is_ours)


def decodes(client: Redis | RedisCluster) -> bool:
    """Whether *client* returns text, which records are not."""
    source = client if isinstance(client, RedisCluster) else client.connection_pool
    return bool(source.connection_kwargs.get("decode_responses"))


async def carried_out(servers: Servers, commands: Sequence[Command]) -> None:
    """Have *commands* executed.

    Raises:
        ResponseError: One of them was not.
    """
    replies, _ = await servers.ask(commands)
    without_errors(replies)


class OneServer:
    """One server, which may be whichever the Sentinels say is the primary."""

    def __init__(self, client: Redis, *, is_ours: bool) -> None:
        """Take a *client*; unless it is ours, `close` leaves it open."""
        self._client = client
        self._turns = Turns(client.connection_pool)
        self._is_ours = is_ours

    @property
    def can_spare_a_connection(self) -> bool:
        """Whether one may be kept waiting for purges while others are at work."""
        return self._client.connection_pool.max_connections > 1

    async def ask(
        self, commands: Sequence[Command], names: Sequence[bytes] = ()
    ) -> tuple[list[Any], list[Any]]:
        """Send all in one piece: *commands*, and one ``MGET`` of *names*."""
        if not names:
            return await self._turns.replies_to(commands), []
        *replies, found = await self._turns.replies_to([*commands, (b"MGET", *names)])
        if isinstance(found, ResponseError):
            return replies, [found] * len(names)
        if len(found) != len(names):
            raise ValueError("the reply is to another question")
        return replies, found

    async def transaction(self, commands: Sequence[Command]) -> list[Any]:
        """Have *commands* executed with no other in between; their replies."""
        *_, replies = without_errors(
            await self._turns.replies_to([(b"MULTI",), *commands, (b"EXEC",)])
        )
        return without_errors(replies)

    async def everywhere(self, commands: Sequence[Command]) -> list[list[Any]]:
        """Send *commands* to the one that there is."""
        return [await self._turns.replies_to(commands)]

    async def scan(self, pattern: bytes, cursor: str, count: int) -> tuple[list[bytes], str]:
        """Look at about *count* keys; those like *pattern*, and where to go on."""
        there = cursor.rpartition(".")[2]
        return await scanned(self._turns, pattern, int(there or 0), count)

    async def close(self) -> None:
        """Close the client's connections, unless it is the user's."""
        if self._is_ours:
            await self._client.aclose()
