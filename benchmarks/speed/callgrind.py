"""Instructions per request of a server, as Callgrind counts them.

What the kernel does for the server is not among them; other work on the machine, its clock
and its caches make no difference to them.
"""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Final

from benchmarks.speed.client import CONNECTIONS, Client
from benchmarks.speed.contestants import Contestant
from benchmarks.speed.setting import measured
from benchmarks.speed.verify import Asking, check_runs

TURNS: Final = 3
WAVES: Final = 40
"""In each turn, of one request on each connection."""
LESS: Final = 12
"""The same, where an app runs for each request, and for peers: they take longer."""
SETTLING: Final = 2
"""Waves after which the instrument is at work everywhere."""
_PLACES: Final = re.compile(r"\S*/(?=\S+:)|\[\S*/|\]$")
"""Directories, in a line of callgrind_annotate."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Instructions for each request: of all turns, and of those with the fewest and most."""

    per_request: float
    low: float
    high: float


class Counter:
    """A server under Callgrind."""

    def __init__(self, asking: Asking, client: Client, out: Path, together: int) -> None:
        self._asking = asking
        self._client = client
        self._out = out
        self._together = together
        self._dumps = 0

    def begin(self) -> None:
        """Begin to count."""
        self._control("--instr=on")
        for _ in range(SETTLING):
            self._wave()

    def count(self, turns: int = TURNS, waves: int | None = None) -> Counted:
        """Count for so many turns, of so many waves each.

        Raises:
            Unverified: The contestant stopped to do what it should.
        """
        contestant = self._asking.contestant
        takes_longer = contestant.runs == "always" or contestant.peer is not None
        waves = waves or (LESS if takes_longer else WAVES)
        found = [self._turn(waves) for _ in range(turns)]
        return Counted(*(round(value) for value in (mean(found), min(found), max(found))))

    def annotated(self, lines: int) -> str:
        """Return the functions with the most instructions in the last turn."""
        command = ["callgrind_annotate", "--auto=no", "--show-percs=yes", str(self._dump)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = [line for line in said.splitlines() if re.match(r"\s*[\d,]+ \(", line)]
        return "\n".join(_PLACES.sub("", row) for row in rows[: lines + 1])

    def _turn(self, waves: int) -> float:
        server, asked = self._asking.server, waves * CONNECTIONS
        before = server.runs
        self._control("--zero")
        for _ in range(waves):
            self._wave()
        self._control("--dump")
        self._dumps += 1
        check_runs(self._asking.contestant, server.runs - before, asked)
        return _total(self._dump) / asked

    def _wave(self) -> None:
        """Let the server see so many at once, however the machine schedules the two."""
        process, targets = self._asking.server.process, self._asking.next_targets()
        for since in range(0, CONNECTIONS, self._together):
            part = slice(since, since + self._together)
            process.send_signal(signal.SIGSTOP)
            self._client.send(targets[part], part)
            process.send_signal(signal.SIGCONT)
            self._client.read(part)

    @property
    def _dump(self) -> Path:
        return Path(f"{self._out}.{self._dumps}")

    def _control(self, order: str) -> None:
        command = ["callgrind_control", order, str(self._asking.server.process.pid)]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def counting(contestant: Contestant, size: int, together: int = CONNECTIONS) -> Iterator[Counter]:
    """Start a contestant under Callgrind, warm it up and verify it, and begin to count.

    So many requests of a wave arrive *together*; the next ones when these are answered.

    Raises:
        NotCompared: It is a peer that cannot be installed.
        Unverified: It does not do what it should.
    """
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        under = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
        under += [f"--callgrind-out-file={out}"]
        with measured(contestant, size, under=under) as asking, asking.connected() as client:
            counter = Counter(asking, client, out, together)
            counter.begin()
            yield counter


def _total(dump: Path) -> int:
    for line in dump.read_text().splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    raise ValueError(f"{dump} has no total")
