"""The purge log as one process knows it: which stored responses are still good.

Nothing is searched for or deleted when something is purged. Each stored response carries
its *birth*, the log's position when the app was asked for it, and it is void as soon as an
entry after that position names one of its tags. A response whose making had begun before a
purge is therefore never served after it, however late it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Purge


class PurgeLog:
    """Remembers, for every tag, where in the log it was purged last."""

    def __init__(self) -> None:
        self.identity = b""
        self.position = 0
        self._floor = 0
        self._purged: dict[str, int] = {}

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
                self._purged[tag] = purge.position

    def is_good(self, stored: StoredResponse, tags: Iterable[str]) -> bool:
        """Whether no purge has named *stored*, whose tags are *tags*, since its birth."""
        if stored.log != self.identity or stored.birth < self._floor:
            return False
        if stored.birth >= self.position:
            return True
        return all(self._purged.get(tag, -1) <= stored.birth for tag in tags)
