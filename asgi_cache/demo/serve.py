"""The app behind the cache, served by uvicorn: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from asgi_cache import CacheMiddleware
from asgi_cache.demo.database import Database

RULES: Final[Mapping[str, Any]] = {
    "/tasks": {"ttl": "2m", "tags": ["tasks:{user}"], "purge": ["tasks:{user}"]},
    "/tasks/{task_id}": {"ttl": "5m", "purge": ["tasks:{user}"]},
    "/stats": {"ttl": "1s", "public": True, "stale_while_revalidate": "1m"},
    "/handler-runs": None,
}

_START_LIMIT: Final = 30.0
"""Seconds that a server may take to start."""

_STOP_LIMIT: Final = 5.0
"""Seconds that a server may take to stop before it is killed."""


class ServerFailed(Exception):
    """A server did not start."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is served."""

    database: str
    """Path of the file."""
    store: str | None
    """URL of the cache's store; ``None``: the app without a cache."""
    namespace: str = "asgi-cache-demo"
    rules: Mapping[str, Any] = field(default_factory=lambda: RULES)

    def build(self) -> ASGIApp:
        """Make the app, with the cache around it."""
        # Whoever only asks is spared the import of FastAPI, which takes longest of all.
        from asgi_cache.demo.tasks import create_app  # noqa: PLC0415

        app = create_app(Database(Path(self.database)))
        if self.store is None:
            return app
        return CacheMiddleware(app, store=self.store, namespace=self.namespace, rules=self.rules)


def listen() -> tuple[socket.socket, str]:
    """Listen on a free port of this machine alone; return the socket and its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    # As on a socket that asyncio makes: else a head and its body wait for each other's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve *app* until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        _server(app).run(sockets=[listener])


@contextmanager
def serving(setup: Setup) -> Generator[str]:
    """Serve *setup* from a process of its own meanwhile; its URL.

    It listens before it says where, so that the first request waits until it is answered.

    Raises:
        ServerFailed: It said nothing in time.
    """
    command = [sys.executable, "-m", "asgi_cache.demo.serve"]
    pipe = subprocess.PIPE
    # A session of its own: Ctrl-C is for the one who waits for it here.
    with subprocess.Popen(  # noqa: S603 (it is this module)
        command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield _started(process, setup)
        finally:
            _stop(process)


def _started(process: subprocess.Popen[str], setup: Setup) -> str:
    """Tell *process* what to serve, and hear where it does."""
    watchdog = threading.Timer(_START_LIMIT, process.kill)
    watchdog.start()
    try:
        if process.stdin is None or process.stdout is None:
            raise ServerFailed("the server has no pipes")
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asdict(setup)) + "\n")
            process.stdin.flush()
        url = process.stdout.readline().strip()
    finally:
        watchdog.cancel()
    if not url:
        raise ServerFailed("the server did not start")
    return url


def _stop(process: subprocess.Popen[str]) -> None:
    """Let it end by itself, as it does once nobody writes to it any more."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    return uvicorn.Server(config)


def _serve_parent() -> None:
    """Serve what the parent process says, until it closes the pipe or is no more."""
    setup = Setup(**json.loads(sys.stdin.readline()))
    server = _server(setup.build())
    listener, url = listen()
    print(url, flush=True)

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    _serve_parent()
