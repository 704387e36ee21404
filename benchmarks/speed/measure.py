"""One contestant after another, each beside what it is compared with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from benchmarks.peers.environments import NotCompared
from benchmarks.speed.callgrind import Counted, counting
from benchmarks.speed.contestants import CONTESTANTS, Contestant
from benchmarks.speed.server import ServerEnded
from benchmarks.speed.setting import measured
from benchmarks.speed.throughput import Throughput, compare
from benchmarks.speed.verify import Unverified

FAILURES: Final = (Unverified, ServerEnded, NotCompared, OSError, subprocess.CalledProcessError)
"""How a contestant, or an instrument, may fail."""

Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long each is measured."""

    turns: int
    """Of wrk."""
    seconds: int
    """Of each of these."""
    counts: int
    """Turns under Callgrind."""
    waves: int | None
    """In each of these."""


FULL: Final = Effort(turns=11, seconds=1, counts=3, waves=None)
QUICK: Final = Effort(turns=2, seconds=1, counts=1, waves=6)


@dataclass(frozen=True, slots=True)
class Row:
    """All that is known of one contestant with bodies of one size."""

    name: str
    title: str
    beside: str
    size: int
    throughput: Throughput | None = None
    instructions: Counted | None = None
    instructions_ratio: float | None = None
    failure: str | None = None
    """Why there are no figures."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """What the same count came to in several processes, one after another."""

    name: str
    counts: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Between the fewest and the most, as a part of the fewest."""
        return max(self.counts) / min(self.counts) - 1


@dataclass(slots=True)
class Measurement:
    """Measures, and remembers what it has counted."""

    effort: Effort
    counted: dict[tuple[str, int], Counted] = field(default_factory=dict)

    def rows(self, contestants: Iterable[Contestant], sizes: Iterable[int]) -> list[Row]:
        """Measure each with each size of a body."""
        each = list(contestants)
        return [self.row(contestant, size) for size in sizes for contestant in each]

    def row(self, contestant: Contestant, size: int) -> Row:
        """Measure one; if it fails, say why."""
        say(f"{contestant.name}, {size} bytes")
        of = (contestant.name, contestant.title, contestant.beside, size)
        try:
            throughput = self._throughput(contestant, size)
            own = self._count(contestant, size)
            ratio = own.per_request / self._count(_reference(contestant), size).per_request
        except FAILURES as failure:
            say(f"  failed: {failure}")
            return Row(*of, failure=f"{type(failure).__name__}: {failure}")
        return Row(*of, throughput, own, round(ratio, 4))

    def repeat(self, name: str, size: int, times: int) -> Repeated:
        """Count again, each time in a new process.

        Raises:
            Unverified: The contestant did not do what it should.
        """
        counts = [self._count_anew(CONTESTANTS[name], size) for _ in range(times)]
        return Repeated(name, tuple(each.per_request for each in counts))

    def _throughput(self, contestant: Contestant, size: int) -> Throughput:
        effort = self.effort
        with (
            measured(_reference(contestant), size) as reference,
            measured(contestant, size) as asking,
        ):
            return compare(asking, reference, effort.turns, effort.seconds)

    def _count(self, contestant: Contestant, size: int) -> Counted:
        of = (contestant.name, size)
        if of not in self.counted:
            self.counted[of] = self._count_anew(contestant, size)
        return self.counted[of]

    def _count_anew(self, contestant: Contestant, size: int) -> Counted:
        with counting(contestant, size) as counter:
            return counter.count(self.effort.counts, self.effort.waves)


@dataclass(slots=True)
class Failures:
    """Why some of it was not measured."""

    said: list[str]

    def without(
        self, what: str, measure: Callable[..., Measured], each: Iterable[Sequence[Any]]
    ) -> list[Measured]:
        """Measure with each of these arguments, and note with which it failed."""
        found = []
        for arguments in each:
            title = f"{what}, {', '.join(map(str, arguments))}"
            say(title)
            try:
                found.append(measure(*arguments))
            except NotCompared:
                continue  # the failure of its row says so
            except FAILURES as failure:
                self.said.append(f"{title}: {type(failure).__name__}: {failure}")
        return found


def say(what: str) -> None:
    """Tell whoever waits."""
    print(f"{what} ...", file=sys.stderr, flush=True)


def _reference(contestant: Contestant) -> Contestant:
    return CONTESTANTS[contestant.beside]
