"""A real ``redis-server`` for tests, on a free port, which leaves nothing behind."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, cast

import pytest
from redis import Redis


@dataclass
class RedisServer:
    """A server that is running, or hung, or gone."""

    port: int
    directory: str
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] = field(init=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_path(self) -> str:
        """Where it listens, too."""
        return f"{self.directory}/redis.sock"

    @property
    def output(self) -> IO[str]:
        """What it says."""
        return cast("IO[str]", self.process.stdout)

    def start(self) -> None:
        """Start it, and return as soon as it accepts connections."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", self.directory, "--unixsocket", self.socket_path]
        command += ["--save", "", "--appendonly", "no", *self.arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said: list[str] = []
        while "Ready to accept connections" not in "".join(said[-1:]):
            said.append(self.output.readline())
            if not said[-1]:
                self.stop()
                pytest.fail(f"redis-server did not start:\n{''.join(said)}", pytrace=False)

    def empty(self) -> None:
        """Forget all that was stored in it."""
        with Redis(port=self.port) as client:
            client.flushall()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Let it accept connections but answer nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.output.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_redis(*arguments: str) -> Iterator[RedisServer]:
    """Run a server of one's own, with more *arguments* on its command line."""
    if shutil.which("redis-server") is None:
        pytest.fail("these tests need redis-server: apt-get install redis-server", pytrace=False)
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(free_port(), directory, arguments)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for the whole run; whoever uses it empties it first."""
    with running_redis() as server:
        yield server
