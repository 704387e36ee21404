"""``make peers``: ask each peer the same, in an environment of its own, and print a table."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.candidates import BESIDE, CANDIDATES, Candidate
from benchmarks.peers.table import markdown

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = HERE / ".work"
RESULTS = HERE.parent / "results"
VERSIONS = """
import json, sys
from importlib.metadata import distributions
found = {d.name: d.version for d in distributions()}
print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))
"""


class NotCompared(Exception):
    """Why a candidate is not in the table."""


def main() -> int:
    """Measure those that the command line names; write the results if it names none."""
    names = _parser().parse_args().peer
    found: dict[str, Any] = {"python": "{}.{}".format(*sys.version_info)}
    found |= {"peers": {}, "not_compared": {}}
    for candidate in CANDIDATES:
        if names and candidate.name not in names:
            continue
        try:
            found["peers"][candidate.name] = _measure(candidate, _prepare(candidate))
        except NotCompared as reason:
            found["not_compared"][f"{candidate.name} {candidate.version}"] = str(reason)
    table = markdown(found)
    print(table)
    if not names:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "peers.json").write_text(json.dumps(found, indent=1) + "\n")
        (RESULTS / "peers.md").write_text(table)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    choices = [candidate.name for candidate in CANDIDATES]
    parser.add_argument("--peer", action="append", choices=choices, help="only this one")
    return parser


def _prepare(candidate: Candidate) -> str:
    """Install a candidate, once; the Python that can import it.

    Raises:
        NotCompared: it says itself that it does not work with a current Starlette.
    """
    if not candidate.requirements:
        return sys.executable
    home = WORK / f"{candidate.name}-{candidate.version}"
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


def _measure(candidate: Candidate, python: str) -> dict[str, Any]:
    print(f"Asking {candidate.name} ...", file=sys.stderr)
    WORK.mkdir(exist_ok=True)
    report, log = (WORK / f"{candidate.name}.{suffix}" for suffix in ("json", "log"))
    with _redis(candidate) as variables, log.open("w") as output:
        done = subprocess.run(
            [python, "-m", "benchmarks.peers.measure", candidate.adapter, str(report)],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{candidate.name} was not measured: see {log}")
    found: dict[str, Any] = json.loads(report.read_text())
    return {"versions": _versions(python, candidate)} | found


def _versions(python: str, candidate: Candidate) -> dict[str, str]:
    names = [candidate.name] if candidate.version else []
    command = [python, "-c", VERSIONS, *names, "starlette"]
    done = subprocess.run(command, capture_output=True, check=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


@contextmanager
def _redis(candidate: Candidate) -> Iterator[dict[str, str]]:
    """Run a Redis for those that need one; the variable that tells them where it is.

    Raises:
        NotCompared: there is no ``redis-server``.
    """
    if not candidate.needs_redis:
        yield {}
        return
    if shutil.which("redis-server") is None:
        raise NotCompared("needs Redis, and there is no `redis-server` here")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=WORK) as server:
        try:
            while "Ready to accept" not in (
                line := server.stdout.readline() if server.stdout else ""
            ):
                if not line:
                    raise SystemExit("redis-server did not start")
            yield {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
