"""A record with the same body as the one in Redis: only its head is sent.

What an app makes anew is often what it made before. The script replaces the record if it
is the one that the writer knows, and takes the body from it.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import ResponseError

from asgi_cache.stores.redis_client import Command
from asgi_cache.stores.redis_servers import Servers

SMALLEST: Final = 4096
"""Bytes of a body below which it is sent again: to compare would cost more."""

SCRIPT: Final = b"""
local old = redis.call('GET', KEYS[1])
if not old or string.sub(old, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
local body = string.sub(old, -tonumber(ARGV[3]))
redis.call('SET', KEYS[1], ARGV[2] .. body, 'PX', ARGV[4])
return 1
"""
"""Arguments: how the former record begins, the new one without its body, the body's length.

The prefix has a checksum of the whole record in it: if it is the same, so is the body.
"""


async def renew(
    servers: Servers,
    name: bytes,
    prefix: bytes,
    head: bytes,
    length: int,
    milliseconds: bytes,
    also: Command,
) -> bool:
    """Replace a record by *head* and the same body; whether it was there to be replaced.

    It begins with *prefix*, and its body has so many bytes. *also* is sent with it, whatever
    comes of it.
    """
    command = (b"EVAL", SCRIPT, b"1", name, prefix, head, b"%d" % length, milliseconds)
    (replaced, _), _ = await servers.ask([command, also])
    if isinstance(replaced, ResponseError):  # a server that takes no scripts, or has no room
        return False
    return bool(replaced)
