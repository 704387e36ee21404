"""The purge log as a Redis Stream, and how a process keeps up with it.

An entry's position is its stream id. Each carries the identity of the log, so that the
oldest one that trimming has left tells it. A log that is not there is begun with an entry
that purges nothing, under an id that only an empty stream takes.

A log that lost entries which somebody has seen or was promised, as a failover does, is
replaced by a new one: its identity makes every record from before void, in all processes,
and nobody has to know what was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from secrets import token_bytes
from typing import Any, Final, TypeAlias

from redis.exceptions import OutOfMemoryError, ResponseError

from asgi_cache.errors import CorruptRecord, StoreUnavailable
from asgi_cache.stores.base import LogReader, Purge
from asgi_cache.stores.packing import pack, unpack
from asgi_cache.stores.redis_client import Command, without_errors
from asgi_cache.stores.redis_servers import Servers

LOG_TTL: Final = 7 * 86400.0
"""Seconds that the log outlives its last use; no record may live longer."""

_LOG_LENGTH: Final = 10_000
"""Entries about which the log is trimmed to."""
_PAGE: Final = 1000
"""Entries that are read at once."""
_IDENTITY_BYTES: Final = 8
_SEQUENCE_BITS: Final = 24
_FIRST_ID: Final = b"0-1"

_FORCE: Final = b"""
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('XADD', KEYS[1], unpack(ARGV, 2))
"""
"""Adds an entry where there is no memory left: a script that has written may go on writing.

