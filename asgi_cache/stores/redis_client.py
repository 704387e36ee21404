"""How Redis is talked to: how this package's own connections are set up, and the quick way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar, cast

from hiredis import pack_command
from redis.asyncio import (
    Connection,
    ConnectionPool,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from asgi_cache.deadline import Deadline
from asgi_cache.errors import StoreRefused, StoreTimeout, StoreUnavailable

T = TypeVar("T")

MAX_CONNECTIONS: Final = 32
"""Connections of one process at once; what finds all of them in use waits, within its deadline."""

CLOSING_TIMEOUT: Final = 1.0
"""Seconds that other sides may take to agree that connections are closed."""

FAILURES: Final = (
    *(RedisError, OSError, RuntimeError),
    *(AttributeError, LookupError, TypeError, ValueError),
)
"""What redis-py raises for what a server or a network does.

A ``RuntimeError`` is how uvloop says that a connection was lost before it was written to;
the others come of connections that are lost at a bad moment, and of replies that are not
what was asked for.
"""

LOST: Final = (RedisConnectionError, OSError, RuntimeError)
"""Those after which another connection may do."""

Address: TypeAlias = tuple[str, int]
"""A host and a port."""

Command: TypeAlias = tuple[bytes, ...]
"""A command's name and its arguments."""

_CONNECTIONS: Final = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}


class Pool(ConnectionPool):
    """Connections for those whose turn it is (`Turns`), so that nobody waits for one here.

    In redis-py's own pools it is had behind two locks and a timer, and measured, which takes more
    than a fifth of the instructions of a round trip.
    """

    _is_closed = False

    async def get_connection(self, *_: object, **__: object) -> Any:
        """Return one that is connected, and that has no replies in it."""
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        if self._is_closed:
            connection.mark_for_reconnect()
        return connection

    async def release(self, connection: Any) -> None:
        """Take one back; nobody waits for the other side if it is to be closed."""
        if connection.should_reconnect():
            await connection.disconnect(nowait=True)
        await super().release(connection)

    async def aclose(self) -> None:
        """Close what is idle now, and what is in use, or still asked for, when it is given back.

        redis-py's own would have it again then, open for good.
        """
        self._is_closed = True
        await self.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
        try:
            await self.disconnect(inuse_connections=False)
        finally:  # who is cancelled before its first turn has closed nothing
            for connection in self._available_connections:
                await connection.disconnect(nowait=True)


def make_client(scheme: str, **address: Any) -> Redis:
    """Make a client of one server."""
    address.setdefault("max_connections", MAX_CONNECTIONS)
    return Redis.from_pool(Pool(connection_class=_CONNECTIONS[scheme], **address, **plain()))


def plain() -> dict[str, Any]:
    """Return the settings of connections that do just what they are told, at once and once.

    Deadlines are the store's, one for a whole operation; redis-py's own, one for every read,
    would add up, and cost a timer each. Retries are for whoever knows what they cost.
    RESP2 needs no handshake, and cannot be sent what nobody asked for: with maintenance
    notifications redis-py does not look for left-over replies before it uses a connection.
    """
    return {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
        "decode_responses": False,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def in_milliseconds(seconds: float) -> bytes:
    """Write a time to live as Redis takes it; it has none of 0."""
    return b"%d" % max(1, round(seconds * 1000))


async def exchange(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """Send *commands* in one piece, and return the replies as they are.

    What a look-up waits for goes this way: a pipeline of redis-py takes about as long again
    as the round trip. A connection that is left in the middle of this is closed by redis-py.

    Raises:
        ResponseError: One of them was refused; the replies to the others were read.
    """
    return without_errors(await _replies_on(client.connection_pool, commands))


class Turns:
    """A pool, whose connections are had by those who want one in the order in which they came.

    redis-py's wakes who has waited longest, but lets a newcomer take the connection meanwhile;
    and if who was woken gives up at that moment, others go on waiting for what is free.
    """

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._turns = asyncio.Semaphore(pool.max_connections)

    async def replies_to(self, commands: Sequence[Command]) -> list[Any]:
        """Send *commands* in one piece, and return the replies, among which may be errors."""
        async with self._turns:
            return await _replies_on(self.pool, commands)


async def scanned(turns: Turns, pattern: bytes, cursor: int, count: int) -> tuple[list[bytes], str]:
    """Look at about *count* keys of one server; those like *pattern*, and where to go on."""
    command = (b"SCAN", b"%d" % cursor, b"MATCH", pattern, b"COUNT", b"%d" % count)
    (reply,) = without_errors(await turns.replies_to([command]))
    after, names = reply
    return list(names), "" if int(after) == 0 else str(int(after))


async def _replies_on(pool: Any, commands: Sequence[Command]) -> list[Any]:
    if not commands:
        return []  # from Python 3.12 on, who writes no bytes cannot close the connection any more
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command(packed(commands))
        return [await _reply(connection) for _ in commands]
    finally:
        await pool.release(connection)


def packed(commands: Sequence[Command]) -> bytes:
    """Write *commands* as they are sent; redis-py itself takes four to six times as long."""
    pack: Callable[[Command], bytes] = cast("Any", pack_command)  # whose type is too narrow
    return b"".join(map(pack, commands))


def without_errors(replies: list[Any]) -> list[Any]:
    """Return *replies*.

    Raises:
        ResponseError: It is one of them, and the first that is.
    """
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


async def within(seconds: float, operation: Awaitable[T]) -> T:
    """Await *operation*, for *seconds* at most.

    Raises:
        StoreRefused: The server answered that it will not.
        StoreTimeout: It took longer.
        StoreUnavailable: It failed. The cause is attached to neither, since
            it can quote a command, and the command that authenticates quotes a password.
    """
    try:
        async with Deadline(seconds):
            return await operation
    except TimeoutError:
        unavailable: StoreUnavailable = StoreTimeout(f"Redis did not answer within {seconds:g} s")
    except FAILURES as error:
        unavailable = refusal(error)
    raise unavailable


def refusal(error: Exception) -> StoreUnavailable:
    """Return what is said of *error*, to which it is not attached."""
    kind = StoreRefused if isinstance(error, ResponseError) else StoreUnavailable
    return kind(f"Redis failed: {_describe(error)}")


def _describe(error: Exception) -> str:
    """Name the error, and what the operating system says of it, but nothing that it quotes."""
    cause = error if isinstance(error, OSError) else error.__context__
    said = cause.strerror if isinstance(cause, OSError) else None
    return f"{type(error).__name__} ({said})" if said else type(error).__name__
