"""What tests ask a server about who talks to it, and how they let others have their turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

GONE = -2
"""The time that a key has left which is not there (Redis, ``PTTL``)."""


async def turns(count=10):
    """Let the event loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def commands_seen(admin):
    """Return how often the server was sent which command since it was last told to forget."""
    seen = await admin.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in seen.items()})


async def connections_named(admin, name):
    """Return how many connections clients have that call themselves *name*."""
    return [client["name"] for client in await admin.client_list()].count(name)


async def gone(admin, name):
    """Wait until the server has noticed that those who call themselves *name* have gone."""
    async with asyncio.timeout(5):
        while await connections_named(admin, name):
            pass  # pragma: no cover


@asynccontextmanager
async def listening(answer):
    """Run a server that does *answer* with each connection; its URL."""

    async def respond(reader, writer):
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
