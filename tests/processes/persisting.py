"""A process that persists writes in SQLite: it is given the URL of a Redis and a file."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys

from asgi_cache import Cache, WriteBehind

BATCH = 50

SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY, key TEXT, value INTEGER, id INTEGER, process INTEGER
);
CREATE TABLE IF NOT EXISTS latest (key TEXT PRIMARY KEY, value INTEGER, id INTEGER);
"""

NEWER = """
INSERT INTO latest VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value, id = excluded.id WHERE excluded.id > id
"""


def connect(path: str) -> sqlite3.Connection:
    """Open the file, with a table of all that was ever persisted, and one of what is the latest."""
    connection = sqlite3.connect(path, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(SCHEMA)
    return connection


async def elsewhere() -> None:
    """Take as long as a database does that is not on this machine."""
    await asyncio.sleep(random.uniform(0, 0.02))


async def main(url: str, path: str) -> None:
    """Persist until told to end."""
    connection = connect(path)

    async def persist(batch):
        await elsewhere()
        with connection:
            rows = [(write.key, write.value, write.id) for write in batch]
            connection.executemany(NEWER, rows)
            connection.executemany(
                "INSERT INTO history (key, value, id, process) VALUES (?, ?, ?, ?)",
                [(*row, os.getpid()) for row in rows],
            )
        await elsewhere()

    cache = Cache(store=url)
    behind = WriteBehind(cache, persist, batch=BATCH, lease="1s")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, behind.stop)
    print("ready", flush=True)  # noqa: T201
    await behind.run()
    await cache.close()
    connection.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
