"""Notices answers for everybody that turn out to be somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar

from asgi_cache.observe.events import Tell
from asgi_cache.policy.message import StoredResponse

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED: Final = 4096
"""Responses of which it is remembered for whom they were made, and as many users' answers."""


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
    nothing was purged in between: after that the content may be another, whoever asks. It may be
    another in time, too. That it differs by user is known when one of them is answered the
    same as before, after another one was answered differently.
    """

    def __init__(self, tell: Tell) -> None:
        self.by_route: dict[str, int] = {}
        """How many there were of each rule."""
        self._tell = tell
        self._made: dict[bytes, _Made] = {}
        self._answers: dict[tuple[bytes, int], bytes] = {}
        """What each user was answered last, by the key and the user."""

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
        made = _Made(hash(tuple(credentials)), body, now + stored.lifetime, changes)
        former = _replace(self._made, stored.key, made)
        before = _replace(self._answers, (stored.key, made.whom), body)
        if former is None or former.whom == made.whom or former.body == body or before != body:
            return
        if now < former.until and former.changes == changes:
            self.by_route[route] = self.by_route.get(route, 0) + 1
            if self.by_route[route] == 1:
                self._tell("public-conflict", route=route)


def _replace(remembered: dict[K, V], key: K, value: V) -> V | None:
    """Remember *value* as the latest of all, and return what was there."""
    former = remembered.pop(key, None)
    if len(remembered) >= REMEMBERED:
        del remembered[next(iter(remembered))]
    remembered[key] = value
    return former
