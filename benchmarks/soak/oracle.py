"""What the cache promises of each answer, and what did not hold."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.faults.client import Answer
from benchmarks.soak.app import Thing, digest_of

SHOWN: Final = 10
"""Violations that are told in full."""


@dataclass(slots=True)
class Promised:
    """The oldest version of a thing that may be the answer."""

    here: dict[int, int] = field(default_factory=dict)
    """In the process that was told of a change, at once."""
    everywhere: list[tuple[float, int]] = field(default_factory=list)
    """In all of them, from a moment on."""

    def oldest(self, process: int, now: float) -> int:
        """Return it for an answer of a process to what is asked now."""
        passed = [version for since, version in self.everywhere if since < now]
        self.everywhere = self.everywhere[max(0, len(passed) - 1) :]
        return max([self.here.get(process, 0), *passed[-1:]])


class Oracle:
    """Knows what was changed and purged when, and checks answers by that."""

    def __init__(self, lag: float) -> None:
        self.checked: Counter[str] = Counter()
        self.hits = 0
        self.violations: list[str] = []
        self.circumstances: Callable[[], str] = str
        """What is said of the moment at which something did not hold."""
        self._lag = lag
        self._promised: defaultdict[Thing, Promised] = defaultdict(Promised)

    def changed(self, thing: Thing, version: int, process: int, *, acknowledged: bool) -> None:
        """Note that a process has been told, and whether the others know of it soon, too."""
        promised = self._promised[thing]
        promised.here[process] = version
        if acknowledged:
            promised.everywhere.append((time.monotonic() + self._lag, version))

    def oldest(self, thing: Thing, process: int) -> int:
        """Return the oldest version that may be the answer to what is asked now."""
        return self._promised[thing].oldest(process, time.monotonic())

    def check(self, thing: Thing, user: str, oldest: int, asked_at: float, answer: Answer) -> None:
        """Check an answer to a user who asked for a thing."""
        self.checked[thing.kind] += 1
        if answer.status != 200:
            self.violate(f"GET {thing.path} was answered {answer.status}")
            return
        body: dict[str, Any] = json.loads(answer.body)
        whose = user if thing.kind != "shared" else ""
        is_hit = body["made_at"] < asked_at
        self.hits += is_hit
        if body["path"] != thing.path or body["user"] != whose:
            self.violate(f"{user} asked for {thing.path}, and got {body['path']} {body['user']}")
        if body["version"] < oldest:
            self.violate(f"{thing.path} was of version {body['version']}, and {oldest} was due")
        if digest_of(body["text"]) != body["digest"] or len(body["text"]) != thing.size:
            self.violate(f"{thing.path} was not complete")
        if is_hit and thing.kind == "never":
            self.violate(f"{thing.path} was stored")

    def violate(self, what: str) -> None:
        """Note what did not hold."""
        self.violations.append(f"{what} ({self.circumstances() or 'all was well'})")
