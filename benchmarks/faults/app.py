"""The app behind the caches, and a way to change its data and to purge what is stored of them.

This is imported by other caches' environments, too: there is nothing here but Python.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from benchmarks.speed.order import ASGIApp, Order

PREFIX: Final = "/items/"
ROUTE: Final = "/items/{number}"
CHANGE: Final = "/change"
PURGE: Final = "/purge"

Purge = Callable[[], Awaitable[object]]
"""Voids all that is stored; whatever it raises means that this is not certain."""


class Data:
    """What the app answers from; all of it changes at once."""

    def __init__(self, order: Order) -> None:
        self.version = 0
        self.runs = 0
        self._seconds = order.seconds
        self._text = order.text

    async def item(self, number: int) -> dict[str, Any]:
        """Return one item as it is now, after a while."""
        self.runs += 1
        version = self.version
        await asyncio.sleep(self._seconds)
        return {
            "number": number,
            "version": version,
            "text": self._text,
            "made_at": time.monotonic(),
        }


class Items:
    """The app without a framework."""

    def __init__(self, data: Data) -> None:
        self._data = data

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with an item, or start and stop."""
        if scope["type"] == "http":
            number = int(scope["path"].removeprefix(PREFIX))
            await respond(send, 200, await self._data.item(number))
        elif scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})


class Controlled:
    """An app whose data can be changed, and purged from the cache in front of it."""

    def __init__(self, app: ASGIApp, data: Data, purge: Purge) -> None:
        self._app = app
        self._data = data
        self._purge = purge

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Do as is asked, or pass it on."""
        control = (scope.get("method"), scope.get("path"))
        if control == ("POST", CHANGE):
            self._data.version += 1
            await respond(send, 200, self._data.version)
        elif control == ("POST", PURGE):
            await respond(send, await self._purged(), None)
        else:
            await self._app(scope, receive, send)

    async def _purged(self) -> int:
        try:
            await self._purge()
        except Exception:  # noqa: BLE001 - each cache raises what it has
            return 503
        return 200


async def respond(send: Any, status: int, value: object) -> None:
    """Send a value as JSON."""
    body = json.dumps(value).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def purge_nothing() -> None:
    """Have nothing stored."""
