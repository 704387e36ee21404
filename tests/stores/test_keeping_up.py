"""How a process that keeps copies follows the purge log behind what it serves."""

from __future__ import annotations

import asyncio
import time

import pytest
from fakeredis import FakeAsyncRedis

from asgi_cache.stores.redis import TAIL_IDLE, TAIL_PAUSE, RedisStore
from tests.redis_server import running_redis
from tests.stores.probes import commands_seen, connections_named, turns
from tests.stores.processes import EARLY, LATE, ToldLog, process
from tests.stores.records import KEY, OTHER_KEY

pytestmark = pytest.mark.anyio

LOG = "test:log"


async def follows(here):
    """Have *here* follow the log, and read it to its end, by serving a copy; the tail."""
    await here.holds(tags=("a",))
    here.monotonic.now += EARLY
    assert await here.finds() is not None
    await here.synchronised()
    return here.link.tail


async def test_nobody_waits_for_purges_before_copies_are_served(here, admin):
    """A process that only stores and looks up needs no connection for purges."""
    await admin.config_resetstat()
    await here.holds()
    assert await here.finds() is not None
    here.monotonic.now += LATE
    assert await here.finds() is not None
    assert (here.link.tail, here.link.sync) == (None, None)
    assert (await commands_seen(admin))["xread"] == 0


async def test_purge_comes_without_a_lookup(here, there, admin):
    """A copy that is purged elsewhere is void here a moment later, though nobody asked."""
    await follows(here)
    await admin.config_resetstat()
    position = await there.store.append(["a"])
    await here.log.knows(position)
    assert await here.finds() is None
    assert (await commands_seen(admin))["mget"] == 0


async def test_purge_from_before_it_waits_comes_too(here, there):
    """Between the reading of the log and the waiting for more of it nothing is missed."""
    await here.holds(tags=("a",))
    here.monotonic.now += EARLY
    assert await here.finds() is not None
    await here.log.knows(await there.store.append(["a"]))


async def test_purges_come_one_after_the_other(here, there):
    """After a purge the next one is waited for."""
    tail = await follows(here)
    for number in range(5):
        await here.log.knows(await there.store.append([str(number)]))
    assert not tail.done()


async def test_another_log_comes_too(here, there, admin):
    """A log that was begun anew is told like a purge, when its first purge comes."""
    await follows(here)
    former = here.log.identity
    await admin.delete(LOG)
    await here.log.knows(await there.store.append(["b"]))
    assert here.log.identity != former


async def test_news_makes_copies_trusted_for_longer(here, there):
    """Who has just read the log because of a purge need not read it again for that."""
    await follows(here)
    here.monotonic.now += EARLY
    await here.log.knows(await there.store.append(["b"]))
    await turns()
    here.monotonic.now += EARLY
    assert here.store.shared.behind() < LATE


async def test_one_connection_waits(server, admin):
    """However much is served, one connection waits for purges, and one is enough for the rest."""
    async with process(server, name="counted") as here:
        tail = await follows(here)
        for _ in range(20):
            here.monotonic.now += EARLY
            assert await here.finds() is not None
            await here.synchronised()
        assert here.link.tail is tail
        assert await connections_named(admin, "counted") == 2


async def test_only_connection_is_not_kept_waiting(server, there):
    """Where there is one connection it is for look-ups, behind which the log is read as well."""
    async with process(server, connections=1) as here:
        assert await follows(here) is None
        await there.store.append(["a"])
        here.monotonic.now += EARLY
        await here.finds()
        await here.synchronised()
        assert await here.finds() is None
        assert await here.store.get(OTHER_KEY) is None


async def test_it_ends_when_copies_are_not_served_any_more(here, there):
    """A process that has nothing to do does not wait for purges for ever."""
    tail = await follows(here)
    here.monotonic.now += TAIL_IDLE
    await there.store.append(["b"])
    await asyncio.wait([tail], timeout=5)
    assert tail.done()
    again = await follows(here)
    assert again is not tail
    await here.log.knows(await there.store.append(["c"]))


async def test_it_goes_on_while_copies_are_served(here, there):
    """Each use keeps it going for as long as the first one."""
    tail = await follows(here)
    for _ in range(3):
        here.monotonic.now += TAIL_IDLE / 2
        assert await follows(here) is tail
        await here.log.knows(await there.store.append(["b"]))
    assert not tail.done()


async def test_storm_of_purges_is_read_in_gulps(here, admin):
    """Purges that come faster than they can be read cost no more than a few that do not."""
    await follows(here)
    await admin.config_resetstat()
    started = time.monotonic()
    (first,) = await admin.xrange(LOG, count=1)
    for _ in range(1000):
        await admin.xadd(LOG, first[1])
    await here.log.knows(await here.store.append(["last"]))
    seconds = time.monotonic() - started
    seen = await commands_seen(admin)
    assert seen["xadd"] == 1001
    assert seen["xread"] <= 1.5 * seconds / TAIL_PAUSE + 2


async def test_server_in_trouble_is_not_pestered(here, admin):
    """Who is refused waits before the next try, and nobody hears of it."""
    await here.holds()
    await admin.set(LOG, "of another type")
    await admin.config_resetstat()
    here.monotonic.now += EARLY
    assert await here.finds() is not None
    await here.synchronised()
    async with asyncio.timeout(5):
        while (await commands_seen(admin))["xread"] == 0:
            pass
    started = time.monotonic()
    while time.monotonic() - started < 20 * TAIL_PAUSE:
        await admin.ping()
    assert (await commands_seen(admin))["xread"] <= 2


async def test_it_goes_on_when_the_server_is_back():
    """A connection that was lost is made again."""
    with running_redis() as server:
        async with process(server) as here, process(server) as there:
            tail = await follows(here)
            server.stop()
            server.start()
            await here.log.knows(await there.store.append(["b"]))
            assert here.link.tail is tail
            assert not tail.done()


@pytest.mark.parametrize("after", [0, 3], ids=["before-they-began", "on-their-way"])
async def test_cancelled_tasks_are_begun_again(here, there, after):
    """Somebody who cancels every task there is does not end it for good."""
    await here.holds()
    here.monotonic.now += EARLY
    await here.finds()
    await turns(after)
    former = {here.link.tail, here.link.sync}
    for task in former:
        task.cancel()
    await asyncio.wait(former)
    await here.finds()
    assert not {here.link.tail, here.link.sync} & former
    await here.log.knows(await there.store.append(["b"]))


async def test_it_works_with_fakeredis():
    """What stands in for a server in an app's own tests will do."""
    async with FakeAsyncRedis() as client:
        here, there = (RedisStore(client, namespace="test", timeout=5) for _ in range(2))
        log, other = ToldLog(), ToldLog()
        here.follow(log)
        there.follow(other)
        await here.get(KEY)
        here.keep_up()
        await turns(50)
        await log.knows(await there.append(["a"]))
        await here.close()
        await there.close()
