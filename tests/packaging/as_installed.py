"""Tries a wheel and a source distribution as users get them: ``as_installed.py dist [--suite]``.

Each goes into a new environment, is used from a folder that has nothing else in it, and answers
over HTTP. With ``--suite`` the tests of the source distribution are run on the installed wheel.
It imports nothing that Python does not bring, so that any Python can be asked.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE = 30.0
"""Seconds in which a server has to answer for the first time."""

WITHOUT_A_FRAMEWORK = """
from asgi_cache import CacheMiddleware
from starlette.responses import PlainTextResponse

app = CacheMiddleware(PlainTextResponse("hello"), rules={"/tasks/{task_id}": "2m"})
"""


class Faulty(Exception):
    """What was built is not what it should be."""


def main() -> None:
    """Try all that is in the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", action="store_true", help="run the tests on the wheel")
    given = parser.parse_args()
    wheel, sdist = (only(given.folder.resolve(), kind) for kind in ("*.whl", "*.tar.gz"))
    with tempfile.TemporaryDirectory() as clean:
        try:
            try_both(wheel, sdist, Path(clean), suite=given.suite)
        except Faulty as fault:
            sys.exit(f"{fault}")


def only(folder: Path, kind: str) -> Path:
    """Return the one file of a kind: a folder with two was not emptied before the build."""
    found = sorted(folder.glob(kind))
    if len(found) != 1:
        sys.exit(f"{folder} should hold one {kind}, and holds {len(found)}: run make dist")
    return found[0]


def try_both(wheel: Path, sdist: Path, clean: Path, *, suite: bool) -> None:
    """Look into both, install both, and have both answer."""
    version = wheel.name.split("-")[1]
    look_into(wheel, version)
    source = unpacked(sdist, version, clean)
    readme = (source / "README.md").read_text(encoding="utf-8")
    (quickstart, *_) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    apps = {f"{wheel}[fastapi]": quickstart, f"{sdist}": WITHOUT_A_FRAMEWORK}
    for number, (requirement, app) in enumerate(apps.items()):
        folder = clean / f"{number}"
        python = installed(folder, requirement, "uvicorn")
        look_around(python, folder, version)
        print(f"{Path(requirement).name}: {' | '.join(answers(python, folder, app))}", flush=True)
    if suite:
        run_suite(installed(clean / "suite", f"{wheel}[test]"), source)


def look_into(wheel: Path, version: str) -> None:
    """Check that the package is in the wheel, with its types and licence, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    about = f"asgi_cache-{version}.dist-info"
    ours = ("asgi_cache/", "pytest_asgi_cache.py", f"{about}/")
    strange = [name for name in names if not name.startswith(ours)]
    missing = {
        "asgi_cache/py.typed",
        "asgi_cache/admin/dashboard/index.html",
        "pytest_asgi_cache.py",
        f"{about}/licenses/LICENSE",
    }.difference(names)
    if strange or missing:
        raise Faulty(f"{wheel.name}: should not hold {strange}, should hold {sorted(missing)}")


def unpacked(sdist: Path, version: str, into: Path) -> Path:
    """Unpack the source distribution without the package, and return its folder."""
    name = f"asgi_cache-{version}"
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
        package = (f"{name}/asgi_cache/", f"{name}/pytest_asgi_cache.py")
        archive.extractall(
            into, [each for each in members if not each.name.startswith(package)], filter="data"
        )
    if not (into / name / "README.md").exists() or len(list(into.iterdir())) != 1:
        raise Faulty(f"{sdist.name} should hold one folder {name} with a README.md")
    return into / name


def installed(folder: Path, *requirements: str) -> Path:
    """Make a new environment with *requirements* in it; its Python."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *requirements)
    run(python, "-m", "pip", "check")
    return python


def look_around(python: Path, folder: Path, version: str) -> None:
    """Check what an installation says of itself."""
    said = run(
        python,
        "-c",
        "import asgi_cache, pathlib; home = pathlib.Path(asgi_cache.__file__).parent; "
        "print(asgi_cache.__version__, (home / 'py.typed').exists(), home)",
        cwd=folder,
    ).split()
    if said[:2] != [version, "True"] or not said[2].startswith(f"{folder}"):
        raise Faulty(f"version, py.typed, folder: {said}; expected {version}, True, in {folder}")
    said_by_command = subprocess.run(
        [python.with_name("asgi-cache"), "stats"], capture_output=True, text=True, check=False
    )
    if "pip install 'asgi-cache[cli]'" not in said_by_command.stderr:
        raise Faulty(f"the command should say which extra it needs: {said_by_command}")


def answers(python: Path, folder: Path, app: str) -> list[str]:
    """Return what Cache-Status says when *app* is asked twice."""
    (folder / "main.py").write_text(app, encoding="utf-8")
    with serving(python, folder) as address:
        said = [get(f"{address}/tasks/7") for _ in range(2)]
    first, second = said
    if "fwd=uri-miss" not in first or "stored" not in first or "; hit" not in second:
        raise Faulty(f"asked twice, it should have stored and then hit: {said}")
    return said


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """Serve ``main:app`` with uvicorn; where."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = f"{probe.getsockname()[1]}"
    command = [python, "-m", "uvicorn", "main:app", "--port", port, "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + PATIENCE
        while not answered(f"{address}/up"):
            if process.poll() is not None or time.monotonic() > until:
                raise Faulty("the server did not start")
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


def answered(url: str) -> bool:
    """Whether anything answers, be it with an error."""
    try:
        get(url)
    except URLError as fault:
        return hasattr(fault, "code")
    return True


def get(url: str) -> str:
    """Return the field Cache-Status of one answer."""
    with urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.headers.get("cache-status", ""))


def run_suite(python: Path, source: Path) -> None:
    """Run the tests of the source distribution, where no package lies beside them."""
    tests = subprocess.run([python, "-m", "pytest", "-q"], cwd=source, check=False)
    if tests.returncode:
        raise Faulty("the tests fail on the wheel")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program, and return what it printed."""
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Faulty(f"{' '.join(map(str, command))}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


if __name__ == "__main__":
    main()
