"""On what and with what was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.peers.candidates import CANDIDATES
from benchmarks.peers.environments import NotCompared, prepare, versions

PACKAGES: Final = (
    *("uvicorn", "uvloop", "httptools"),
    *("redis", "hiredis", "starlette", "fastapi"),
)
COMMIT: Final = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty")
PROGRAMS: Final = {
    "redis-server": ("redis-server", "--version"),
    "wrk": ("wrk", "--version"),
    "valgrind": ("valgrind", "--version"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What figures depend on."""

    date: str
    processors: int
    load: float
    """Its load average before."""
    versions: Mapping[str, str]


def machine() -> Machine:
    """Look at this one."""
    used = {"Python": platform.python_version(), "asgi-cache": _measured()}
    used |= {name: version(name) for name in PACKAGES}
    used |= {name: _said(command) for name, command in PROGRAMS.items()}
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return Machine(date, len(os.sched_getaffinity(0)), round(os.getloadavg()[0], 1), used)


def versions_of_peers() -> dict[str, dict[str, str]]:
    """Return what each peer was measured with that could be installed."""
    found = {}
    for candidate in (each for each in CANDIDATES if each.version):
        with suppress(NotCompared):
            found[candidate.name] = versions(prepare(candidate), candidate.name, *PACKAGES)
    return found


def _measured() -> str:
    """Return the commit that is checked out; the version installed is that of the installation."""
    done = subprocess.run(COMMIT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or version("asgi-cache")


def _said(command: tuple[str, ...]) -> str:
    """Return the version that a program says it is."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "unknown"
