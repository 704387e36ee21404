"""Servers that fork their workers, or start several: each has connections of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.processes.clients import FOREVER
from tests.processes.pages import LAG
from tests.redis_server import free_port

ROOT = Path(__file__).parents[2]
APP = "tests.processes.forked:app"
SERVERS = {
    "uvicorn-workers": ["uvicorn", APP, "--workers", "2", "--port"],
    "gunicorn": ["gunicorn", APP, "--workers", "2", "-k", "uvicorn_worker.UvicornWorker", "-b"],
    "gunicorn-preload": [
        *("gunicorn", APP, "--preload", "--workers", "2"),
        *("-k", "uvicorn_worker.UvicornWorker", "-b"),
    ],
}
MISTAKES = ("Traceback", "Warning:", "different loop", "never awaited", "unclosed", "ERROR")


@contextmanager
def running(command, store, said_in):
    """Run a server of two workers; ask it by this client, and see that it ends well."""
    port = free_port()
    where = f"127.0.0.1:{port}" if command[-1] == "-b" else str(port)
    with said_in.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-W", "default", "-m", *command, where],
            cwd=ROOT,
            env=os.environ | {"STORE": store},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(FOREVER) in {0, -signal.SIGTERM}


def answer(client, path, method="GET"):
    """Ask on a new connection, so that any worker may take it, as soon as there is a server."""
    deadline = time.monotonic() + FOREVER
    while True:
        try:
            return client.request(method, path, headers={"Connection": "close"})
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def workers_of(client):
    """Return the processes that serve, once there are two."""
    seen = set()
    deadline = time.monotonic() + FOREVER
    while len(seen) < 2:
        assert time.monotonic() < deadline
        seen.add(answer(client, "/who").text)
    return seen


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_b29_workers_share_what_is_stored_and_nothing_else(servers, command, tmp_path):
    """Whatever was connected before they were forked, and whoever of them answers."""
    said_in = tmp_path / "said.log"
    with running(command, servers[0].url + "?timeout=5s", said_in) as client:
        workers = workers_of(client)
        for number in range(5):
            path = f"/pages/{number}"
            made = {answer(client, path).text for _ in range(20)}
            assert len(made) == 1
            assert made < workers
            assert answer(client, path, "PUT").status_code == 200
            time.sleep(LAG)  # after which no process serves what it had
            assert len({answer(client, path).text for _ in range(20)}) == 1
        listening = f"laddr=('127.0.0.1', {client.base_url.port})>"  # which uvicorn leaves open
    lines = said_in.read_text().splitlines()
    said = [line for line in lines if listening not in line and "Enable tracemalloc" not in line]
    assert [line for line in said if any(mistake in line for mistake in MISTAKES)] == []
