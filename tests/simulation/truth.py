"""What is true in the simulated world, what was made of it, and what the caches promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from asgi_cache.policy.keeping import entity_tag
from tests.simulation.resources import Pair


@dataclass(eq=False)
class Made:
    """A whole body that the app has made."""

    pair: Pair
    variant: str
    version: int
    """What was true when the app looked."""
    body: bytes
    private: bool = False
    """It is for the one request that it was made for."""
    made_at: float = 0.0
    """When the app last said that it is good."""


@dataclass(eq=False)
class Promise:
    """A purge that was answered: nothing older than *version* is served any more."""

    pairs: frozenset[Pair]
    version: int
    process: object
    at: float
    everywhere_at: float
    soft_at: float | None = None
    """It only says that what is older is stale, from this instant on."""
    is_lost: bool = False
    """The server has forgotten it, or not taken it yet: only the process that made it knows."""

    def binds(self, process: object, started_at: float, *, strictly: bool) -> bool:
        """Whether a request that *process* received at *started_at* must respect it."""
        if self.is_lost and process is not self.process:
            return False
        at_once = strictly or process is self.process
        return started_at >= (self.at if at_once else self.everywhere_at)


@dataclass
class Truth:
    """The versions of all there is; each commit has the next number."""

    latest: int = 0
    versions: dict[Pair, int] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    bodies: dict[bytes, Made] = field(default_factory=dict)
    etags: dict[bytes, Made] = field(default_factory=dict)
    deliveries: Counter[bytes] = field(default_factory=Counter)
    unfinished: set[str] = field(default_factory=set)
    """Paths for which the app has returned in the middle of an answer."""

    def commit(self, pairs: Iterable[Pair]) -> int:
        """Change what is true of *pairs*; the version that they have from now on."""
        self.latest += 1
        self.versions.update(dict.fromkeys(pairs, self.latest))
        return self.latest

    def version(self, pair: Pair) -> int:
        """Return the version of *pair*."""
        return self.versions.get(pair, 0)

    def note(self, made: Made, etag: bytes | None) -> None:
        """Note what the app has made, under its own entity tag or the cache's."""
        self.bodies[made.body] = made
        self.etags[etag or entity_tag(made.body)] = made

    def binding(
        self, pair: Pair, process: object, started_at: float, *, strictly: bool
    ) -> list[Promise]:
        """Return the promises that hold for a request."""
        return [
            promise
            for promise in self.promises
            if pair in promise.pairs and promise.binds(process, started_at, strictly=strictly)
        ]

    def floor(self, promises: Iterable[Promise]) -> int:
        """Return the oldest version that may still be served, stale or not."""
        return max((each.version for each in promises if each.soft_at is None), default=0)

    def softened_at(self, made: Made, promises: Iterable[Promise]) -> float:
        """Return since when *made* is stale by a soft purge; infinity if it is not."""
        return min(
            (
                max(each.soft_at, made.made_at)
                for each in promises
                if each.soft_at is not None and made.version < each.version
            ),
            default=inf,
        )
