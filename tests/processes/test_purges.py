"""When a purge or a write in one process is known in another."""

from __future__ import annotations

import anyio
import pytest

from tests.processes.pages import LAG

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["is-told", "asks"])
def page(request, page, loner):
    """A page as a process serves it that waits for purges, or as one does that cannot."""
    if request.param == "asks":
        page.worker = loner
    return page


async def test_no_copy_is_served_100_ms_after_a_purge_elsewhere(workers, page):
    """Whoever asks that much later is told nothing older, however busy the machine is."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(page.watch)
        for _ in range(20):
            await page.is_copied()
            page.change()
            await page.is_seen_as_it_is(since=await page.purge(workers[0]))
        tasks.cancel_scope.cancel()


async def test_a_purge_that_waits_returns_when_all_processes_know(workers, page):
    """There is no moment after it at which another process serves what it had."""
    for _ in range(25):
        await page.is_copied()
        page.change()
        await page.purge(workers[0], how="wait")
        assert await page.read() == str(page.version)


async def test_a_write_is_known_100_ms_later(workers, page):
    """At once it is known only in the process where it was made."""
    for _ in range(15):
        await page.is_copied()
        await page.write(workers[0])
        assert await page.read(workers[0]) == str(page.version)
        await anyio.sleep(LAG)
        assert await page.read() == str(page.version)
