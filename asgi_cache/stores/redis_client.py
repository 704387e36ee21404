"""How this package's own connections to Redis are set up."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

MAX_CONNECTIONS: Final = 32
"""Connections of one process at once; what finds all of them in use waits, within its deadline."""

CLOSING_TIMEOUT: Final = 1.0
"""Seconds that the other side may take to agree that a connection is closed."""


_CONNECTIONS: Final = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}


def make_client(scheme: str, **address: Any) -> Redis:
    """Make a client that does just what it is told, at once and once.

    Deadlines are the store's, one for a whole operation; redis-py's own, one for every read,
    would add up, and cost a timer each. Retries are for whoever knows what they cost.
    RESP2 needs no handshake, and cannot be sent what nobody asked for: with maintenance
    notifications redis-py does not look for left-over replies before it uses a connection.
    """
    address.setdefault("max_connections", MAX_CONNECTIONS)
    pool = BlockingConnectionPool(
        connection_class=_CONNECTIONS[scheme],
        **address,
        timeout=None,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=CLOSING_TIMEOUT,
        driver_info=None,
        decode_responses=False,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)
