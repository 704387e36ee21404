"""A Varnish of our own in front of a server on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.redis_server import free_port

LOOPBACK: Final = "127.0.0.1"
VCL: Final = Path(__file__).with_suffix(".vcl")
PARAMETERS: Final = {
    "default_ttl": "0",  # nothing is fresh that does not say so
    "default_grace": "0",  # nothing stale is served
    "default_keep": "3600",  # what is stale is validated
    "http_gzip_support": "off",  # which would rewrite Accept-Encoding, and bodies
}
PATIENCE: Final = 30.0
PROGRAM: Final = shutil.which("varnishd", path=f"{os.environ['PATH']}:/usr/sbin") or "varnishd"
"""Not every user has the directory on PATH that it is installed in."""


@contextmanager
def varnish(app_port: int) -> Iterator[int]:
    """Run one in front of *app_port*; the port on which it listens."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "app.vcl").write_text(VCL.read_text().replace("@PORT@", str(app_port)))
        with (place / "said").open("wb") as said:
            process = subprocess.Popen(_command(place, port), stdout=said, stderr=said)
        try:
            _until_it_listens(process, port, place / "said")
            yield port
        finally:
            process.terminate()
            process.wait()


def version() -> str:
    """Return what it calls itself."""
    done = subprocess.run([PROGRAM, "-V"], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).partition("(")[2].partition(" revision")[0]


def _command(place: Path, port: int) -> list[str]:
    parameters = [word for name, value in PARAMETERS.items() for word in ("-p", f"{name}={value}")]
    return [
        *(PROGRAM, "-F", "-j", "none", "-n", str(place / "work"), "-f", str(place / "app.vcl")),
        *("-a", f"{LOOPBACK}:{port}", "-T", "none", "-s", "malloc,256m", *parameters),
    ]


def _until_it_listens(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"varnishd did not start:\n{said.read_text()}")
