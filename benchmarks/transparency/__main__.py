"""``make transparency``: run other projects' tests without and with the cache, and compare.

Adding the middleware with no settings must change nothing that an app's own tests can see.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.transparency.projects import PROJECTS, Project

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = HERE / ".work"
ALL = ("tests",)
AGAIN_AT_MOST = 300
"""So many tests are run again by themselves to see whether a difference is steady."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a project's tests ended with, by test."""

    requests: int
    tests: Mapping[str, str]

    def differences(self, other: Run) -> dict[str, tuple[str, str]]:
        """Find the tests that ended otherwise in *other*, or did not run in one of the two."""
        names = sorted(self.tests.keys() | other.tests.keys())
        pairs = {
            name: (self.tests.get(name, "absent"), other.tests.get(name, "absent"))
            for name in names
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def main() -> int:
    """Compare each project that the command line names; 1 if one of them differs."""
    arguments = _parser().parse_args()
    wanted = [p for p in PROJECTS if arguments.project in (p.name, None)]
    return max(_compare(project, arguments.layer) for project in wanted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transparency")
    parser.add_argument("--project", choices=[p.name for p in PROJECTS], help="only this one")
    parser.add_argument(
        "--layer",
        default="cache",
        choices=["cache", "identity", "naive"],
        help="what to put in front; the others prove this program: identity has to change nothing, "
        "naive has to change something",
    )
    return parser


def _compare(project: Project, layer: str) -> int:
    source = _prepare(project)
    plain, wrapped = (_run(project, source, name) for name in ("none", layer))
    differences = plain.differences(wrapped)
    steady = _steady(project, source, layer, differences)
    unexplained = [name for name in steady if name not in project.explained]
    print(
        f"{project.name} {project.version}: {len(plain.tests)} tests, {wrapped.requests} requests "
        f"through the layer, {len(unexplained)} tests differ"
    )
    for name, (before, after) in differences.items():
        remark = project.explained.get(name, "") if name in steady else "not steady"
        print(f"  {name}: {before} → {after}{remark and f' ({remark})'}")
    for name in sorted(project.explained.keys() - differences.keys()):
        print(f"  {name}: explained in projects.py, but does not differ any more")
    if not wrapped.requests:
        print("  no request went through the layer: this proves nothing")
    return 1 if unexplained or not wrapped.requests else 0


def _steady(
    project: Project, source: Path, layer: str, differences: Mapping[str, object]
) -> Sequence[str]:
    """Run the tests that differ by themselves, to tell them from those that now and then fail."""
    names = list(differences)
    if not names or len(names) > AGAIN_AT_MOST:
        return names
    plain, wrapped = (_run(project, source, name, names) for name in ("none", layer))
    return list(plain.differences(wrapped))


def _run(project: Project, source: Path, layer: str, tests: Sequence[str] = ALL) -> Run:
    turn = "all" if tests == ALL else "again"
    report = source.parent / f"{layer}-{turn}.json"
    report.unlink(missing_ok=True)
    steering = {
        "PYTHONPATH": str(HERE),
        "TRANSPARENCY_LAYER": layer,
        "TRANSPARENCY_REPORT": str(report),
    }
    options = ["-q", "-p", "wrapping", "-p", "no:cacheprovider", *project.pytest_arguments]
    with report.with_suffix(".log").open("w") as log:
        subprocess.run(
            [str(_python(source.parent)), "-m", "pytest", *options, *tests],
            cwd=source,
            env=os.environ | steering,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if not report.exists():
        raise SystemExit(f"The tests of {project.name} did not run: see {log.name}")
    found = json.loads(report.read_text())
    return Run(found["requests"], found["tests"])


def _prepare(project: Project) -> Path:
    """Download and install a release with its tests, once; the directory of its sources."""
    release = f"{project.name}-{project.version}"
    home = WORK / release
    source = home / release
    if not (home / "ready").exists():
        print(f"Installing {release} and what its tests need ...", flush=True)
        venv.create(home / "venv", with_pip=True, clear=True)
        _pip(home, "install", "--upgrade", "pip>=25.1")  # the first that knows groups
        pinned = f"{project.name}=={project.version}"
        _pip(home, "download", "--no-deps", "--no-binary", project.name, "-d", str(home), pinned)
        with tarfile.open(home / f"{release}.tar.gz") as archive:
            archive.extractall(home, filter="data")
        group = f"{source / 'pyproject.toml'}:{project.group}"
        # Editable, so that the tests run the sources beside them.
        _pip(home, "install", "--editable", f"{source}[{project.extras}]", "--group", group)
        _pip(home, "install", "--editable", str(ROOT))
        (home / "ready").touch()
    return source


def _python(home: Path) -> Path:
    return home / "venv" / "bin" / "python"


def _pip(home: Path, *arguments: str) -> None:
    subprocess.run([str(_python(home)), "-m", "pip", "-qq", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
