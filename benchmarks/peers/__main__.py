"""``make peers``: ask each peer the same, in an environment of its own, and print a table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.candidates import CANDIDATES, Candidate
from benchmarks.peers.environments import ROOT, WORK, NotCompared, prepare, versions
from benchmarks.peers.table import markdown

RESULTS = Path(__file__).parents[1] / "results"


def main() -> int:
    """Measure those that the command line names; write the results if it names none."""
    names = _parser().parse_args().peer
    found: dict[str, Any] = {"python": "{}.{}".format(*sys.version_info)}
    found |= {"peers": {}, "not_compared": {}}
    for candidate in CANDIDATES:
        if names and candidate.name not in names:
            continue
        try:
            found["peers"][candidate.name] = _measure(candidate, prepare(candidate))
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
    names = [candidate.name] if candidate.version else []
    return {"versions": versions(python, *names, "starlette")} | found


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
