"""The app: things that change, some the same for all users, some one's own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from asgi_cache import Cache, CacheMiddleware, StoreUnavailable
from benchmarks.faults.app import PURGE, respond
from benchmarks.speed.order import Order, Served

TTL: Final = 3
"""Seconds."""
RULES: Final = {
    "/shared/{number}": {"ttl": TTL, "tags": ["shared:{number}"], "public": True},
    "/own/{number}": {"ttl": TTL, "tags": ["own:{number}"]},
    "/never/{number}": None,
}
TASKS: Final = "/tasks"
SIZES: Final = (200, 1000, 5000, 20_000, 100_000)
CHUNKS: Final = 3


class Thing(NamedTuple):
    """What one URL stands for."""

    kind: str
    number: int

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/{self.kind}/{self.number}"

    @property
    def tag(self) -> str:
        """By what it is purged."""
        return f"{self.kind}:{self.number}"

    @property
    def size(self) -> int:
        """Bytes of its text; few are large."""
        return SIZES[self.number % len(SIZES)] if self.number < len(SIZES) else SIZES[0]


THINGS: Final = (
    *(Thing("shared", number) for number in range(40)),
    *(Thing("own", number) for number in range(20)),
    *(Thing("never", number) for number in range(5)),
)


class Versions:
    """The version of each thing, in a file that all processes share."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap(file.fileno(), 0)).cast("Q")

    @classmethod
    def create(cls, path: Path) -> Versions:
        """Begin with the first version of all."""
        path.write_bytes(bytes(8 * len(THINGS)))
        return cls(path)

    def __getitem__(self, thing: Thing) -> int:
        return self._numbers[THINGS.index(thing)]

    def __setitem__(self, thing: Thing, version: int) -> None:
        self._numbers[THINGS.index(thing)] = version


def text_of(thing: Thing, user: str, version: int) -> str:
    """Return what a version of a thing says to a user."""
    draw = Random(f"{thing.tag} {user} {version}")  # noqa: S311 - nobody gains by guessing it
    return draw.randbytes(thing.size // 2).hex()


def digest_of(text: str) -> str:
    """Return what tells whether it is complete."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Things:
    """Answers with a thing, or with another version from now on."""

    def __init__(self, order: Order) -> None:
        self.runs = 0
        self._versions = Versions(Path(order.option))
        self._seconds = order.seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or start and stop."""
        if scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
        elif scope["type"] == "http":
            self.runs += 1
            kind, number = scope["path"][1:].split("/")
            await self._answer(scope, Thing(kind, int(number)), send)

    async def _answer(self, scope: Any, thing: Thing, send: Any) -> None:
        fields = {name.decode(): value.decode() for name, value in scope["headers"]}
        if scope["method"] == "PUT":
            self._versions[thing] = int(fields["version"])
            await respond(send, 200, None)
            return
        version = self._versions[thing]
        await asyncio.sleep(self._seconds)
        user = fields["authorization"] if thing.kind != "shared" else ""
        etag = f'"{thing.tag} {user} {version}"'
        if fields.get("if-none-match") == etag:
            await _send(send, 304, {"etag": etag}, b"")
        else:
            text = text_of(thing, user, version)
            body = {"user": user, "version": version, "text": text, "digest": digest_of(text)}
            body |= {"path": thing.path, "made_at": time.monotonic()}
            await _send(send, 200, {"etag": etag}, json.dumps(body).encode())


async def _send(send: Any, status: int, fields: Mapping[str, str], body: bytes) -> None:
    """Send a body in pieces."""
    if status == 200:
        fields = {**fields, "content-type": "application/json", "content-length": f"{len(body)}"}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    step = len(body) // CHUNKS + 1
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


class Controlled:
    """The app with its cache, beside which it is purged and looked into."""

    def __init__(self, app: CacheMiddleware) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Do as is asked, or pass it on."""
        path = scope.get("path", "")
        if path == TASKS:
            await respond(send, 200, len(asyncio.all_tasks()))
        elif path.startswith(PURGE):
            await self._purge(path.removeprefix(f"{PURGE}/"), send)
        else:
            await self._app(scope, receive, send)

    async def _purge(self, tag: str, send: Any) -> None:
        try:
            await self._app.cache.purge(tags=tag)
        except StoreUnavailable:
            await respond(send, 503, None)
        else:
            await respond(send, 200, None)


def soaked(order: Order) -> Served:
    """Put the cache around the app."""
    things = Things(order)
    cache = Cache(store=order.redis, rules=RULES)
    return Served(Controlled(CacheMiddleware(things, cache=cache)), lambda: things.runs)
