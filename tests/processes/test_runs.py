"""How often processes run the app for what many clients want at once."""

from __future__ import annotations

import time

import anyio
import pytest

from tests.processes.clients import FOREVER, get, get_often

pytestmark = pytest.mark.anyio

LEASE = 2.0
"""Seconds after which the lease of a process that died is free."""


async def until_it_runs(database, name):
    """Wait until the app has begun to make the response."""
    with anyio.fail_after(FOREVER):
        while not database.get(f"runs:{name}"):  # noqa: ASYNC110 - it tells nobody
            await anyio.sleep(0.001)


async def test_five_hundred_clients_of_four_processes_cause_one_run(workers, database):
    """However many miss the same response at once, on however many processes."""
    answers = await get_often(workers, "/slow/popular", 500)
    assert {answer.text for answer in answers} == {"slow:popular, run 1"}
    assert database.get("runs:slow:popular") == "1"


async def test_b19_a_process_that_is_killed_holds_nobody_up_for_long(workers, begin, database):
    """Others wait for its lease to end, and then one of them runs the app."""
    doomed, path = begin(), "/slow/orphan?seconds=1"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_be_let_down, doomed, path)
        await until_it_runs(database, "slow:orphan")
        doomed.kill()
        began = time.monotonic()
        answers = await get_often(workers, path, 40)
        took = time.monotonic() - began
    assert {answer.text for answer in answers} == {"slow:orphan, run 2"}
    assert took < LEASE + 1 + 1.5


async def _be_let_down(worker, path):
    with pytest.raises(ConnectionResetError):
        await get(worker, path)


@pytest.mark.parametrize("several", [False, True], ids=["one-process", "four-processes"])
async def test_what_nobody_can_share_is_made_for_all_at_once(workers, database, several):
    """Once a response has turned out to be for one client alone, nobody waits for another's."""
    asked = workers if several else workers[:1]
    name = f"private:{several}"
    path, times = f"/private/{several}?seconds=0.5", 100
    await get_often(asked[:1], path, times)
    database.delete(f"together:{name}")
    began = time.monotonic()
    answers = await get_often(asked, path, times)
    took = time.monotonic() - began
    assert len({answer.text for answer in answers}) == times
    assert max(map(int, database.lrange(f"together:{name}", 0, -1))) >= 90
    assert took < times * 0.5 / 10
