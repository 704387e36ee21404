"""The nodes of a Redis Cluster: which one has which slot, and the connections to each."""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Final, NamedTuple

from redis.asyncio.cluster import ClusterNode, NodesManager, RedisCluster
from redis.crc import key_slot
from redis.exceptions import AskError, RedisClusterException, RedisError, SlotNotCoveredError
from redis.exceptions import ConnectionError as NoConnection

from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.redis_client import CLOSING_TIMEOUT, FAILURES, Pool, Turns, plain, within

NODE_TIMEOUT: Final = 0.5
"""Seconds that one node may take to say which node has which slot."""

SEARCH_TIMEOUT: Final = 2.0
"""Seconds after which a search for the nodes is given up, and begun anew when it is needed."""

PAUSE: Final = 0.25
"""Seconds between two searches, each of which costs a few milliseconds of processor time."""


class ClusterNotFound(NoConnection):
    """No node says which node has which slot."""


class Node(NamedTuple):
    """Where a node listens."""

    host: str
    port: int


class Nodes:
    """What is known of a cluster, learnt anew when it turns out not to be so.

    redis-py finds the nodes. Their connections are not its cluster client's, which refuses to
    give one when all are in use, but a pool's for each node, where who asks can wait.
    """

    def __init__(self, client: RedisCluster, monotonic: Callable[[], float]) -> None:
        """Find the nodes that *client* would, which itself is neither used nor closed."""
        self._settings = _settings_of(client)
        self._manager = _manager_like(client.nodes_manager, self._settings)
        self._named = dict(self._manager.startup_nodes)
        self._monotonic = monotonic
        self._turns: dict[Node, Turns] = {}
        self._is_doubted = False
        self._suspect: Node | None = None
        self._search: Task[Exception | None] | None = None
        self._searched_at = -inf

    @property
    def max_connections(self) -> int:
        """How many connections there may be to each node."""
        return int(self._settings["max_connections"])

    async def ready(self) -> None:
        """Wait until it is known which node has which slot, be it by now or not any more.

        Who gives up waiting does not end the search, which others wait for as well.
        """
        if self._manager.slots_cache:
            self.look_again()
            return
        failure = await asyncio.shield(self._begin_search())
        if failure is not None:
            raise failure

    def node_of(self, key: bytes) -> Node | None:
        """Return the primary that has the slot of *key*, if any has."""
        try:
            node = self._manager.get_node_from_slot(key_slot(key))
        except (LookupError, SlotNotCoveredError):
            return None
        return Node(node.host, int(node.port))

    def primaries(self) -> set[Node]:
        """Return the nodes that have slots, as far as they are known."""
        owners = (nodes[0] for nodes in self._manager.slots_cache.values())
        return {Node(owner.host, int(owner.port)) for owner in owners}

    def named(self, redirection: AskError, by: Node | None) -> Node:
        """Return the node that *redirection* names; without a host, it is on the host of *by*."""
        host = redirection.host or (by.host if by else "")
        return Node(*self._manager.remap_host_port(host, redirection.port))

    def turns_of(self, node: Node | None) -> Turns:
        """Return the connections to *node*.

        Raises:
            ClusterNotFound: There is no such node.
        """
        if node is None:
            raise ClusterNotFound("no node has the slot")
        if node not in self._turns:
            self._turns[node] = Turns(self._new_pool(node))
        return self._turns[node]

    def doubt(self, suspect: Node | None) -> None:
        """Note that what is known turned out wrong, perhaps since *suspect* is down."""
        self._is_doubted = True
        self._suspect = suspect or self._suspect

    def look_again(self) -> None:
        """Search for the nodes, if there is doubt; nobody waits for it."""
        if self._is_doubted and self._monotonic() >= self._searched_at + PAUSE:
            self._begin_search()

    async def close(self) -> None:
        """Close all connections."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])
        left, self._turns = self._turns, {}
        closing = [turns.pool.aclose() for turns in left.values()]
        closing += [self._manager.aclose(), self._manager.aclose("startup_nodes")]
        await asyncio.gather(*closing, return_exceptions=True)

    def _begin_search(self) -> Task[Exception | None]:
        if self._search is None or self._search.done():
            self._search = asyncio.get_running_loop().create_task(self._find())
        return self._search

    async def _find(self) -> Exception | None:
        """Ask one node after another which nodes there are; why it is not known still."""
        suspect, self._suspect, self._is_doubted = self._suspect, None, False
        name = f"{suspect.host}:{suspect.port}" if suspect else None
        try:
            async with asyncio.timeout(SEARCH_TIMEOUT):
                await self._manager.initialize(last_failed_node_name=name)
        except (*FAILURES, RedisClusterException) as error:
            self.doubt(suspect)
            self._remember()
            return _reason(error)
        finally:
            self._searched_at = self._monotonic()
        await self._leave_those_gone()
        return None

    def _remember(self) -> None:
        """Have those asked again that the user named, which have made room for those found.

        Else a cluster that has other addresses now, or had no slots yet, would be lost for good.
        """
        self._manager.set_nodes(self._manager.startup_nodes, self._named)

    async def _leave_those_gone(self) -> None:
        there = {Node(n.host, int(n.port)) for n in self._manager.nodes_cache.values()}
        for node in self._turns.keys() - there:
            pool = self._turns.pop(node).pool
            with suppress(StoreUnavailable):
                await within(CLOSING_TIMEOUT, pool.aclose())

    def _new_pool(self, node: Node) -> Pool:
        return Pool(**{**self._settings, **plain(), "host": node.host, "port": node.port})


def _settings_of(client: RedisCluster) -> dict[str, Any]:
    """Return what the connections of *client* are made with, but for what they would do.

    A function that is called on connecting would have a replica answer what only the primary
    may: it is how redis-py reads from replicas.
    """
    settings: dict[str, Any] = dict(client.get_connection_kwargs())
    for name in ("response_callbacks", "redis_connect_func"):
        settings.pop(name, None)
    return settings


def _manager_like(manager: NodesManager, settings: dict[str, Any]) -> NodesManager:
    """Make one that asks the same nodes, and goes on to the next if one does not answer.

    Where slots have no node, those of the others can be served still.
    """
    patience = {"socket_timeout": NODE_TIMEOUT, "socket_connect_timeout": NODE_TIMEOUT}
    settings = {**settings, **patience, "protocol": 2, "decode_responses": False}
    nodes = [ClusterNode(n.host, n.port, **settings) for n in manager.startup_nodes.values()]
    return NodesManager(
        nodes,
        require_full_coverage=False,
        connection_kwargs=settings,
        address_remap=manager.address_remap,
    )


def _reason(error: Exception) -> Exception:
    """Return why no node was found: what the last one said, or else what that amounts to."""
    last = error.__cause__ if isinstance(error, RedisClusterException) else error
    if isinstance(last, RedisError | OSError):
        return last
    return ClusterNotFound("no node says which node has which slot")
