"""The user's app, as ``module:attribute`` names it, and the cache in front of it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, Final, cast

from starlette.types import ASGIApp, Message, Scope

from asgi_cache.cache import Cache
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.middleware import CacheMiddleware

_DEEPEST: Final = 16
"""Middlewares that are looked through for the one that has the cache."""


def load(name: str) -> Any:
    """Return the object that *name* names; modules are looked for here, too, as servers do.

    Raises:
        Failure: There is no such module or attribute, or it cannot be imported.
    """
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise Failure(Exit.USAGE, f"--app {name}: write module:attribute, such as main:app")
    here = os.getcwd()  # noqa: PTH109 - text, as the others there
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        raise Failure(Exit.USAGE, f"--app {name}: {error}") from error
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise Failure(Exit.USAGE, f"--app {name}: importing it failed with {why}") from error
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            raise Failure(Exit.USAGE, f"--app {name}: {module_name} has no {path}")
        found = getattr(found, attribute)
    return found


def cache_of(app: Any, name: str) -> Cache:
    """Return the cache in front of *app*, which may be that cache itself.

    Raises:
        Failure: There is none to be seen.
    """
    for each in _layers(app):
        if isinstance(each, Cache):
            return each
        if isinstance(each, CacheMiddleware):
            return each.cache
    raise Failure(
        Exit.USAGE,
        f"--app {name}: no CacheMiddleware is to be seen there; name the app that it was added "
        "to, or the Cache",
    )


def _layers(app: Any) -> Iterator[Any]:
    """Go through an app and what it wraps; Starlette puts its middlewares together at first use."""
    for _ in range(_DEEPEST):
        if app is None:
            return
        yield app
        if getattr(app, "middleware_stack", app) is None and hasattr(app, "build_middleware_stack"):
            app.middleware_stack = app.build_middleware_stack()
        app = getattr(app, "middleware_stack", None) or getattr(app, "app", None)


@asynccontextmanager
async def started(app: Any) -> AsyncGenerator[None]:
    """Start *app* as a server would, and stop it in the end.

    An app that knows nothing of that is left alone.

    Raises:
        Failure: It could not be started.
    """
    lifespan = _Lifespan(cast("ASGIApp", app))
    await lifespan.start()
    try:
        yield
    finally:
        await lifespan.stop()


class _Lifespan:
    """The conversation of a server with an app about its start and its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell the app that it starts, and wait until it has."""
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        scope["state"] = {}
        app = self._app(scope, self._said.get, self._heard.put)
        self._task = asyncio.ensure_future(cast("Any", app))
        message = await self._after("lifespan.startup")
        if message is not None and message["type"] == "lifespan.startup.failed":
            why = message.get("message") or "it did not say why"
            raise Failure(Exit.NO, f"the app could not be started: {str(why).splitlines()[-1]}")

    async def stop(self) -> None:
        """Tell the app that it ends, and wait until it has."""
        if self._task is not None and not self._task.done():
            await self._after("lifespan.shutdown")
            with suppress(Exception):
                await self._task

    async def _after(self, event: str) -> Message | None:
        """Say *event*; return the answer, or nothing if the app ends without one."""
        task = self._task
        if task is None:
            return None
        self._said.put_nowait({"type": event})
        heard = asyncio.ensure_future(self._heard.get())
        await asyncio.wait({heard, task}, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            return heard.result()
        heard.cancel()
        with suppress(Exception):  # as servers do: it knows nothing of a lifespan
            task.result()
        return None
