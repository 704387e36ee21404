"""`ASGICacheMiddleware` in its default RFC 9111 mode, with SQLite, its embedded store.

The handler says `Cache-Control: max-age=60` where it says nothing else, as that mode needs.
The option `Vary` is what the handler may say by RFC 9111: `Vary` with the field that it reads,
and `public` beside `max-age`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hishel import AsyncBaseStorage, AsyncRedisStorage, AsyncSqliteStorage
from hishel.asgi import ASGICacheMiddleware
from redis.asyncio import Redis

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_starlette import starlette_app
from tests.bare import ASGIApp

OPTIONS = dict.fromkeys(("cookie", "own", "forwarded", "origin"), "Vary")
DIRECTORY = tempfile.TemporaryDirectory()


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Put a Starlette app behind the middleware, with a database of its own."""
    defaults = [("cache-control", f"max-age={ttl}")]
    if option == "Vary":
        defaults = [("cache-control", f"public, max-age={ttl}"), ("vary", handler.reads)]
    storage: AsyncBaseStorage
    if option == "redis":
        storage = AsyncRedisStorage(Redis.from_url(os.environ["REDIS_URL"]))
    else:
        storage = AsyncSqliteStorage(database_path=Path(DIRECTORY.name) / f"{handler.name}.db")
    app = starlette_app(handler, defaults)
    return ASGICacheMiddleware(app, storage=storage)
