"""What no trouble with Redis brings back: what was purged in another process."""

from __future__ import annotations

import time
from contextlib import contextmanager

import anyio
import pytest
from redis import Redis

from tests.processes.clients import post
from tests.processes.pages import LAG

pytestmark = pytest.mark.anyio

LOG = "asgi-cache:log"


@pytest.fixture
def redis(servers):
    """The Redis of the caches, as its operator sees it."""
    with Redis(port=servers[0].port) as client:
        yield client


def restart(server):
    """Begin with an empty Redis, to which nobody is connected."""
    server.stop()
    server.start()


TROUBLE = {
    "connections-killed": lambda redis, server: redis.client_kill_filter(_type="normal"),
    "log-deleted": lambda redis, server: redis.delete(LOG),
    "log-emptied": lambda redis, server: redis.xtrim(LOG, maxlen=0, approximate=False),
    "log-trimmed": lambda redis, server: redis.xtrim(LOG, maxlen=1, approximate=False),
    "everything-flushed": lambda redis, server: redis.flushall(),
    "restarted": lambda redis, server: restart(server),
}


@pytest.fixture(params=TROUBLE.values(), ids=TROUBLE)
def trouble(request, redis, servers):
    """Bring about one kind of it."""
    return lambda: request.param(redis, servers[0])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_trouble_brings_nothing_back(workers, page, trouble, when):
    """Whether it happens just before a purge or just after it was acknowledged."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(page.watch)
        for _ in range(3):
            await page.is_copied()
            page.change()
            if when == "before":
                trouble()
            known = await page.purge(workers[0])
            if when == "after":
                trouble()
            await page.is_seen_as_it_is(since=known)
        tasks.cancel_scope.cancel()


async def test_who_loses_every_connection_over_and_over_serves_nothing_purged(workers, page, redis):
    """A purge that was acknowledged meanwhile counts as any other."""

    async def keep_killing():
        while True:
            redis.client_kill_filter(_type="normal")
            await anyio.sleep(0.02)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(page.watch)
        for _ in range(3):
            await page.is_copied()
            async with anyio.create_task_group() as killing:
                killing.start_soon(keep_killing)
                page.change()
                await page.is_seen_as_it_is(since=await page.purge(workers[0]))
                killing.cancel_scope.cancel()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("trimmed", [False, True], ids=["log-kept", "log-trimmed"])
async def test_who_slept_through_a_purge_knows_of_it(workers, page, redis, trimmed):
    """Even where the log has no entry left that it knew, nor that of the purge."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(page.watch)
        for _ in range(3):
            await page.is_copied()
            with page.worker.asleep():
                page.change()
                known = await page.purge(workers[0])
                if trimmed:
                    await post(workers[0], "/door/purge?tag=another")
                    redis.xtrim(LOG, maxlen=1, approximate=False)
                await anyio.sleep(known - time.monotonic() + 0.01)
                tasks.start_soon(page.watch)  # the first to be answered when it wakes up
                await anyio.sleep(LAG / 2)
            await page.is_seen_as_it_is(since=known)
        tasks.cancel_scope.cancel()


async def test_who_is_cut_off_trusts_no_copy_for_longer(workers, page, loner, redis):
    """A process that cannot know of purges does not serve as if there were none."""
    page.worker = loner
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(page.watch)
        for _ in range(5):
            await page.is_copied()
            with turned_away(redis, loner.user):
                page.change()
                await page.is_seen_as_it_is(since=await page.purge(workers[0]))
        tasks.cancel_scope.cancel()


@contextmanager
def turned_away(redis, user):
    """Let a Redis have nothing to do with a user, for a while."""
    redis.acl_setuser(user, enabled=False)
    redis.client_kill_filter(user=user)
    try:
        yield
    finally:
        redis.acl_setuser(user, enabled=True)
