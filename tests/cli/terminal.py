"""A terminal in which a command runs, and somebody who reads what it says."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.cli.conftest import ROOT


class Terminal:
    """The command in a terminal of so many columns."""

    def __init__(self, *arguments: object, columns: int = 100) -> None:
        self.said = ""
        self._end, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asgi_cache", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": f"{columns}", "LINES": "40", "TERM": "xterm-256color"},
            stdin=other,
            stdout=other,
            stderr=other,
            preexec_fn=lambda: os.login_tty(other),  # noqa: PLW1509 - for Ctrl-C; no thread runs
        )
        os.close(other)

    def read(self, until: str) -> None:
        """Read what it says, until that has come or it has ended."""
        while until not in self.said:
            try:
                more = os.read(self._end, 65536)
            except OSError:  # nobody is at the other end any more
                return
            self.said += more.decode()

    def type(self, keys: str) -> None:
        """Press some keys."""
        os.write(self._end, keys.encode())

    def wait(self) -> int:
        """Read what it says to its end, and return its status."""
        self.read("\0")
        code = self.process.wait(20)
        os.close(self._end)
        return code
