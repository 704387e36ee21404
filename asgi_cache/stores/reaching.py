"""Waits until a store answers, for programs that have nothing to do without it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.base import Store

REACH_LIMIT: Final = 1.0
"""Seconds within which the store has to answer: its first connection may take a while."""


async def reach(store: Store) -> None:
    """Read from *store*, several times if need be.

    Raises:
        StoreUnavailable: There is no answer.
    """
    give_up_at = time.monotonic() + REACH_LIMIT
    while True:
        try:
            await store.get(bytes(16))
        except StoreUnavailable:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(0.05)
        else:
            return