Arguments: the time to live in milliseconds, and those of ``XADD``.
"""

_Reply: TypeAlias = Sequence[tuple[bytes, Sequence[bytes]]]
"""Entries as Redis sends them: the id, then names and values in turn."""


def position_of(stream_id: bytes) -> int:
    """Return the position that a stream id, ``b"<milliseconds>-<sequence>"``, stands for.

    Raises:
        ValueError: It is no stream id, or more came in one millisecond than can be told apart.
    """
    milliseconds, sequence = map(int, stream_id.split(b"-"))
    if milliseconds < 0 or not 0 <= sequence < 1 << _SEQUENCE_BITS:
        raise ValueError("not the id of an entry that Redis made")
    return milliseconds << _SEQUENCE_BITS | sequence


def stream_id_at(position: int) -> bytes:
    """Return the stream id of *position*."""
    return b"%d-%d" % (position >> _SEQUENCE_BITS, position & (1 << _SEQUENCE_BITS) - 1)


def pack_purge(purge: Purge) -> list[bytes]:
    """Return the fields that say in an entry of the log what is purged.

    What most do goes without saying: a purge that is not soft, of what carries any of the tags.
    """
    fields = [b"tags", pack(list(purge.tags))]
    if purge.all_of or purge.soft_at is not None:
        fields += [b"how", pack([purge.all_of, purge.soft_at])]
    return fields


@dataclass(frozen=True, slots=True)
class _Entry:
    identity: bytes
    purge: Purge


@dataclass(frozen=True, slots=True)
class Question:
    """What was known of the log when it was asked for."""

    position: int
    acknowledged: int
    restarts: int
    asked_at: float


class _Next(Enum):
    """What is left to do after a reply."""

    NOTHING = auto()
    READ_ON = auto()
    BEGIN = auto()
    REPLACE = auto()


class RedisLog:
    """Follows the log of one namespace for one reader.

    Several replies can be on their way at once, and arrive in any order. Entries that are
    known already are passed over, and a reply to a question from before a restart counts
    for nothing: the question is asked again.
    """

    def __init__(self, key: bytes, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.reader: LogReader
        self.known_at: float = -inf
        """The reader knows all purges that were acknowledged before this moment."""
        self._key = key
        self._oldest: Command = (b"XRANGE", key, b"-", b"+", b"COUNT", b"1")
        self._monotonic = monotonic
        self._identity = b""
        self._restarts = 0
        self._acknowledged = 0
        self._last: _Reply = ()
        """The reader's last entry, as a reply that brings nothing new has it."""
        self._last_identity = b""
        """What it says of the log; a purge that was late may say something else."""

    def ask(self) -> tuple[Question, Command]:
        """Return the command whose reply `settle` needs.

        The reader's own last entry is read once more: if it is gone, so may be others.
        """
        position = self.reader.position
        newer = (b"XRANGE", self._key, stream_id_at(position), b"+", b"COUNT", b"%d" % (_PAGE + 1))
        question = Question(position, self._acknowledged, self._restarts, self._monotonic())
        return question, newer

    async def settle(self, servers: Servers, question: Question, newer: _Reply) -> None:
        """Tell the reader what the log had when it was asked, and ask on until it is known.

        Where more is to be known, the oldest entry is read too. It is read last, so that
        trimming in between shows as a gap that is not there, and never hides one.
        """
        oldest: _Reply | None = None
        while (left := self._learn(question, newer, oldest)) is not _Next.NOTHING:
            if left is not _Next.READ_ON:
                await self._begin(servers, anew=left is _Next.REPLACE)
            question, command = self.ask()
            newer, oldest = await _replies(servers, [command, self._oldest])
        self.known_at = max(self.known_at, question.asked_at)

    async def news(self, servers: Servers, seconds: float) -> None:
        """Wait that long for an entry that is not known yet, and read the log if one comes."""
        block = (b"XREAD", b"COUNT", b"1", b"BLOCK", b"%d" % round(seconds * 1000))
        after = (b"STREAMS", self._key, stream_id_at(self.reader.position))
        (come,) = await _replies(servers, [(*block, *after)])
        if come:
            await self.catch_up(servers)

    async def catch_up(self, servers: Servers) -> None:
        """Read the log to its end."""
        question, command = self.ask()
        (newer,) = await _replies(servers, [command])
        await self.settle(servers, question, newer)

    async def append(self, servers: Servers, purges: Sequence[Purge]) -> int:
        """Append *purges*, and read on until the reader knows of them; the last one's position.

        An entry is only added to a log that is there. Else the identity of a log which was
        lost in the meantime would come back with the entry, and what it voided with it.
        """
        await self.catch_up(servers)
        identity = self._identity
        trimmed = (b"NOMKSTREAM", b"MAXLEN", b"~", b"%d" % _LOG_LENGTH)
        begin = (self._key, *trimmed, b"*", b"identity", identity)
        stream_ids = await self._add(servers, [(*begin, *pack_purge(purge)) for purge in purges])
        positions = [position_of(each) for each in stream_ids if each is not None]
        if len(positions) < len(purges):
            raise StoreUnavailable("the purge log was lost while a purge was appended")
        position = positions[-1]
        if identity == self._identity:  # else what is acknowledged is of a former log
            self._acknowledged = max(self._acknowledged, position)
        await self.catch_up(servers)
        return position

    async def _add(self, servers: Servers, entries: Sequence[Command]) -> list[bytes | None]:
        """Add *entries*, as ``XADD`` takes them; their stream ids.

        A server that has no room for anything else shall still take a purge.
        """
        kept, ttl = self.kept(), b"%d" % round(LOG_TTL * 1000)
        try:
            *stream_ids, _ = await servers.transaction(
                [*((b"XADD", *entry) for entry in entries), kept]
            )
        except OutOfMemoryError:
            forced = [(b"EVAL", _FORCE, b"1", key, ttl, *arguments) for key, *arguments in entries]
            return await _replies(servers, forced)
        return stream_ids

    def kept(self) -> Command:
        """Return the command that lets the log live as long as what is stored now."""
        return (b"PEXPIRE", self._key, b"%d" % round(LOG_TTL * 1000))

    async def _begin(self, servers: Servers, *, anew: bool = False) -> None:
        """Add the entry that a log begins with; of several processes that try, one succeeds.

        A stream that is empty but remembers an id takes no entry under the first one; that
        it was emptied means that entries were lost.
        """
        identity = (b"identity", token_bytes(_IDENTITY_BYTES), b"tags", pack([]))
        commands: list[Command] = [(b"XADD", self._key, _FIRST_ID, *identity), self.kept()]
        if anew:
            commands.insert(0, (b"DEL", self._key))
        try:
            await servers.transaction(commands)
        except ResponseError:
            if anew:
                raise
            (length,) = await _replies(servers, [(b"XLEN", self._key)])
            if not length:
                await self._begin(servers, anew=True)

    def _learn(self, question: Question, newer: _Reply, oldest: _Reply | None) -> _Next:
        if question.restarts != self._restarts:
            return _Next.READ_ON
        if newer and newer == self._last and question.position == self.reader.position:
            return self._read_to_its_end(question)  # nothing new, as most often
        try:
            entries = _parse(newer)
            if not entries or not self._is_own_last(entries[0], question):
                return self._look_at_gap(question, newer[:1] if not question.position else oldest)
        except (CorruptRecord, LookupError, TypeError, ValueError):
            return _Next.REPLACE  # nobody can tell what these entries purge
        self._advance(entries)
        self._last, self._last_identity = newer[-1:], entries[-1].identity
        return _Next.READ_ON if len(entries) > _PAGE else self._read_to_its_end(question)

    def _is_own_last(self, entry: _Entry, question: Question) -> bool:
        return entry.purge.position == question.position and entry.identity == self._last_identity

    def _look_at_gap(self, question: Question, oldest: _Reply | None) -> _Next:
        """Say what to do where the reader's last entry is not in the log."""
        if oldest is None:
            return _Next.READ_ON
        if not oldest:
            return _Next.BEGIN
        first = _parse(oldest)[0]
        if first.identity != self._identity or first.purge.position > self.reader.position:
            self._restart(first)
            return _Next.READ_ON
        is_before = first.purge.position <= question.position
        return _Next.REPLACE if is_before else _Next.READ_ON

    def _read_to_its_end(self, question: Question) -> _Next:
        """Say what to do once all entries are known: some that were promised may not be there."""
        lost = self.reader.position < question.acknowledged
        return _Next.REPLACE if lost else _Next.NOTHING

    def _restart(self, first: _Entry) -> None:
        if first.identity != self._identity:
            self._acknowledged = 0
        self._identity = self._last_identity = first.identity
        self._restarts += 1
        self.reader.restart(first.identity, first.purge.position)

    def _advance(self, entries: Sequence[_Entry]) -> None:
        purges = [e.purge for e in entries if e.purge.position > self.reader.position]
        if purges:
            self.reader.advance(purges)


def _parse(entries: _Reply) -> list[_Entry]:
    return [_entry(stream_id, fields) for stream_id, fields in entries]


def _entry(stream_id: bytes, parts: Sequence[bytes]) -> _Entry:
    fields = dict(zip(parts[::2], parts[1::2], strict=True))
    identity, tags = fields[b"identity"], unpack(fields[b"tags"])
    all_of, soft_at = unpack(fields[b"how"]) if b"how" in fields else (False, None)
    if not (
        len(identity) == _IDENTITY_BYTES
        and all(isinstance(tag, str) for tag in tags)
        and isinstance(all_of, bool)
        and (soft_at is None or -inf < soft_at < inf)
    ):
        raise ValueError("not an entry of the purge log")
    return _Entry(identity, Purge(position_of(stream_id), tags, all_of, soft_at))


async def _replies(servers: Servers, commands: Sequence[Command]) -> list[Any]:
    """Return the replies to *commands*.

    Raises:
        ResponseError: One of them was refused.
    """
    replies, _ = await servers.ask(commands)
    return without_errors(replies)
