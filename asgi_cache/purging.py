"""The purge log as one process knows it: which stored responses are still good.

Nothing is searched for or deleted when something is purged. Each stored response carries
its *birth*, the log's position when the app was asked for it, and it is void as soon as an
entry after that position names one of its tags. A response whose making had begun before a
purge is therefore never served after it, however late it is stored.

A soft purge ends the lifetime of what it names, from the moment at which it was ordered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from math import inf

from asgi_cache.observe.events import Tell
from asgi_cache.observe.observer import Observer
from asgi_cache.policy.keeping import stale_since
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Purge

TAGS_REMEMBERED = 50_000
"""Tags beyond which the older half is forgotten, and with it whatever is older than they are."""

SOFT_REMEMBERED = 8
"""Soft purges of one tag beyond which the oldest counts as one that is not soft."""

JOINT_REMEMBERED = 1000
"""The same as for tags, for purges of what carries all of several."""


class Watch:
    """Counts the purges of any of some tags while something goes on."""

    def __init__(self, tags: Iterable[str]) -> None:
        self._tags = frozenset(tags)
        self.purges: float = 0
        """How many there were; infinity where that is not known."""

    def note(self, purge: Purge) -> None:
        """Count *purge*, if it concerns one of the tags."""
        if not self._tags.isdisjoint(purge.tags):
            self.purges += 1


class PurgeLog:
    """Remembers, for every tag, where in the log it was purged last."""

    def __init__(self, limit: int = TAGS_REMEMBERED) -> None:
        self.identity: bytes = b""
        self.position: int = 0
        self.changes: int = 0
        """How often it has become known that something was purged."""
        self.withholding: int = 0
        """A number for what is withheld, another one each time; 0: nothing is."""
        self._limit = limit
        self._floor = 0
        self._purged: dict[str, int] = {}
        """In the order of the positions."""
        self._softened: dict[str, list[Purge]] = {}
        """In the order of each tag's first one."""
        self._joint: deque[Purge] = deque()
        self._withheld: tuple[Purge, ...] = ()
        self._watches: list[Watch] = []
        self.tell: Tell = Observer().tell

    @property
    def withheld(self) -> int:
        """How many purges are heeded that the log does not have yet."""
        return len(self._withheld)

    @contextmanager
    def watching(self, tags: Iterable[str]) -> Iterator[Watch]:
        """Count the purges of any of *tags* that become known meanwhile."""
        watch = Watch(tags)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def restart(self, identity: bytes, position: int) -> None:
        """Begin with another log; nothing that was born under the former one is good."""
        if self.identity not in {b"", identity}:
            self.tell("log-lost")
        self.identity = identity
        self.changes += 1
        self.position = self._floor = position
        self._purged.clear()
        self._softened.clear()
        self._joint.clear()
        for watch in self._watches:
            watch.purges = inf

    def advance(self, purges: Sequence[Purge]) -> None:
        """Take note of *purges*, in the log's order."""
        for purge in purges:
            self.position = purge.position
            self.changes += 1
            self._note(purge)
            for watch in self._watches:
                watch.note(purge)

    def withhold(self, purges: Sequence[Purge]) -> None:
        """Void what *purges* name, which the log does not have yet; those are all of them."""
        self.changes += 1
        self.withholding = self.withholding + 1 if purges else 0
        self._withheld = tuple(purges)

    def judge(
        self, stored: StoredResponse, tags: Callable[[], Iterable[str]]
    ) -> StoredResponse | None:
        """Return *stored* as the purges since its birth leave it; nothing if it is void.

        *tags* returns those that came free with the request, beside the ones it was stored
        with; it is called only if anything at all was purged since.
        """
        if stored.log != self.identity or stored.birth < self._floor:
            return None
        if stored.birth >= self.position and not self._withheld:
            return stored
        carried = (*tags(), *stored.tags)
        if self._says_nothing_of(carried):  # as is often so, and quickly seen
            return stored
        purged, birth = self._purged, stored.birth
        if any(purged.get(tag, -1) > birth for tag in carried):
            return None
        ended_at = self._ended_at(carried, birth)
        if ended_at == -inf:
            return None
        return stored if ended_at == inf else stale_since(stored, ended_at)

    def _says_nothing_of(self, carried: Collection[str]) -> bool:
        if self._joint or self._withheld:
            return False
        remembered = (self._purged, self._softened)
        return all(tags.keys().isdisjoint(carried) for tags in remembered)

    def _ended_at(self, carried: Collection[str], birth: int) -> float:
        """Return when a purge first ended the lifetime of what was born then and so tagged.

        Minus infinity: it is void. Infinity: none did.
        """
        soft = [
            purge.soft_at
            for tag in carried
            for purge in self._softened.get(tag, ())
            if purge.position > birth
        ]
        later = [purge for purge in self._joint if purge.position > birth]
        other = [purge.soft_at for purge in (*later, *self._withheld) if _names(purge, carried)]
        return min((-inf if at is None else at for at in soft + other), default=inf)

    def _note(self, purge: Purge) -> None:
        if purge.all_of and len(purge.tags) > 1:
            self._note_joint(purge)
        elif purge.soft_at is not None:
            for tag in purge.tags:
                self._note_soft(tag, purge)
        else:
            for tag in purge.tags:
                self._note_hard(tag, purge.position)

    def _note_hard(self, tag: str, position: int) -> None:
        self._purged[tag] = max(position, self._purged.pop(tag, position))
        if len(self._purged) > self._limit:
            for oldest in list(islice(self._purged, len(self._purged) - self._limit // 2)):
                self._forget_until(self._purged.pop(oldest))

    def _note_soft(self, tag: str, purge: Purge) -> None:
        former = self._softened.setdefault(tag, [])
        former.append(purge)
        if len(former) > SOFT_REMEMBERED:
            self._note_hard(tag, former.pop(0).position)
        if len(self._softened) > self._limit:
            oldest = next(iter(self._softened))
            self._forget_until(self._softened.pop(oldest)[-1].position)

    def _note_joint(self, purge: Purge) -> None:
        self._joint.append(purge)
        if len(self._joint) > JOINT_REMEMBERED:
            self._forget_until(self._joint.popleft().position)

    def _forget_until(self, position: int) -> None:
        """Judge nothing any more that was born before *position*."""
        self._floor = max(self._floor, position)


def _names(purge: Purge, carried: Collection[str]) -> bool:
    """Whether *purge* names what carries such tags."""
    quantifier = all if purge.all_of else any
    return quantifier(tag in carried for tag in purge.tags)
