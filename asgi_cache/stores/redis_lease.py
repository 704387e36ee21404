"""Leases: of the processes that miss the same response, one makes it.

A lease is a key that holds the token of who took it, and ends by itself if that process
does not live to give it up. Nothing that is served depends on it: where two hold what they
take for one lease, the app runs once more.
"""

from __future__ import annotations

from redis.asyncio import Redis

from asgi_cache.stores.redis_client import Command, exchange, in_milliseconds


async def claim(client: Redis, name: bytes, token: bytes, ttl: float) -> bytes:
    """Take the lease for *ttl* seconds, or prolong it; the token that holds it now.

    Whoever lost the reply and asks again is known by its token.
    """
    take = (b"SET", name, token, b"NX", b"PX", in_milliseconds(ttl))
    taken, holder = await exchange(client, [take, (b"GET", name)])
    if holder == token and not taken:
        await exchange(client, [(b"PEXPIRE", name, in_milliseconds(ttl))])
    return bytes(holder or b"")


async def release(client: Redis, name: bytes, token: bytes, mark: bytes | None, ttl: float) -> None:
    """Give up the lease if *token* holds it; with a *mark*, leave that for *ttl* seconds."""
    give_up: Command = (b"UNLINK", name)
    if mark is not None:
        give_up = (b"SET", name, mark, b"PX", in_milliseconds(ttl))
    (holder,) = await exchange(client, [(b"GET", name)])
    if holder == token:
        await exchange(client, [give_up])
