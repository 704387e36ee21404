"""Write-behind with processes that are killed while they persist."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from asgi_cache import Cache, PurgeNotAcknowledged, WriteBehind
from tests.processes.persisting import BATCH, connect
from tests.redis_server import running_redis

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
WRITES = int(os.environ.get("WRITE_BEHIND_WRITES", "1500"))
KEYS = WRITES // 50
WRITERS = 10
SLOW = 2
"""Flushers that may lose their lease as this machine has other work, and repeat a batch too."""
KILLS = max(3, WRITES // 1000)


def gone(process: subprocess.Popen[bytes]) -> None:
    """Kill it, if it is there still."""
    process.kill()
    process.wait()
    process.stdout.close()


class Flushers:
    """Two processes that persist, one of which stands by; those that are killed are replaced."""

    def __init__(self, url: str, path: str) -> None:
        self.command = [sys.executable, "-m", "tests.processes.persisting", url, path]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.start()
        self.start()

    def start(self) -> None:
        process = subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.PIPE)
        self.processes[process.pid] = process

    def kill(self, number: int) -> None:
        """Kill the process of that number, and let another one stand by."""
        gone(self.processes.pop(number))
        self.start()

    def end(self) -> list[int]:
        """Have all of them end in their own way; what they return."""
        for process in self.processes.values():
            assert process.stdout.readline() == b"ready\n"
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
            gone(process)


async def persisted_elsewhere(batch):
    pytest.fail("this process only writes")


async def write_all(behind: WriteBehind) -> None:
    """Write to all keys, several at once, to each one after another."""

    async def write_to(keys: Sequence[str]) -> None:
        for number in range(WRITES // KEYS):
            for key in keys:
                with suppress(PurgeNotAcknowledged):  # the stream has it all the same
                    await behind.write(key, number, ttl="5m")

    keys = [f"key:{number}" for number in range(KEYS)]
    await asyncio.gather(*(write_to(keys[first::WRITERS]) for first in range(WRITERS)))


async def reaches(table, rows: int, them: Flushers) -> int:
    """Wait until so many writes have been persisted; who, of those that live, did the last."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        found = table.execute("SELECT number, process FROM history ORDER BY 1 DESC").fetchone()
        if found is not None and found[0] >= rows and found[1] in them.processes:
            return found[1]
        await asyncio.sleep(0.01)
    pytest.fail(f"{rows} writes were not persisted")


@pytest.mark.timeout(30 + WRITES / 50)
async def test_nothing_acknowledged_is_lost_when_flushers_are_killed(tmp_path):
    """Each write is persisted, each key's in order, and repeated is only what was under way."""
    path, began_at = str(tmp_path / "table.sqlite"), time.monotonic()
    with running_redis() as server, closing(connect(path)) as table:
        url = server.url + "?timeout=5s"
        cache = Cache(store=url)
        behind = WriteBehind(cache, persisted_elsewhere)
        with flushers(url, path) as them:
            writing = asyncio.create_task(write_all(behind))
            for turn in range(KILLS):
                rows = random.uniform(turn, turn + 0.9) * WRITES / KILLS
                them.kill(await reaches(table, round(rows), them))
            await writing
            await reaches(table, WRITES, them)
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
    repeated = len(history) - WRITES
    assert repeated <= (KILLS + SLOW) * BATCH
    seconds = time.monotonic() - began_at
    sys.stdout.write(
        f"{WRITES} writes to {KEYS} keys, {KILLS} flushers killed: all persisted in order, "
        f"{repeated} more than once, in {seconds:.0f} s\n"
    )
