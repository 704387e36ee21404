"""As much of redis-py's client as exchanging raw commands takes."""

from __future__ import annotations

import asyncio

from hiredis import Reader
from redis.exceptions import ResponseError


class SimulatedClient:
    """A client of one process, with a pool of connections over its network."""

    def __init__(self, network, *, max_connections=32):
        self.connection_pool = SimulatedPool(network, max_connections)

    async def aclose(self):
        """Close all connections, also those that are in use."""
        for connection in self.connection_pool.connections:
            connection.disconnect()


class SimulatedPool:
    """Lends connections, the one that was last in use first; who finds none left waits."""

    def __init__(self, network, max_connections):
        self.connection_kwargs = {"decode_responses": False}
        self.max_connections = max_connections
        self.connections = [SimulatedConnection(network) for _ in range(max_connections)]
        self._idle = list(self.connections)
        self._free = asyncio.Semaphore(max_connections)

    @property
    def lent(self):
        """How many connections are in use."""
        return self.max_connections - len(self._idle)

    async def get_connection(self):
        """Return a connection that nobody else uses, connected.

        Raises:
            redis.exceptions.ConnectionError: It could not be connected.
        """
        await self._free.acquire()
        connection = self._idle.pop()
        try:
            await connection.connect()
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection):
        """Take *connection* back, and close it if replies to it are still on their way."""
        if connection.unread:
            connection.disconnect()
        self._idle.append(connection)
        self._free.release()


class SimulatedConnection:
    """A connection that is made anew when its link was lost."""

    def __init__(self, network):
        self.unread = 0
        """Replies that were not read yet."""
        self._network = network
        self._link = None

    async def connect(self):
        """Connect, unless it is connected."""
        if self._link is None or self._link.is_lost:
            self.disconnect()
            self._link = await self._network.connect()

    async def send_packed_command(self, packed):
        """Send commands in one message."""
        reader = Reader()
        reader.feed(packed)
        commands = [tuple(command) for command in iter(reader.gets, False)]
        self.unread += len(commands)
        self._link.send(commands)

    async def read_response(self):
        """Return the next reply.

        Raises:
            redis.exceptions.ResponseError: It is an error.
            redis.exceptions.ConnectionError: It will not come; the connection is closed.
        """
        try:
            reply = await self._link.receive()
        except BaseException:
            self.disconnect()
            raise
        self.unread -= 1
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def disconnect(self):
        """Close the connection; replies that have not arrived are lost."""
        self.unread = 0
        if self._link is not None:
            self._link.close()
            self._link = None
