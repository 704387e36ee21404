"""Runs what docs/how-to/migrate.md shows: ``make migrating``.

Each app answers the same requests, in an environment with the release that the page is about.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.candidates import BESIDE, Candidate
from benchmarks.peers.environments import ROOT, prepare

PAGE = ROOT / "docs" / "how-to" / "migrate.md"
BLOCK = re.compile(r'```python title="(before|after): (\S+)"\n(.*?)```', re.DOTALL)
CLIENT = "httpx2>=2.16"

PEERS = (
    Candidate("fastapi-cache2", "0.2.2", needs=(BESIDE, "fastapi", "jinja2", CLIENT)),
    Candidate("cashews", "7.6.0", needs=(BESIDE, "fastapi", CLIENT)),
    Candidate("aiocache", "0.12.3", needs=(BESIDE, "fastapi", CLIENT)),
    Candidate("starlette-caches", "0.4.1", needs=(CLIENT,)),
    Candidate("django", "5.2.19", needs=(CLIENT,)),
)

CHECK = """

async def _check():
    import httpx2

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        async def read():
            answer = await client.get("/users/7")
            assert answer.status_code == 200, answer
            return answer.json()

        assert await read() == "Ada"
        users[7] = "nobody heard of this"
        assert await read() == "Ada", "it was not cached"
        assert (await client.put("/users/7", json="Grace")).status_code == 200
        assert await read() == "Grace", "the write was not seen"


import asyncio
asyncio.run(_check())
"""
"""What is the same for all: a read is cached, and a write through the app is seen."""


def blocks() -> list[tuple[str, str, str]]:
    """Return when each app of the page is from, which cache it is about, and its source."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def run(python: str, source: str, *paths: Path) -> None:
    """Run an app and the requests to it, with what lies in *paths* at hand.

    Raises:
        CalledProcessError: It does not answer as it should.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    subprocess.run([python, "-c", source + CHECK], check=True, env=environment, timeout=60)


def main() -> None:
    """Run all of them."""
    pythons = {peer.name: prepare(peer, "-migrating") for peer in PEERS}
    for when, name, source in blocks():
        if when == "before":
            run(pythons[name], source)
        elif name == "django":  # which stays around its app
            run(sys.executable, source, *Path(pythons[name]).parents[1].glob("lib/*/site-packages"))
        else:
            run(sys.executable, source)
        print(f"{name}: what was {when} answers as it should", flush=True)


if __name__ == "__main__":
    main()
