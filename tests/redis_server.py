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

    def start(self) -> None:
        """Start it, and return as soon as it accepts connections."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", self.directory, "--unixsocket", self.socket_path]
        command += ["--save", "", "--appendonly", "no", *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stdout or ():
            said.append(line)
            if "Ready to accept connections" in line:
                return
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
        if self.process.stdout:
            self.process.stdout.close()


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
