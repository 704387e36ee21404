"""Notices answers for everybody that turn out to be somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from asgi_cache.observe.events import Tell
from asgi_cache.policy.message import StoredResponse

REMEMBERED: Final = 4096
"""Responses of which it is remembered for whom they were made: the latest."""


class _Made(NamedTuple):
    whom: int
    """A hash of the credentials that were shown."""
    body: bytes
    """A digest."""
    until: float
    """When it is not fresh any more."""
    changes: int
    """What was known to be purged."""


class Conflicts:
    """Compares what the app answers to different users where a rule says ``public``.

    Two answers to one URL are compared if the second is made while the first one is fresh, and
    nothing was purged in between: after that the content may be another, whoever asks.
    """

    def __init__(self, tell: Tell) -> None:
        self.by_route: dict[str, int] = {}
        """How many there were of each rule."""
        self._tell = tell
        self._made: dict[bytes, _Made] = {}

    def note(
        self,
        stored: StoredResponse,
        route: str,
        credentials: Sequence[bytes],
        now: float,
        changes: int,
    ) -> None:
        """Note that *stored* was made for who has shown *credentials*."""
        body = blake2b(stored.body, digest_size=16).digest()
        until = now + stored.lifetime
        made = _Made(hash(tuple(credentials)), body, until, changes)
        former = self._made.pop(stored.key, None)
        if former is None and len(self._made) >= REMEMBERED:
            del self._made[next(iter(self._made))]
        self._made[stored.key] = made
        if former is None or former.whom == made.whom or former.body == made.body:
            return
        if now < former.until and former.changes == changes:
            self.by_route[route] = self.by_route.get(route, 0) + 1
            if self.by_route[route] == 1:
                self._tell("public-conflict", route=route)
