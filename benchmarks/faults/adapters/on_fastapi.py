"""The app as FastAPI serves it, with or without something around its one endpoint.

No ``from __future__ import annotations`` here: FastAPI could not find out what is only known
inside a function.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

from benchmarks.faults.app import ROUTE, Controlled, Data, Purge, purge_nothing
from benchmarks.speed.order import Order, Served

Endpoint = Callable[[int], Awaitable[dict[str, Any]]]


def serve(order: Order, around: Callable[[Endpoint], Any], purge: Purge) -> Served:
    """Serve the app with the endpoint that *around* makes of its own."""
    data, app = Data(order), FastAPI()

    async def item(number: int) -> dict[str, Any]:
        return await data.item(number)

    app.get(ROUTE)(around(item))
    return Served(Controlled(app, data, purge), lambda: data.runs)


def alone(order: Order) -> Served:
    """Have no cache."""
    return serve(order, lambda endpoint: endpoint, purge_nothing)
