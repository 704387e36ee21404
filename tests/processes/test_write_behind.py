"""Write-behind with processes that are killed while they persist."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from asgi_cache import Cache, WriteBehind
from tests.processes.persisting import BATCH, connect
from tests.redis_server import running_redis

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
WRITES = 10_000
KEYS = 200
KILLS = 10


class Flushers:
    """Two processes that persist, one of which stands by; those that are killed are replaced."""

    def __init__(self, url: str, path: str) -> None:
        self.command = [sys.executable, "-m", "tests.processes.persisting", url, path]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.start()
        self.start()

    def start(self) -> None:
        process = subprocess.Popen(self.command, cwd=ROOT)
        self.processes[process.pid] = process

    def kill(self, number: int) -> None:
        """Kill the process of that number as no program can prevent."""
        self.start()
        process = self.processes.pop(number)
        process.kill()
        process.wait()

    def end(self) -> list[int]:
        """Have all of them end in their own way; what they return."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        return [process.wait(30) for process in self.processes.values()]


@contextmanager
def flushers(url: str, path: str):
    """Run them, and leave none behind."""
    running = Flushers(url, path)
    try:
        yield running
    finally:
        for process in running.processes.values():
            process.kill()
            process.wait()


async def persisted_elsewhere(batch):
    pytest.fail("this process only writes")


async def write_all(behind: WriteBehind) -> None:
    """Write to all keys at once, to each one after another."""

    async def write_to(key: str) -> None:
        for number in range(WRITES // KEYS):
            await behind.write(key, number, ttl="5m")

    await asyncio.gather(*(write_to(f"key:{number}") for number in range(KEYS)))


async def reaches(table, rows: int) -> int:
    """Wait until so many writes have been persisted; who has persisted the last one."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        found = table.execute("SELECT number, process FROM history ORDER BY 1 DESC").fetchone()
        if found is not None and found[0] >= rows:
            return found[1]
        await asyncio.sleep(0.01)
    pytest.fail(f"{rows} writes were not persisted")


async def test_nothing_acknowledged_is_lost_when_flushers_are_killed(tmp_path):
    """Each write is persisted, each key's in order, and repeated is only what was under way."""
    path = str(tmp_path / "table.sqlite")
    with running_redis() as server, closing(connect(path)) as table:
        url = server.url + "?timeout=5s"
        cache = Cache(store=url)
        behind = WriteBehind(cache, persisted_elsewhere)
        with flushers(url, path) as them:
            writing = asyncio.create_task(write_all(behind))
            for turn in range(KILLS):
                rows = random.uniform(turn, turn + 0.9) * WRITES / KILLS
                them.kill(await reaches(table, round(rows)))
            await writing
            await reaches(table, WRITES)
            assert them.end() == [0, 0]
        backlog = await behind.backlog()
        await cache.close()
        history = table.execute("SELECT key, value FROM history ORDER BY number").fetchall()
        latest = dict(table.execute("SELECT key, value FROM latest"))
    assert (backlog.writes, backlog.dead) == (0, 0)
    of_each = {key: [value for k, value in history if k == key] for key in latest}
    assert set(of_each) == {f"key:{number}" for number in range(KEYS)}
    for values in of_each.values():
        assert list(dict.fromkeys(values)) == list(range(WRITES // KEYS))
        assert values[-1] == WRITES // KEYS - 1
    assert set(latest.values()) == {WRITES // KEYS - 1}
    assert len(history) - WRITES <= KILLS * BATCH
