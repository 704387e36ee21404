"""What is learned of each route, in bounded memory, from one request after the other.

Nothing here is in clear but the names of routes, parameters and fields: what could be
somebody's is a digest under a key that this process drew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from hashlib import blake2b
from math import inf
from operator import xor
from re import compile as pattern_of
from secrets import token_bytes
from typing import Final

from asgi_cache.advisor.curve import Curve
from asgi_cache.advisor.factors import Factor
from asgi_cache.advisor.writes import Relation, Writes
from asgi_cache.observe.histogram import Histogram

ROUTES: Final = 128
"""Routes that are learned of; what comes beyond is not."""

FACTORS: Final = 24
"""Parameters and fields of one route that are looked at."""

FOLLOWED: Final = 256
"""Keys of one route of which it is remembered what the app answered last: a sample."""

USERS: Final = 64
"""Users of one route that are told apart: there are as many, or more."""

REFUSALS: Final = frozenset({401, 403})

USER: Final = "user"

_CREDENTIAL: Final = pattern_of(
    r"(?i)^query:.*(?:auth|cred|expires|hmac|jwt|key|nonce|otp|passw|secret|session|sid|sig|token)"
)
"""Parameters by which signed URLs and the like show that one may ask."""

_KEY: Final = token_bytes(16)


def digest(*parts: bytes) -> int:
    """Return 64 bits that stand for *parts*, in this process only."""
    hashed = blake2b(key=_KEY, digest_size=8)
    for part in parts:
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return int.from_bytes(hashed.digest(), "big")


@dataclass(frozen=True, slots=True)
class Read:
    """A request that was answered, as far as the advisor may know of it; digests are numbers."""

    path: int
    """The path, host included."""
    params: Mapping[str, int]
    """The values of the route's path parameters."""
    query: Mapping[str, int]
    """Each parameter's values."""
    fields: Mapping[str, int]
    """The values of fields that an app may look at."""
    user: int
    """0: the request shows no credentials."""
    status: int
    body: int
    size: int
    seconds: float
    """The app's own time."""
    vary: frozenset[str] = frozenset()
    """Names of the fields by which the app says that the response varies."""
    is_secret: bool = False
    """It is marked ``no-store`` or ``private``, or sets a cookie."""
    is_too_large: bool = False


@dataclass(slots=True)
class _Last:
    """What the app answered last to a key, and when."""

    body: int
    at: float


