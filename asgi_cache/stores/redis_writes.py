"""Writes that wait to be persisted: a Redis Stream, and the latest of each key beside it.

A write is in the stream from when it is acknowledged until it is persisted, and the stream has
nothing else in it: what comes next is what it begins with. All keys of one stream are in one
slot of a cluster, so that a script may use them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.redis_client import Command, in_milliseconds, without_errors
from asgi_cache.stores.redis_servers import Servers
from asgi_cache.values import value

TIMEOUT: Final = 1.0
"""Seconds that a command may take: writes matter more than the moment that they take."""

TOKEN_BYTES: Final = 8

POLL: Final = 0.05
"""Seconds between two looks where there is no connection that could be kept waiting."""

_ADD: Final = b"""
local latest = redis.call('HGET', KEYS[2], ARGV[2])
if latest and string.sub(latest, 1, #ARGV[3]) == ARGV[3] then return 1 end
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'key', ARGV[2], 'token', ARGV[3], 'body', ARGV[4])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ARGV[4])
return 1
"""
"""Arguments: the most that may wait, the key, a token and the body.

By its token a write is known that is sent again as the reply to it was lost.
"""

_CLAIM: Final = b"""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Arguments: the token of who asks, and for how long. A full server has to be emptied, and so
takes it: a script that has written may go on writing. That is what the first command is for."""

_SETTLE: Final = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
for i = 4, #ARGV, 3 do
  local id, key, token = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
  if entry and ARGV[3] ~= '' then
    redis.call('XADD', KEYS[4], '*', 'id', id, 'error', ARGV[3], unpack(entry[2]))
  end
  redis.call('XDEL', KEYS[2], id)
  local latest = redis.call('HGET', KEYS[3], key)
  if latest and string.sub(latest, 1, #token) == token then redis.call('HDEL', KEYS[3], key) end
end
return 1
"""
"""Arguments: the holder of the lease and for how long it is prolonged, the error of those that
are given up, then id, key and token of each. Nothing is done for who has lost the lease."""

_RELEASE: Final = b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('UNLINK', KEYS[1]) end
return 1
"""


@value
class Entry:
    """One write as it is in the stream."""

    stream_id: bytes
    key: str
    token: bytes
    body: bytes

    @property
    def number(self) -> int:
        """The place of the write among all of its stream, which fits into 64 bits."""
        milliseconds, sequence = map(int, self.stream_id.split(b"-"))
        return (milliseconds << 20) + sequence

    @property
    def written_at(self) -> float:
        """When it was acknowledged, by the server's clock."""
        return int(self.stream_id.split(b"-")[0]) / 1000


@value
class DeadEntry:
    """A write that was given up, and why."""

    stream_id: bytes
    """In the stream of those."""
    error: str
    entry: Entry


class Writes:
    """The writes of one stream, and the lease of who persists them."""

    def __init__(self, store: RedisStore, namespace: str, name: str) -> None:
        self._store = store
        prefix = f"{{{namespace}:w:{name}}}:"
        names = ("writes", "latest", "dead", "lease")
        self._writes, self._latest, self._dead, self._lease = [
            f"{prefix}{each}".encode() for each in names
        ]

    async def add(self, key: str, token: bytes, body: bytes, most: int) -> bool:
        """Add a write, unless *most* are waiting; whether it was added."""
        arguments = (b"%d" % most, key.encode(), token, body)
        return bool(await self._script(_ADD, (self._writes, self._latest), *arguments))

    async def latest(self, key: str) -> bytes | None:
        """Return the body of the last write to *key*, unless that was persisted."""
        (found,) = await self._ask((b"HGET", self._latest, key.encode()))
        return None if found is None else found[TOKEN_BYTES:]

    async def first(self, count: int) -> list[Entry]:
        """Return the first *count* writes that wait."""
        (found,) = await self._ask((b"XRANGE", self._writes, b"-", b"+", b"COUNT", b"%d" % count))
        return [_entry(stream_id, _fields(parts)) for stream_id, parts in found]

    async def wait(self, seconds: float) -> None:
        """Wait until there is a write, for *seconds* at most."""
        block = (b"XREAD", b"COUNT", b"1", b"BLOCK", b"%d" % round(seconds * 1000))
        work = partial(_wait, (*block, b"STREAMS", self._writes, b"0-0"))
        await self._store.reach(work, seconds + TIMEOUT)

    async def claim(self, holder: bytes, lease: float) -> bool:
        """Take the lease for so many seconds, or prolong it; whether it is *holder*'s now.

        It takes a small part of that time at most, so that the rest is known to be left.
        """
        arguments = (holder, in_milliseconds(lease))
        within = min(TIMEOUT, lease / 6)
        return bool(await self._script(_CLAIM, (self._lease,), *arguments, within=within))

    async def release(self, holder: bytes) -> None:
        """Give up the lease, if *holder* has it."""
        await self._script(_RELEASE, (self._lease,), holder)

    async def settle(
        self, holder: bytes, lease: float, entries: Sequence[Entry], error: str = ""
    ) -> bool:
        """Take *entries* out of the stream; with an *error* they become dead letters.

        Nothing is done and nothing returned but ``False`` if the lease is not *holder*'s.
        """
        keys = (self._lease, self._writes, self._latest, self._dead)
        own = [part for e in entries for part in (e.stream_id, e.key.encode(), e.token)]
        arguments = (holder, in_milliseconds(lease), error.encode(errors="replace"), *own)
        return bool(await self._script(_SETTLE, keys, *arguments))

    async def dead(self, count: int) -> list[DeadEntry]:
        """Return the first *count* writes that were given up."""
        (found,) = await self._ask((b"XRANGE", self._dead, b"-", b"+", b"COUNT", b"%d" % count))
        return [_dead_entry(stream_id, _fields(parts)) for stream_id, parts in found]

    async def discard(self, dead: bytes) -> None:
        """Forget one that was given up."""
        await self._ask((b"XDEL", self._dead, dead))

    async def lengths(self) -> tuple[int, int]:
        """Return how many writes wait, and how many were given up."""
        waiting, dead = await self._ask((b"XLEN", self._writes), (b"XLEN", self._dead))
        return waiting, dead

    async def _script(
        self, script: bytes, keys: Sequence[bytes], *arguments: bytes, within: float = TIMEOUT
    ) -> Any:
        command = (b"EVAL", script, b"%d" % len(keys), *keys, *arguments)
        (reply,) = await self._store.reach(partial(_replies, [command]), within)
        return reply

    async def _ask(self, *commands: Command) -> list[Any]:
        return await self._store.reach(partial(_replies, commands), TIMEOUT)


async def _replies(commands: Sequence[Command], servers: Servers) -> list[Any]:
    replies, _ = await servers.ask(commands)
    return without_errors(replies)


async def _wait(command: Command, servers: Servers) -> None:
    if servers.can_spare_a_connection:
        await _replies([command], servers)
    else:
        await asyncio.sleep(POLL)


def _fields(parts: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _entry(stream_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    """Return what *fields* are; what somebody else has put there can be read by nobody."""
    key = fields.get(b"key", b"").decode(errors="replace")
    return Entry(stream_id, key, fields.get(b"token") or b"-", fields.get(b"body", b""))


def _dead_entry(stream_id: bytes, fields: dict[bytes, bytes]) -> DeadEntry:
    error = fields[b"error"].decode(errors="replace")
    return DeadEntry(stream_id, error, _entry(fields[b"id"], fields))
