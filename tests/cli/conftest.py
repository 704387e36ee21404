"""A shop that is open, and the command as its owners type it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from asgi_cache.cli.failing import Exit
from asgi_cache.cli.main import main
from tests.redis_server import redis_server

__all__ = ["redis_server"]

ROOT = Path(__file__).parents[2]

RULES = """
store = "{store}?timeout=5s"
namespace = "shop"
base_url = "{url}"

[rules]
"/products/{{number:int}}" = {{ ttl = "1h", public = true, tags = ["products"] }}
"/endless" = {{ ttl = "1h", public = true }}
"/cart" = "1m"
"/watched/**" = {{ observe = true }}
"/counts" = "never"
"""


@dataclass
class Shop:
    """A running app, and what it was started with."""

    url: str
    config: Path
    client: httpx.Client

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how often each path was asked for, and how often its handler ran."""
        return self.get("/counts").json()

    def get(self, path: str, **fields: str) -> httpx.Response:
        """Ask as a client does."""
        return self.client.get(self.url + path, headers=fields)


@pytest.fixture(scope="session")
def shop(redis_server, tmp_path_factory) -> Iterator[Shop]:
    """One for the whole run: each test has products of its own."""
    redis_server.empty()
    config = tmp_path_factory.mktemp("shop") / "asgi-cache.toml"
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config.write_text(RULES.format(store=redis_server.url, url=url))
        # As on a socket that asyncio makes: else a head and its body wait for each other's ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.shop", str(descriptor)],
            cwd=ROOT,
            env=os.environ | {"SHOP_CONFIG": str(config)},
            pass_fds=[descriptor],
        )
    try:
        with httpx.Client(trust_env=False) as client:
            yield Shop(url, config, client)
    finally:
        process.kill()  # some of its handlers never end
        process.wait()


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch):
    """No variable of whoever runs the tests counts."""
    for name in [*os.environ]:
        if name.startswith("ASGI_CACHE_") or name in {"NO_COLOR", "FORCE_COLOR"}:
            monkeypatch.delenv(name)


@dataclass
class Said:
    """What a command has printed, and the status it exited with."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys):
    """Run the command in this process."""

    def command(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return command


@pytest.fixture
def fill(command, shop):
    """Have a path's response stored, and wait until Redis has it; the URL."""

    def fill(path: str) -> str:
        url = shop.url + path
        assert shop.get(path).status_code == 200
        deadline = time.monotonic() + 20
        while (said := command("inspect", url, "--config", shop.config)).code != Exit.DONE:
            assert time.monotonic() < deadline, said  # the app answered without waiting for that
        return url

    return fill
