"""An environment for each peer, with what it needs and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers.candidates import BESIDE, Candidate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = HERE / ".work"
VERSIONS = """
import json, sys
from importlib.metadata import distributions
found = {d.name: d.version for d in distributions()}
print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))
"""


class NotCompared(Exception):
    """Why a candidate is not in the table."""


def prepare(candidate: Candidate, purpose: str = "") -> str:
    """Install a candidate, once for each *purpose*; the Python that can import it.

    Raises:
        NotCompared: it says itself that it does not work with a current Starlette.
    """
    if not candidate.requirements:
        return sys.executable
    home = WORK / f"{candidate.name}-{candidate.version}{purpose}"
    python, state = home / "bin" / "python", home / "installed.json"
    wanted = list(candidate.requirements)
    known = json.loads(state.read_text()) if state.exists() else {}
    if known.get("requirements") != wanted:
        print(f"Installing {candidate.name} {candidate.version} ...", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        known = {"requirements": wanted, "refused": _install(python, candidate)}
        state.write_text(json.dumps(known))
    if known["refused"]:
        raise NotCompared(f"{known['refused']}: it cannot be installed beside `{BESIDE}`")
    return str(python)


def _install(python: Path, candidate: Candidate) -> str:
    """Install what a candidate needs; what it says itself against a current Starlette, if so."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    done = subprocess.run(
        [*command, *candidate.requirements], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    conflict = re.search(r"depends on (starlette[^\n]*)", said)
    if done.returncode and not conflict:
        raise SystemExit(f"pip could not install {candidate.name}:\n{said}")
    return f"needs `{conflict[1]}`" if done.returncode and conflict else ""


def versions(python: str, *names: str) -> dict[str, str]:
    """Return which releases are installed there."""
    done = subprocess.run([python, "-c", VERSIONS, *names], capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
