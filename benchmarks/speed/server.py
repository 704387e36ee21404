"""A server process, from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from benchmarks.speed.order import Order

ROOT: Final = Path(__file__).parents[2]
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
CLIENT_CORE: Final = CORES[-1]
"""Of whoever asks, and of Redis."""
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
PATIENCE: Final = 20.0


class ServerEnded(Exception):
    """The last line of what it said."""


@dataclass(slots=True)
class Server:
    """One that serves an app."""

    process: subprocess.Popen[str]
    errors: IO[str]
    port: int = 0
    path: str = ""

    @property
    def runs(self) -> int:
        """How often the app behind the cache ran so far."""
        stdin = cast("IO[str]", self.process.stdin)
        stdin.write("\n")
        stdin.flush()
        return cast("int", self.hear()["runs"])

    @property
    def processor_time(self) -> float:
        """Seconds that it used so far, in user mode and in the kernel."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK

    def hear(self) -> dict[str, Any]:
        """Return what it says next.

        Raises:
            ServerEnded: It says nothing any more.
        """
        line = cast("IO[str]", self.process.stdout).readline()
        if not line:
            self.errors.seek(0)
            raise ServerEnded("".join(self.errors.readlines()[-1:]).strip())
        said: dict[str, Any] = json.loads(line)
        return said

    def stop(self) -> None:
        """Tell it to end, and wait for that."""
        cast("IO[str]", self.process.stdin).close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        cast("IO[str]", self.process.stdout).close()


@contextmanager
def serving(
    order: Order, *, python: str = sys.executable, under: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server on the core for servers, or *under* an instrument on any."""
    command = [*(under or ("taskset", "--cpu-list", str(SERVER_CORE)))]
    command += [python, "-m", "benchmarks.speed.serve", order.write()]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        server = Server(process, errors)
        try:
            hello = server.hear()
            server.port, server.path = hello["port"], hello["path"]
            yield server
        finally:
            server.stop()
