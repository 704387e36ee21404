"""Takes writes to where they belong, batch by batch: one process at a time, until each is there.

Which process that is, a lease decides. What one that was killed had not finished, the next one
begins with, as nothing leaves the stream before it is persisted.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from logging import ERROR, WARNING
from secrets import token_bytes
from typing import Any, Final, Protocol

from asgi_cache.backoff import doubling
from asgi_cache.errors import StoreUnavailable
from asgi_cache.observe.saying import say
from asgi_cache.stores.redis_writes import TOKEN_BYTES, Entry, Writes

logger: logging.Logger = logging.getLogger(__name__)

BETWEEN_TRIES: Final = 0.1, 30.0
"""Seconds between two tries to persist something: at first, and in the end."""

BETWEEN_LOOKS: Final = 0.05, 2.0
"""Seconds between two tries to reach Redis: at first, and in the end."""

BLOCK: Final = 1.0
"""Seconds that one command waits for a write."""

ENOUGH: Final = 3
"""Keys that fail one after another, and nothing else succeeds, until the rest is left alone."""

LONGEST_ERROR: Final = 500


class Persisting(Protocol):
    """Knows what is done with writes."""

    async def persist(self, entries: Sequence[Entry]) -> None:
        """Take *entries* to where they belong."""

    async def conclude(self, entries: Sequence[Entry], *, given_up: bool) -> None:
        """Take note that they are there, or that they were *given up*."""


class _LeaseLost(Exception):
    """Another process may be persisting by now."""


@dataclass(frozen=True, slots=True)
class Flushing:
    """How writes are persisted."""

    batch: int
    attempts: int
    coalesce: bool
    lease: float


class Flusher:
    """Persists what is in a stream, and stands by while another process does."""

    def __init__(
        self, writes: Writes, owner: Persisting, how: Flushing, stop: asyncio.Event
    ) -> None:
        """Persist what is in *writes* until there is nothing left after *stop* was set."""
        self._writes = writes
        self._owner = owner
        self._how = how
        self._holder = token_bytes(TOKEN_BYTES)
        self._failures: dict[str, int] = {}
        """How often the first write of a key has failed, though others could be persisted."""
        self._held_back = 0
        """How many writes of the last batch are still there."""
        self._stop = stop

    async def run(self) -> None:
        """Persist what there is and what comes, until told to stop."""
        pauses = doubling(*BETWEEN_LOOKS)
        while True:
            try:
                if await self._writes.claim(self._holder, self._how.lease):
                    pauses = doubling(*BETWEEN_LOOKS)
                    await self._lead()
                    return
                if self._stop.is_set():
                    return
                await self._pause(self._how.lease * random.uniform(0.1, 0.3))  # noqa: S311
                continue
            except _LeaseLost:
                say(logger, WARNING, "the lease ended; another process may be persisting")
            except StoreUnavailable as error:
                say(logger, WARNING, "writes wait, as the stream is out of reach: %s", error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the writes are still there
                say(logger, ERROR, "writes wait; they are tried again", error=error)
            await self._pause(next(pauses))

    async def release(self) -> None:
        """Let another process persist what is left."""
        await self._writes.release(self._holder)

    async def _lead(self) -> None:
        """Persist while the lease is ours."""
        work = asyncio.create_task(self._work())
        keeping = asyncio.create_task(self._keep_lease())
        try:
            await asyncio.wait((work, keeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, keeping):
                task.cancel()
            await asyncio.gather(work, keeping, return_exceptions=True)
        if work.cancelled():
            raise _LeaseLost
        work.result()

    async def _keep_lease(self) -> None:
        """Prolong the lease; return before it may be another's."""
        clock, lease = asyncio.get_running_loop().time, self._how.lease
        step = lease / 6
        ours_until = clock() + lease - step
        while clock() + 2 * step < ours_until:
            await asyncio.sleep(step)
            asked_at = clock()
            try:
                if not await self._writes.claim(self._holder, lease):
                    return
                ours_until = asked_at + lease - step
            except StoreUnavailable:  # there is another try before it ends
                pass

    async def _work(self) -> None:
        pauses: Iterator[float] | None = None
        while True:
            count = self._how.batch + min(self._held_back, 10 * self._how.batch)
            is_last = self._stop.is_set()
            entries = await self._writes.first(count)
            if not entries and not self._stop.is_set():
                await self._unless_stopped(self._writes.wait(BLOCK))
            elif not entries or await self._flush(entries):
                pauses = None
                if is_last and len(entries) < count:
                    return
            else:
                pauses = pauses or doubling(*BETWEEN_TRIES)
                await self._pause(next(pauses))

    async def _flush(self, entries: Sequence[Entry]) -> bool:
        """Persist *entries*, together if that is possible; whether all of them are.

        What fails together is tried key by key, in any order, as a few that cannot be persisted
        at all must not keep the others from it. A key's own writes keep theirs.
        """
        suspects = [entry for entry in entries if entry.key in self._failures]
        others = [entry for entry in entries if entry.key not in self._failures]
        is_any = len(others) > 1 and await self._attempt(others) is None
        left = self._by_key(suspects if is_any else [*suspects, *others])
        failed: list[tuple[Sequence[Entry], str]] = []
        for parts in random.sample(left, len(left)):
            for part in parts:
                error = await self._attempt(part)
                if error is not None:
                    failed.append((part, error))
                    break
                is_any = True
                self._failures.pop(part[0].key, None)
            if len(failed) >= ENOUGH and not is_any:
                break
        await self._count(failed, is_any=is_any)
        return not failed

    async def _count(self, failed: Sequence[tuple[Sequence[Entry], str]], *, is_any: bool) -> None:
        """Give up what failed too often; what failed with all else, counts for nothing."""
        self._held_back = len(failed)
        is_theirs = is_any or all(part[0].key in self._failures for part, _ in failed)
        for part, error in failed if is_theirs else ():
            key = part[0].key
            self._failures[key] = self._failures.get(key, 0) + 1
            if self._failures[key] >= self._how.attempts:
                say(logger, ERROR, "a write to %r is given up: %s", key, error)
                await self._settle(part, error)
                del self._failures[key]

    async def _attempt(self, entries: Sequence[Entry]) -> str | None:
        """Persist *entries*; what went wrong, if anything did."""
        latest = {entry.key: entry for entry in entries}
        given = sorted(latest.values(), key=_number) if self._how.coalesce else entries
        try:
            await self._owner.persist(given)
        except Exception as error:  # noqa: BLE001 - whatever it is, the writes are still there
            said = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
            say(logger, WARNING, "%d writes could not be persisted: %s", len(given), said)
            return said
        await self._settle(entries)
        return None

    async def _settle(self, entries: Sequence[Entry], error: str = "") -> None:
        """Take *entries* out of the stream, once all know that what they had of them is old.

        Raises:
            _LeaseLost: They are left there.
        """
        for pause in doubling(*BETWEEN_LOOKS):
            try:
                await self._owner.conclude(entries, given_up=bool(error))
                if not await self._writes.settle(self._holder, self._how.lease, entries, error):
                    raise _LeaseLost
            except StoreUnavailable:
                await asyncio.sleep(pause)
            else:
                return

    def _by_key(self, entries: Sequence[Entry]) -> list[list[list[Entry]]]:
        """Return what is tried on its own, in order, for each key."""
        keys: dict[str, list[Entry]] = {}
        for entry in entries:
            keys.setdefault(entry.key, []).append(entry)
        if self._how.coalesce:
            return [[own] for own in keys.values()]
        return [[[entry] for entry in own] for own in keys.values()]

    async def _pause(self, seconds: float) -> None:
        """Wait so long; who was told to stop beforehand waits, too, and all else is woken by it."""
        if self._stop.is_set():
            await asyncio.sleep(seconds)
        else:
            await self._unless_stopped(asyncio.sleep(seconds))

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.create_task(waiting), asyncio.create_task(self._stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not tasks[0].cancelled():
            tasks[0].result()


def _number(entry: Entry) -> int:
    return entry.number
