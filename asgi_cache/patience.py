"""The time that one request may wait for the store, all in all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from asgi_cache.deadline import Deadline
from asgi_cache.errors import StoreUnavailable

T = TypeVar("T")


class Patience:
    """What is left of it, in seconds; the app's own time does not count."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    async def spend(self, operation: Awaitable[T]) -> T:
        """Await what the store is asked for, as long as there is patience for it.

        Raises:
            StoreUnavailable: It took longer.
        """
        clock = asyncio.get_running_loop().time
        began_at = clock()
        try:
            async with Deadline(self._left):
                return await operation
        except TimeoutError:
            raise StoreUnavailable("the store took longer than one request may wait") from None
        finally:
            self._left = max(0.0, self._left - (clock() - began_at))


def patiently(patience: Patience | None, operation: Awaitable[T]) -> Awaitable[T]:
    """Have *operation* awaited, which no patience is needed for where the store never waits.

    Raises:
        StoreUnavailable: When it is awaited: it took longer than there was patience for.
    """
    return operation if patience is None else patience.spend(operation)
