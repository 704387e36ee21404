"""A TCP proxy between clients and a server, which does to them what networks do.

What a server says, and what a client asks, is passed on by a function that can be changed at
any time; those here are the faults that tests and benchmarks have need of.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import Server, StreamReader, StreamWriter, Task
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random

from hiredis import HiredisError, Reader

from tests.redis_server import free_port

CHUNK = 2**16
NOT_LINGERING = struct.pack("ii", 1, 0)
"""The option of a socket by which closing it is a reset."""


class Conversation:
    """A client's connection, and the one to the server that was made for it."""

    def __init__(self, client: StreamWriter, server: StreamWriter) -> None:
        self.client = client
        self.server = server
        self.asked = Reader()
        """Takes apart what the client asked, for those who answer in the server's place."""
        self.is_spoilt = False
        """Whether what the client hears is not what the server said, which cannot be made good."""

    def reset(self) -> None:
        """Break off: the client sees that the connection was reset."""
        sock: socket.socket = self.client.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOT_LINGERING)
        self.client.transport.abort()
        self.server.transport.abort()


PassOn = Callable[[Conversation, bytes], Awaitable[None]]
"""Does with some bytes what is to become of them."""


async def ask(conversation: Conversation, request: bytes) -> None:
    """Let the server have what a client asks."""
    conversation.server.write(request)
    await conversation.server.drain()


async def reply(conversation: Conversation, data: bytes) -> None:
    """Let the client have what the server says."""
    conversation.client.write(data)
    await conversation.client.drain()


class Proxy:
    """Listens on a port of its own in place of a server on this machine."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = free_port()
        self.on_request: PassOn = ask
        self.on_reply: PassOn = reply
        self._server: Server | None = None
        self._conversations: set[Conversation] = set()
        self._tasks: set[Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def listen(self) -> None:
        """Accept connections, from now on or again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def refuse(self) -> None:
        """Accept no more connections, and reset those that there are."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        for conversation in self._conversations:
            conversation.reset()

    def heal(self) -> None:
        """Pass on everything as it is, where that makes sense to a client."""
        self.on_request, self.on_reply = ask, reply
        for conversation in self._conversations:
            if conversation.is_spoilt:
                conversation.reset()

    async def close(self) -> None:
        """End, and wait for that."""
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, asking: StreamReader, client: StreamWriter) -> None:
        try:
            answering, server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            client.transport.abort()
            return
        conversation = Conversation(client, server)
        self._conversations.add(conversation)
        ways = [
            asyncio.create_task(self._requests(asking, conversation)),
            asyncio.create_task(self._replies(answering, conversation)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._conversations.discard(conversation)
            for way in ways:
                way.cancel()
            client.close()
            server.close()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, reader: StreamReader, conversation: Conversation) -> None:
        while data := await _heard(reader):
            await self.on_request(conversation, data)

    async def _replies(self, reader: StreamReader, conversation: Conversation) -> None:
        while data := await _heard(reader):
            await self.on_reply(conversation, data)


async def _heard(reader: StreamReader) -> bytes:
    """Return what comes next; nothing at the end, however it came about."""
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""


@asynccontextmanager
async def proxied(server_port: int) -> AsyncIterator[Proxy]:
    """Run a proxy until the end of a block."""
    proxy = Proxy(server_port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()


def late(seconds: float) -> PassOn:
    """Let each reply wait that long."""

    async def pass_on(conversation: Conversation, data: bytes) -> None:
        await asyncio.sleep(seconds)
        await reply(conversation, data)

    return pass_on


def crumbled(random: Random, pieces: int, pause: float) -> PassOn:
    """Let each reply arrive in so many pieces at most, with pauses of up to *pause* seconds."""

    async def pass_on(conversation: Conversation, data: bytes) -> None:
        cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(pieces)))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await asyncio.sleep(random.uniform(0, pause))
            await reply(conversation, data[start:end])

    return pass_on


async def reset(conversation: Conversation, data: bytes) -> None:
    """Let the client have the half of a reply, and no more of the connection."""
    await reply(conversation, data[: len(data) // 2])
    conversation.reset()


async def swallow(conversation: Conversation, data: bytes) -> None:
    """Let nobody hear of it."""
    conversation.is_spoilt = True


def garbage(random: Random) -> PassOn:
    """Answer what is no reply at all, or what is one, but to other questions."""

    async def pass_on(conversation: Conversation, data: bytes) -> None:
        conversation.is_spoilt = True
        noise = random.randbytes(len(data))
        await reply(conversation, random.choice([noise, *OTHER_REPLIES]))

    return pass_on


OTHER_REPLIES = (
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"$-1\r\n" * 3,
    b"+OK\r\n" * 9,
    b"*1\r\n$3\r\nfoo\r\n" * 3,
)


def answered(line: bytes) -> PassOn:
    """Answer each command with *line*, in the place of a server that is not asked."""

    async def pass_on(conversation: Conversation, data: bytes) -> None:
        asked = conversation.asked
        asked.feed(data)
        try:
            while asked.gets() is not False:
                await reply(conversation, line)
        except HiredisError:  # it begins in the middle of a command
            conversation.reset()

    return pass_on
