"""Leases: of the processes that miss the same response, one makes it.

A lease is a key that holds the token of who took it, and ends by itself if that process
does not live to give it up. Nothing that is served depends on it: where two hold what they
take for one lease, the app runs once more.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from asgi_cache.stores.redis_client import Command, in_milliseconds


class Send(Protocol):
    """Has commands executed, one after another, and returns the replies."""

    def __call__(self, *commands: Command) -> Awaitable[list[Any]]:
        """Send *commands*."""


async def claim(send: Send, name: bytes, token: bytes, ttl: float) -> bytes:
    """Take the lease for *ttl* seconds, or prolong it; the token that holds it now.

    Whoever lost the reply and asks again is known by its token.
    """
    taken, holder = await send(
        (b"SET", name, token, b"NX", b"PX", in_milliseconds(ttl)), (b"GET", name)
    )
    if holder == token and not taken:
        await send((b"PEXPIRE", name, in_milliseconds(ttl)))
    return bytes(holder or b"")


async def release(
    send: Send, name: bytes, token: bytes | None, mark: bytes | None, ttl: float
) -> None:
    """Give up the lease if *token*, unless it is ``None``, holds it; leave *mark*, if any."""
    if token is not None:
        (holder,) = await send((b"GET", name))
        if holder != token:
            return
    if mark is None:
        await send((b"UNLINK", name))
    else:
        await send((b"SET", name, mark, b"PX", in_milliseconds(ttl)))
