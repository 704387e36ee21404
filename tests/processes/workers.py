"""Processes that share a Redis: how they are started, put to sleep, killed and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]

HOST = "example.org"
"""Whom clients ask, on whatever port it listens: responses are stored by host."""

PATIENT = "?timeout=5s"
"""A busy machine is no reason to do without Redis."""


@dataclass
class Worker:
    """A process that serves, until it is stopped or killed."""

    cache: RedisServer
    database: RedisServer
    said_in: Path
    options: str = ""
    """Of its store, beside those of all."""
    user: str = "default"
    """As whom it goes to the caches' Redis, which may turn it away."""
    warm: str = ""
    port: int = field(init=False)
    """Where it listens, and has since before it ran."""
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def said(self) -> str:
        """All that it has written: warnings, and the log."""
        return self.said_in.read_text()

    def start(self) -> None:
        """Start it; it answers when it is ready, and connections wait until then."""
        with (
            socket.create_server(("127.0.0.1", 0), backlog=1024) as listening,
            self.said_in.open("wb") as said,
        ):
            self.port = listening.getsockname()[1]
            descriptor = listening.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-W", "default", "-m", "tests.processes.serve", str(descriptor)],
                cwd=ROOT,
                env=os.environ | self._settings(),
                pass_fds=[descriptor],
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def _settings(self) -> dict[str, str]:
        return {
            "STORE": f"{self.cache.url}{PATIENT}&username={self.user}&password=any{self.options}",
            "DATABASE": self.database.url,
            "BASE_URL": f"http://{HOST}",
            "WARM": self.warm,
        }

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Let it do nothing for a while, and know nothing of that."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
