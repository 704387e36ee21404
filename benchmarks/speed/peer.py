"""Another cache, put in front of an app by its adapter; runs in that peer's own environment."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping
from typing import Final

from benchmarks.peers.handlers import Handler, Reply
from benchmarks.speed.order import Order, Served

TTL: Final = 3600
"""Seconds."""


def adapted(order: Order) -> Served:
    """Put the peer in front of a handler."""
    os.environ["REDIS_URL"] = order.redis
    adapter = importlib.import_module(order.adapter)
    text = order.text

    async def answer(_: str, __: Mapping[str, str]) -> Reply:
        if order.seconds:
            await asyncio.sleep(order.seconds)
        return Reply(text)

    handler = Handler(answer)
    app = adapter.build(handler, TTL, order.option or None)
    return Served(app, lambda: handler.runs, handler.path)
