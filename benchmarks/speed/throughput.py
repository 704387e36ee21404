"""Requests per second, latency and processor time: two servers in turns, and wrk before each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from benchmarks.speed.client import BROWSER, CONNECTIONS
from benchmarks.speed.contestants import MANY
from benchmarks.speed.server import CLIENT_CORE
from benchmarks.speed.verify import Asking, Unverified, check_runs

SCRIPT: Final = Path(__file__).with_name("load.lua")
NEW_URLS: Final = 10_000_000
"""Numbers of URLs that one turn may use up; the first were used to warm up."""


class Turn(NamedTuple):
    """What wrk and the kernel said of one turn."""

    requests: int
    seconds: float
    p50: float
    """Milliseconds."""
    p99: float
    processor_time: float
    """Microseconds of the server process for each request."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of neighbouring turns."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, above: Sequence[float], below: Sequence[float]) -> Ratio:
        """Divide turn by turn."""
        ratios = [one / other for one, other in zip(above, below, strict=True)]
        return cls(*(round(value, 4) for value in (median(ratios), min(ratios), max(ratios))))


@dataclass(frozen=True, slots=True)
class Throughput:
    """Medians of all turns."""

    turns: int
    rate: float
    """Requests per second."""
    ratio: Ratio
    """Of requests per second."""
    p50: float
    p99: float
    processor_time: float
    """Microseconds of the server process for each request."""
    processor_time_ratio: Ratio


def compare(asking: Asking, reference: Asking, turns: int, seconds: int) -> Throughput:
    """Let the two take turns, so that a machine which slows down slows both.

    Raises:
        Unverified: A contestant stopped to do what it should.
    """
    pairs = [
        (turn(reference, 2 * number, seconds), turn(asking, 2 * number + 1, seconds))
        for number in range(turns)
    ]
    references, own = zip(*pairs, strict=True)
    return Throughput(
        turns,
        round(median(each.rate for each in own), 1),
        Ratio.of([each.rate for each in own], [each.rate for each in references]),
        round(median(each.p50 for each in own), 3),
        round(median(each.p99 for each in own), 3),
        round(median(each.processor_time for each in own), 2),
        Ratio.of(
            [each.processor_time for each in own], [each.processor_time for each in references]
        ),
    )


def turn(asking: Asking, number: int, seconds: int) -> Turn:
    """Ask for so many seconds, and see to it that the answers came from where they should.

    Raises:
        Unverified: They did not.
    """
    (only,) = turns_at_once([asking], number, seconds, CONNECTIONS)
    return only


def turns_at_once(
    askings: Sequence[Asking], number: int, seconds: int, connections: int
) -> list[Turn]:
    """Ask several servers at the same time, each on so many connections."""
    before = [(each.server.runs, each.server.processor_time) for each in askings]
    asking = [_start(each, number, seconds, connections) for each in askings]
    said = [json.loads(each.communicate()[0].splitlines()[-1]) for each in asking]
    return [
        _checked(each, answer, *was, connections)
        for each, answer, was in zip(askings, said, before, strict=True)
    ]


def _start(asking: Asking, number: int, seconds: int, connections: int) -> subprocess.Popen[str]:
    """Start wrk on the core for clients."""
    contestant, server = asking.contestant, asking.server
    first = {"one": 0, "many": MANY, "new": (number + 1) * NEW_URLS}[contestant.urls]
    command = ["taskset", "--cpu-list", str(CLIENT_CORE)]
    command += ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--script", str(SCRIPT)]
    for name, value in (*BROWSER, *asking.fields):
        command += ["--header", f"{name}: {value}"]
    command += [f"http://127.0.0.1:{server.port}{server.path}", "--"]
    command += [contestant.urls, server.path, str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _checked(asking: Asking, said: dict[str, Any], ran: int, used: float, connections: int) -> Turn:
    """Read what wrk said; *ran* and *used* are what the server had done before."""
    requests = said["requests"]
    if said["errors"] or not requests:
        raise Unverified(f"{said['errors']} of {requests} requests had no good answer")
    used = asking.server.processor_time - used
    check_runs(asking.contestant, asking.server.runs - ran, requests, unanswered=connections)
    return Turn(
        requests,
        said["microseconds"] / 1e6,
        said["p50"] / 1e3,
        said["p99"] / 1e3,
        used / requests * 1e6,
    )
