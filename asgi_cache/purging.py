"""The purge log as one process knows it: which stored responses are still good.

Nothing is searched for or deleted when something is purged. Each stored response carries
its *birth*, the log's position when the app was asked for it, and it is void as soon as an
entry after that position names one of its tags. A response whose making had begun before a
purge is therefore never served after it, however late it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice

from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Purge

TAGS_REMEMBERED = 50_000
"""Tags beyond which the older half is forgotten, and with it whatever is older than they are."""


class PurgeLog:
    """Remembers, for every tag, where in the log it was purged last."""

    def __init__(self, limit: int = TAGS_REMEMBERED) -> None:
        self.identity: bytes = b""
        self.position: int = 0
        self._limit = limit
        self._floor = 0
        self._purged: dict[str, int] = {}
        """In the order of the positions."""

    def restart(self, identity: bytes, position: int) -> None:
        """Begin with another log; nothing that was born under the former one is good."""
        self.identity = identity
        self.position = self._floor = position
        self._purged.clear()

    def advance(self, purges: Sequence[Purge]) -> None:
        """Take note of *purges*, in the log's order."""
        for purge in purges:
            self.position = purge.position
            for tag in purge.tags:
                self._purged.pop(tag, None)
                self._purged[tag] = purge.position
        if len(self._purged) > self._limit:
            self._forget(len(self._purged) - self._limit // 2)

    def _forget(self, count: int) -> None:
        """Forget the oldest purges; what was born before them can no longer be judged."""
        for tag in list(islice(self._purged, count)):
            self._floor = self._purged.pop(tag)

    def is_good(self, stored: StoredResponse, tags: Callable[[], Iterable[str]]) -> bool:
        """Whether no purge has named *stored* since its birth.

        *tags* returns those that came free with the request, beside the ones it was stored
        with; it is called only if anything at all was purged since.
        """
        if stored.log != self.identity or stored.birth < self._floor:
            return False
        if stored.birth >= self.position:
            return True
        purged, birth = self._purged, stored.birth
        return all(purged.get(tag, -1) <= birth for tag in chain(tags(), stored.tags))