@dataclass(slots=True)
class Learned:
    """What is known of the reads of one route."""

    route: str
    began_at: float = inf
    ended_at: float = -inf
    requests: int = 0
    failures: int = 0
    secrets: int = 0
    too_large: int = 0
    refusals: int = 0
    """Answers 401 and 403."""
    with_credentials: int = 0
    without_credentials: int = 0
    """Those of them that were given what was asked for."""
    users: set[int] = field(default_factory=set[int])
    app: Histogram = field(default_factory=Histogram)
    size: int = 0
    """Bytes of all bodies."""
    declared: set[str] = field(default_factory=set[str])
    """The fields by which the app says that responses vary."""
    factors: dict[str, Factor] = field(default_factory=dict[str, Factor])
    shared: Curve = field(default_factory=Curve)
    """Had one response served all users."""
    own: Curve = field(default_factory=Curve)
    """Had each user's responses been kept apart."""
    relations: dict[str, Relation] = field(default_factory=dict[str, Relation])
    """By the route of the write."""
    _idle: frozenset[str] = frozenset()
    _last: dict[int, _Last] = field(default_factory=dict[int, "_Last"])

    def note(self, read: Read, now: float, writes: Writes) -> None:
        """Learn from one request."""
        self.began_at, self.ended_at = min(self.began_at, now), max(self.ended_at, now)
        self.requests += 1
        self.app.note(read.seconds)
        self.size += read.size
        self.with_credentials += read.user != 0
        if len(self.users) < USERS:
            self.users.add(read.user)
        self.refusals += read.status in REFUSALS
        parts = self._parts(read)
        if read.status < 500 and read.status != 429:  # these say nothing of who asks for what
            self._note_factors(read, parts, now)
        if read.is_secret or read.is_too_large or not 200 <= read.status < 300:
            self.secrets += read.is_secret
            self.too_large += read.is_too_large
            self.failures += not 200 <= read.status < 400
            return
        self.without_credentials += read.user == 0
        self.declared |= read.vary
        idle = frozenset(name for name in self.factors if self.is_idle(name))
        if idle != self._idle:  # the keys are others from now on
            self._idle = idle
            self._begin_anew()
        shared = read.path
        for name, each in parts.items():
            shared ^= each if self._counts(name) else 0
        own = digest(shared.to_bytes(8, "big"), read.user.to_bytes(8, "big"))
        self._note_change(own, read, now, writes)
        written_at = max((r.last_write(read.params) for r in self._accepted()), default=-inf)
        self.shared.note(shared, read.body, now, written_at)
        self.own.note(own, read.body, now, written_at)

    def _parts(self, read: Read) -> dict[str, int]:
        """Return what the response may depend on beside path and user: digests of name and value.

        They are put together with "exclusive or", so that one can be left out at no cost.
        """
        query = {f"query:{name}": value for name, value in read.query.items()}
        fields = {f"field:{name}": value for name, value in read.fields.items()}
        return {
            name: digest(name.encode(), value.to_bytes(8, "big"))
            for name, value in {**query, **fields}.items()
        }

    def _note_factors(self, read: Read, parts: Mapping[str, int], now: float) -> None:
        user = read.user
        answer = read.body if read.status == 200 else digest(b"%d" % read.status, b"%d" % read.body)
        together = reduce(xor, parts.values(), read.path ^ user)
        for name in (USER, *parts):
            if name not in self.factors and len(self.factors) < FACTORS:
                self.factors[name] = Factor()
        for name, factor in self.factors.items():
            value = user if name == USER else parts.get(name, 0)
            factor.note(together ^ value, value, answer, now)

    def _counts(self, name: str) -> bool:
        """Whether a part belongs to the key that would be advised."""
        if name.startswith("query:"):
            return not self.is_idle(name)
        factor = self.factors.get(name)
        matters = factor is not None and factor.matters
        return matters or name.removeprefix("field:") in self.declared

    def is_idle(self, name: str) -> bool:
        """Whether the response does not depend on the factor *name*.

        A parameter that may show who asks never is: only what is not valid would tell.
        """
        factor = self.factors.get(name)
        return factor is not None and factor.is_idle and not _CREDENTIAL.search(name)

    def _note_change(self, key: int, read: Read, now: float, writes: Writes) -> None:
        """Learn which writes come before a change of what is under *key*."""
        last = self._last.pop(key, None)
        if last is None and len(self._last) >= FOLLOWED:
            del self._last[next(iter(self._last))]
        self._last[key] = _Last(read.body, now)
        if last is None:
            return
        for relation in self._relations(read, writes):
            if relation.last_write(read.params) > last.at:
                relation.note(has_changed=last.body != read.body)
                if relation.is_new:
                    relation.is_new = False
                    self._begin_anew()

    def _begin_anew(self) -> None:
        """Play ttls through by what is known now; what was counted before was another cache."""
        self.shared, self.own = Curve(), Curve()

    def _relations(self, read: Read, writes: Writes) -> Iterable[Relation]:
        """Return how each write that was seen may concern this route."""
        for name in writes.routes:
            if name not in self.relations:
                self.relations[name] = writes.relation(name, read.params)
        return self.relations.values()

    def _accepted(self) -> Iterable[Relation]:
        return (relation for relation in self.relations.values() if relation.is_accepted)

    @property
    def seconds(self) -> float:
        """Seconds between the first request and the last one."""
        return max(0.0, self.ended_at - self.began_at)
