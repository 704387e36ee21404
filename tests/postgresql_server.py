"""A real PostgreSQL server for tests, on a free port, which leaves nothing behind."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.redis_server import free_port

INSTALLED = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
"""Where Debian puts what only a server's owner needs; the newest comes last."""


def found(program: str) -> str | None:
    """Return where *program* of PostgreSQL's is."""
    return shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *INSTALLED[::-1]]))


@contextmanager
def running_postgresql() -> Iterator[str]:
    """Run a server of one's own; return where it listens, as ``user@host:port/database``."""
    initdb, pg_ctl = found("initdb"), found("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL is not there: apt-get install postgresql")
    user = None
    if os.getuid() == 0:  # as whom it refuses to run
        user = "postgres"
        if user not in {each.pw_name for each in pwd.getpwall()}:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    with tempfile.TemporaryDirectory() as directory:
        if user is not None:
            shutil.chown(directory, user)
        data, port = f"{directory}/data", free_port()

        def run(*command: str) -> None:
            subprocess.run(command, check=True, user=user, cwd=directory, stdout=subprocess.DEVNULL)

        run(initdb, "--pgdata", data, "--auth=trust", "--username=tests", "--no-sync")
        how = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(pg_ctl, "--pgdata", data, "--log", f"{directory}/log", "--wait", "-o", how, "start")
        try:
            yield f"tests@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "--pgdata", data, "--wait", "--mode=immediate", "stop")
