"""``python -m benchmarks.speed.serve ORDER``: serve one app on a free port, until stdin ends.

What it says is lines of JSON: where it is, and for each line it is sent, how often the app ran.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import sys
from typing import Any

import uvicorn
import uvloop

from benchmarks.speed.order import Builder, Order, Served


def main() -> None:
    """Serve."""
    order = Order.read(sys.argv[1])
    module, _, name = order.build.partition(":")
    build: Builder = getattr(importlib.import_module(module), name)
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    uvloop.run(_serve(build(order), listening))


async def _serve(served: Served, listening: socket.socket) -> None:
    config = uvicorn.Config(served.app, http="httptools", access_log=False, log_level="warning")
    server = uvicorn.Server(config)
    asyncio.get_running_loop().add_reader(0, _answer, served, server)
    _say({"port": listening.getsockname()[1], "path": served.path})
    await server.serve(sockets=[listening])


def _answer(served: Served, server: uvicorn.Server) -> None:
    """Say how often the app ran, or end where nobody listens any more."""
    if os.read(0, 1024):
        _say({"runs": served.runs()})
    else:
        asyncio.get_running_loop().remove_reader(0)
        server.should_exit = True


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
