"""``python -m benchmarks.peers.measure ADAPTER FILE``: ask one cache, in its own environment."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers.handlers import Handler
from benchmarks.peers.probes import PROBES, Ask, Behind, Inconclusive, Probe
from tests.bare import ASGIApp, Message, ask

TTL = 60
"""Seconds."""
PROBE_LIMIT = 10.0
"""Seconds that a part of a probe may take."""


def main() -> None:
    """Write what was found as JSON."""
    name, path = sys.argv[1:]
    found = asyncio.run(_ask_all(importlib.import_module(name)))
    Path(path).write_text(json.dumps(found))


async def _ask_all(adapter: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"settings": adapter.__doc__, "probes": {}}
    for probe in PROBES:
        found["probes"][probe.name] = row = {"title": probe.title}
        if why := getattr(adapter, "NOT_APPLICABLE", {}).get(probe.name):
            row["not_applicable"] = why
            continue
        row["parts"] = parts = await _ask(probe, adapter, None)
        if probe.name == "hit" and not all(parts.values()):
            raise Inconclusive("nothing is cached at all")
        if option := adapter.OPTIONS.get(probe.name):
            row["option"] = option
            row["parts_with_option"] = await _ask(probe, adapter, option)
    return found


async def _ask(probe: Probe, adapter: Any, option: str | None) -> dict[str, Any]:
    behind: Behind = partial(_behind, adapter.build, option)
    return {name: await _part(part, behind) for name, part in probe.parts.items()}


async def _part(part: Callable[[Behind], Awaitable[bool | int]], behind: Behind) -> bool | int:
    """Ask one thing; an exception that a client sees is a no."""
    try:
        async with asyncio.timeout(PROBE_LIMIT):
            return await part(behind)
    except Inconclusive:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a peer raises
        print(f"{part}: {error!r}", file=sys.stderr)
        return False


@asynccontextmanager
async def _behind(
    build: Callable[[Handler, int, str | None], ASGIApp],
    option: str | None,
    handler: Handler,
    ttl: int = TTL,
) -> AsyncIterator[Ask]:
    try:
        app = build(handler, ttl, option)
    except Exception as error:
        raise Inconclusive("the adapter is wrong") from error
    async with _running(app):
        yield partial(ask, _served(app), handler.path)


def _served(app: ASGIApp) -> ASGIApp:
    """Do as a server does with an exception after the whole response: the client is not told."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        complete = False

        async def noting(message: Message) -> None:
            nonlocal complete
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await app(scope, receive, noting)
        except Exception:
            if not complete:
                raise

    return served


@asynccontextmanager
async def _running(app: ASGIApp) -> AsyncIterator[None]:
    """Start the app and stop it, as a server would."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def tell(word: str) -> None:
        await inbox.put({"type": f"lifespan.{word}"})
        said = await outbox.get()
        if said["type"] != f"lifespan.{word}.complete":
            raise Inconclusive(f"the app says {said}")

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.ensure_future(app(scope, inbox.get, outbox.put))
    await tell("startup")
    try:
        yield
    finally:
        await tell("shutdown")
        await task


if __name__ == "__main__":
    main()
