"""Walks through what Redis has: heads of records, without the bodies if they can be read alone.

Keys are found with ``SCAN``, which looks at some at a time, so that no other command waits for
long. A record that is sealed can only be opened as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from redis.exceptions import ResponseError

from asgi_cache.errors import CorruptRecord
from asgi_cache.policy.key import KEY_BYTES
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Listed, Page, Record
from asgi_cache.stores.codec import decode_head, head_bytes
from asgi_cache.stores.compression import Unreadable
from asgi_cache.stores.redis_servers import Servers

SCAN_TIMEOUT: Final = 2.0
"""Seconds that a page may take."""

NO_KEY: Final = bytes(KEY_BYTES)
"""Under which nothing is stored."""

FIRST_BYTES: Final = 512
"""Bytes that are read of a record: most heads are shorter."""

LARGEST_HEAD: Final = 256 * 1024

LARGEST_SEALED: Final = 1024 * 1024
"""Bytes of a sealed record beyond which it is not opened to see what it is of."""

TOGETHER: Final = 8 * 1024 * 1024
"""Bytes of sealed records that are read at once."""

_SPECIAL: Final = re.compile(rb"[\\*?\[\]^]")

_CURSOR: Final = re.compile(r"(?:[0-9]{1,4}\.)?([0-9]{0,20})")
"""Which node of a cluster, and where there."""

Open: TypeAlias = Callable[[bytes, bytes], Record]
"""Returns the record in what was found under a key."""


class Walk:
    """Reads pages of what is stored under names that begin with *prefix*.

    *open_sealed* reads sealed records; without it they are read by their heads.
    """

    def __init__(self, prefix: bytes, open_sealed: Open | None) -> None:
        self._prefix = prefix
        self._pattern = _SPECIAL.sub(rb"\\\g<0>", prefix) + b"*"
        self._open = open_sealed

    async def page(self, servers: Servers, cursor: str, count: int) -> Page:
        """Look at about *count* keys of *servers* from *cursor* on."""
        found, after = await servers.scan(self._pattern, cursor, count)
        names = [name for name in dict.fromkeys(found) if self._key(name) is not None]
        if self._open is None:
            listed = await self._by_heads(servers, names)
        else:
            listed = await self._by_records(servers, names, self._open)
        return Page(listed, after, len(names))

    def _key(self, name: bytes) -> bytes | None:
        try:
            key = bytes.fromhex(name[len(self._prefix) :].decode("ascii"))
        except ValueError:
            return None
        return key if len(key) == KEY_BYTES else None

    async def _by_heads(self, servers: Servers, names: Sequence[bytes]) -> list[Listed]:
        heads = await self._ranges(servers, dict.fromkeys(names, FIRST_BYTES))
        longer = {name: end for name, data in heads.items() if (end := _end(data)) > len(data)}
        heads |= await self._ranges(servers, longer)
        return list(self._read(heads.items(), decode_head))

    async def _ranges(self, servers: Servers, ends: dict[bytes, int]) -> dict[bytes, bytes]:
        commands = [(b"GETRANGE", name, b"0", b"%d" % (end - 1)) for name, end in ends.items()]
        replies, _ = await servers.ask(commands)
        return dict(_answered(ends, replies))

    async def _by_records(
        self, servers: Servers, names: Sequence[bytes], open_sealed: Open
    ) -> list[Listed]:
        replies, _ = await servers.ask([(b"STRLEN", name) for name in names])
        lengths = dict(_answered(names, replies))
        few = [name for name, length in lengths.items() if 0 < length <= LARGEST_SEALED]
        listed: list[Listed] = []
        for group in _groups(few, lengths):
            replies, _ = await servers.ask([(b"GET", name) for name in group])
            found = [pair for pair in _answered(group, replies) if pair[1] is not None]
            listed += self._read(found, lambda key, data: _listed(open_sealed(key, data)))
        return listed

    def _read(
        self,
        found: Iterable[tuple[bytes, bytes]],
        read: Callable[[bytes, bytes], Listed | None],
    ) -> Iterator[Listed]:
        for name, data in found:
            try:
                listed = read(self._key(name) or b"", data)
            except (CorruptRecord, Unreadable):
                continue  # who asks for it finds out
            if listed is not None:
                yield listed


def check_cursor(cursor: str) -> None:
    """See that *cursor* may be one, before a server that refuses it is taken to be in trouble.

    Raises:
        ValueError: It is none.
    """
    fits = _CURSOR.fullmatch(cursor)
    if fits is None or int(fits[1] or 0) >= 2**64:
        raise ValueError("it is no cursor")


def _listed(record: Record) -> Listed | None:
    return Listed(record, len(record.body)) if isinstance(record, StoredResponse) else None


def _end(data: bytes) -> int:
    try:
        end = head_bytes(data)
    except CorruptRecord:
        return 0
    return end if end <= LARGEST_HEAD else 0


def _answered(names: Iterable[bytes], replies: Sequence[Any]) -> Iterator[tuple[bytes, Any]]:
    """Yield each name with what was found, unless that was an error: it is of another type, say."""
    for name, reply in zip(names, replies, strict=True):
        if not isinstance(reply, ResponseError):
            yield name, reply


def _groups(names: Sequence[bytes], lengths: dict[bytes, int]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for name in names:
        if group and size + lengths[name] > TOGETHER:
            yield group
            group, size = [], 0
        group.append(name)
        size += lengths[name]
    if group:
        yield group
