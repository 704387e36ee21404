"""Copies in front of Redis: when they are trusted, and what is written behind them."""

from __future__ import annotations

import asyncio
import gc
import logging
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from asgi_cache.errors import StoreUnavailable
from asgi_cache.policy.keeping import keep_for
from asgi_cache.stores.codec import decode, encode
from asgi_cache.stores.footprint import size_of
from asgi_cache.stores.tiered import INDEX_TTL
from tests.redis_server import running_redis
from tests.stores.probes import commands_seen, gone, turns
from tests.stores.processes import EARLY, IMPATIENT, LATE, Process, process
from tests.stores.records import (
    INDEX,
    KEY,
    OTHER_KEY,
    RESPONSE,
    RecordingReader,
    response_under,
)

pytestmark = pytest.mark.anyio

LOG = "test:log"
NAME = f"test:r:{KEY.hex()}"

LARGE = response_under(KEY, body=bytes(16 * 2**20))
"""More than is in the buffers of a connection to a server that hangs."""


class TestCopies:
    """What a process finds without asking, and for how long."""

    async def test_copy_is_found_without_asking(self, here, admin):
        """While the log was read lately, a copy costs Redis nothing."""
        stored = await here.holds()
        await admin.config_resetstat()
        here.monotonic.now += LATE / 4
        for _ in range(10):
            assert await here.finds() is stored
        assert (await commands_seen(admin)).keys() <= {"config|resetstat", "info"}

    async def test_what_is_found_becomes_a_copy(self, here, there, admin):
        """What one process has stored costs another one look-up."""
        stored = await there.holds()
        assert await here.finds() == stored
        await admin.config_resetstat()
        assert await here.finds() == stored
        assert (await commands_seen(admin))["mget"] == 0

    async def test_nothing_is_no_copy(self, here, there):
        """That there was nothing is not remembered."""
        assert await here.finds() is None
        stored = await there.holds()
        assert await here.finds() == stored

    async def test_latest_is_asked_for(self, here, there):
        """Who wants the latest record gets no copy, and later ones get that too."""
        await here.holds()
        newer = there.born(status=404)
        await there.store.put(KEY, newer, 3600)
        await there.store.landed(KEY)
        assert (await here.store.get(KEY)).status == 200
        assert (await here.store.get(KEY, latest=True)).status == 404
        assert (await here.store.get(KEY)).status == 404

    async def test_log_is_read_behind_what_is_served(self, here, admin):
        """Some time before the copies cannot be trusted any more the log is read again."""
        stored = await here.holds()
        for _ in range(5):
            await admin.config_resetstat()
            here.monotonic.now += EARLY
            assert await here.finds() is stored
            await here.synchronised()
            seen = await commands_seen(admin)
            assert (seen["xrange"], seen["mget"]) == (1, 0)

    async def test_log_is_read_once_at_a_time(self, here, admin):
        """However much is found at once, the log is read once behind it."""
        await here.holds()
        await admin.config_resetstat()
        here.monotonic.now += EARLY
        for _ in range(100):
            await here.store.get(KEY)
        await here.synchronised()
        assert (await commands_seen(admin))["xrange"] == 1

    async def test_copy_is_not_trusted_after_the_lag(self, here, admin):
        """A process that did not read the log for that long has to ask."""
        stored = await here.holds()
        await admin.config_resetstat()
        here.monotonic.now += LATE
        assert await here.finds() == stored
        assert (await commands_seen(admin))["mget"] == 1

    async def test_lag_is_the_stores(self, server, admin):
        """How long copies are trusted without the log can be agreed on."""
        async with process(server, lag=10.0) as here:
            await here.holds()
            assert here.store.lag == 10.0
            await admin.config_resetstat()
            here.monotonic.now += 9.9
            await here.store.get(KEY)
            assert (await commands_seen(admin))["mget"] == 0
            await here.synchronised()
            here.monotonic.now += 10.0
            await here.store.get(KEY)
            assert (await commands_seen(admin))["mget"] == 1

    async def test_purge_is_known_after_the_lag(self, here, there):
        """What was purged elsewhere is served for no longer than the lag."""
        stored = await here.holds(tags=("a",))
        await there.store.append(["a"])
        assert await here.finds() is stored
        here.monotonic.now += LATE
        assert await here.finds() is None

    async def test_purge_is_known_when_the_log_was_read(self, here, there):
        """What is read behind a copy that is served ends it."""
        stored = await here.holds(tags=("a",))
        await there.store.append(["a"])
        here.monotonic.now += EARLY
        assert await here.finds() is stored
        await here.synchronised()
        assert await here.finds() is None

    async def test_own_purge_is_known_at_once(self, here):
        """Who purges knows of it when it is done."""
        await here.holds(tags=("a",))
        await here.store.append(["a"])
        assert await here.finds() is None

    @pytest.mark.parametrize("after", [EARLY, LATE])
    @pytest.mark.parametrize("loss", ["delete", "flushall", "trim", "cut"])
    async def test_copy_is_void_when_the_log_was_lost(self, here, there, admin, loss, after):
        """What was purged meanwhile may be in what was lost, so nothing from before is good."""
        await here.holds(tags=("a",))
        await there.store.append(["a"])
        last = await there.store.append(["b"])
        if loss == "delete":
            await admin.delete(LOG)
        elif loss == "flushall":
            await admin.flushall()
        elif loss == "trim":
            await admin.xtrim(LOG, maxlen=1, approximate=False)
        else:
            await admin.xtrim(LOG, maxlen=0, approximate=False)
        here.monotonic.now += after
        await here.store.get(KEY)
        if after < LATE:
            await here.synchronised()
        assert await here.finds() is None
        assert (here.log.position == last) == (loss == "trim")

    @pytest.mark.parametrize("stored", [RESPONSE, INDEX], ids=["response", "index"])
    async def test_copy_ends(self, here, there, admin, stored):
        """A copy is kept for as long as the record is of use, or may be trusted to be whole."""
        await there.store.put(KEY, stored, 1e6)
        await there.store.landed(KEY)
        assert await here.store.get(KEY) == stored
        ttl = keep_for(stored) if stored is RESPONSE else INDEX_TTL
        here.clock.now += ttl - 1
        assert await here.store.get(KEY) == stored
        await admin.delete(NAME)
        assert await here.store.get(KEY) == stored
        here.clock.now += 1
        assert await here.store.get(KEY) is None

    @pytest.mark.parametrize("stored", [RESPONSE, INDEX], ids=["response", "index"])
    async def test_own_copy_ends_like_any(self, here, admin, stored):
        """Who has stored a record keeps its copy for no longer than others do."""
        await here.store.get(OTHER_KEY)
        await here.store.put(KEY, stored, 1e6)
        await here.store.landed(KEY)
        await admin.delete(NAME)
        assert await here.store.get(KEY) is stored
        here.clock.now += keep_for(stored) if stored is RESPONSE else INDEX_TTL
        assert await here.store.get(KEY) is None

    async def test_copy_ends_with_what_was_stored(self, here, admin):
        """What is stored for a time is here for no longer."""
        await here.holds()
        await here.store.put(KEY, RESPONSE, 30)
        await here.store.landed(KEY)
        await admin.delete(NAME)
        here.clock.now += 29
        assert await here.store.get(KEY) == RESPONSE
        here.clock.now += 1
        assert await here.store.get(KEY) is None

    async def test_copies_have_a_budget(self, server, admin):
        """What there is no room for goes here, and stays in the shared store."""
        size = size_of(response_under(KEY, body=bytes(5000)))
        async with process(server, max_bytes=3 * size) as here:
            keys = [bytes([number]) * 16 for number in range(10)]
            for key in keys:
                await here.holds(key=key, body=bytes(5000))
                assert here.store.bytes_held <= 3 * size
            assert (here.store.entries, here.store.evictions) == (3, 7)
            await admin.config_resetstat()
            found = [await here.store.get(key) for key in keys[::-1]]
            assert [each.key for each in found] == keys[::-1]
            assert (await commands_seen(admin))["mget"] == 7
            assert here.store.bytes_held <= 3 * size

    async def test_what_is_larger_than_the_budget_is_asked_for(self, server):
        """A record that no copy is kept of is found all the same, on its way or landed."""
        async with process(server, max_bytes=2000) as here:
            stored = response_under(KEY, body=bytes(5000))
            await here.store.put(KEY, stored, 60)
            assert await here.store.get(KEY) == stored
            await here.store.landed(KEY)
            assert await here.store.get(KEY) == stored
            assert here.store.entries == 0


class TestLostLink:
    """What copies are worth when Redis does not answer."""

    async def test_hung_server(self, server):
        """Copies are served for the lag, and no longer."""
        async with process(server, timeout=IMPATIENT) as here:
            stored = await here.holds()
            with server.hung():
                here.monotonic.now += EARLY
                assert await here.finds() is stored
                await here.synchronised()
                assert await here.finds() is stored
                here.monotonic.now += EARLY
                with pytest.raises(StoreUnavailable):
                    await here.finds()
            await here.recovered()
            assert await here.finds() == stored

    async def test_killed_server(self):
        """A server that is gone is missed after the lag, and found when it is back."""
        with running_redis() as server:
            async with process(server) as here:
                stored = await here.holds()
                server.stop()
                assert await here.finds() is stored
                here.monotonic.now += LATE
                with pytest.raises(StoreUnavailable):
                    await here.finds()
                server.start()
                assert await here.finds() is None
                assert await here.holds() == await here.finds()

    async def test_reply_counts_from_when_it_was_asked_for(self, server):
        """A reply that was long on its way says nothing of what was purged meanwhile."""
        async with process(server) as here:
            await here.holds()
            with server.hung():
                here.monotonic.now += EARLY
                await here.store.get(KEY)
                await turns()
                here.monotonic.now += LATE
            await here.synchronised()
            assert here.store.shared.behind() >= LATE

    async def test_purge_while_the_link_is_lost(self, here, there, server):
        """What was purged while a process could not read the log is known before it serves."""
        await here.holds(tags=("a",))
        await there.holds(key=OTHER_KEY)
        with server.hung():
            here.monotonic.now += LATE
            found = asyncio.create_task(here.finds())
            purged = asyncio.create_task(there.store.append(["a"]))
            await turns()
        await purged
        await found
        here.monotonic.now += LATE
        assert await here.finds() is None


class TestWrites:
    """What is stored here first, and in Redis behind it."""

    async def test_writing_waits_for_nobody(self, here, server, admin):
        """What is stored is found here while Redis does not have it."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, RESPONSE, 60)
            assert await here.store.get(KEY) is RESPONSE
            await here.store.delete(KEY)
            await here.store.put(KEY, INDEX, 60)
            assert await here.store.get(KEY) is INDEX
        await here.store.landed(KEY)
        assert decode(KEY, await admin.get(NAME)) == INDEX

    async def test_writes_to_a_key_land_in_their_order(self, here, server, admin):
        """What is quick to write does not overtake what is not."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, LARGE, 60)
            await turns()
            await here.store.put(KEY, RESPONSE, 60)
            await turns()
        await here.store.landed(KEY)
        assert decode(KEY, await admin.get(NAME)) == RESPONSE

    async def test_deletion_lands_after_what_it_deletes(self, here, server, admin):
        """What was deleted does not come back when it lands late."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, RESPONSE, 60)
            await here.store.put(KEY, LARGE, 60)
            await here.store.delete(KEY)
            await turns()
        await here.store.landed(KEY)
        assert await admin.exists(NAME) == 0
        assert await here.store.get(KEY) is None

    async def test_the_last_write_to_a_key_takes_the_place_of_those_that_wait(
        self, here, server, admin
    ):
        """However much is written while the server is slow, two writes to a key are sent."""
        await here.store.get(OTHER_KEY)
        await admin.config_resetstat()
        with server.hung():
            for number in range(100):
                await here.store.put(KEY, response_under(KEY, body=b"%d" % number), 60)
                await turns()
        await here.store.landed(KEY)
        assert decode(KEY, await admin.get(NAME)).body == b"99"
        assert (await commands_seen(admin))["set"] == 2

    async def test_who_wrote_before_the_last_is_told_when_that_has_landed(
        self, here, server, admin
    ):
        """What was overtaken is as good as stored once the write that overtook it is."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            for body in (b"1", b"2"):
                await here.store.put(KEY, response_under(KEY, body=body), 60)
                await turns()
            landing = asyncio.create_task(here.store.landed(KEY))
            await turns()
            await here.store.put(KEY, response_under(KEY, body=b"3"), 60)
        await landing
        assert decode(KEY, await admin.get(NAME)).body == b"3"

    async def test_writes_to_several_keys_do_not_wait(self, here, server, admin):
        """Only what is written to the same key waits."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(OTHER_KEY, replace(LARGE, key=OTHER_KEY), 60)
            await turns()
            await here.store.put(KEY, RESPONSE, 60)
        await here.store.landed(KEY)
        assert decode(KEY, await admin.get(NAME)) == RESPONSE
        await here.store.landed(OTHER_KEY)

    async def test_landed_waits(self, here, server, admin):
        """Who has to know that others find a record is told when they do."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, RESPONSE, 60)
            landed = asyncio.create_task(here.store.landed(KEY))
            await here.store.landed(OTHER_KEY)
            await turns()
            assert not landed.done()
        await landed
        assert await admin.exists(NAME) == 1

    async def test_cancelled_waiter_does_not_stop_the_write(self, here, server, admin):
        """Who gives up waiting takes nothing back."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, RESPONSE, 60)
            landed = asyncio.create_task(here.store.landed(KEY))
            await turns()
            landed.cancel()
            await asyncio.wait([landed])
        await here.store.landed(KEY)
        assert await admin.exists(NAME) == 1

    async def test_landed_tells_of_a_failure(self, server):
        """A write that failed has not landed, and those who waited for it are told so."""
        async with process(server, timeout=IMPATIENT) as here:
            await here.store.get(OTHER_KEY)
            with server.hung():
                await here.store.put(KEY, RESPONSE, 60)
                waiters = [here.store.landed(KEY) for _ in range(2)]
                failures = await asyncio.gather(*waiters, return_exceptions=True)
            assert [type(failure) for failure in failures] == [StoreUnavailable] * 2

    async def test_write_after_a_failed_one_lands(self, here, admin):
        """That one write failed does not keep the next from being tried."""
        await here.holds()
        await admin.config_set("maxmemory", 1)
        try:
            await here.store.put(KEY, INDEX, 60)
            failed = asyncio.create_task(here.store.landed(KEY))
            await turns(1)
            await here.store.delete(KEY)
            with pytest.raises(StoreUnavailable, match="OutOfMemory"):
                await failed
            await here.store.landed(KEY)
            assert await admin.exists(NAME) == 0
        finally:
            await admin.config_set("maxmemory", 0)

    async def test_failure_that_nobody_waits_for_is_silent(self, server, caplog):
        """A write that fails behind the scenes is no unhandled error."""
        async with process(server, timeout=IMPATIENT) as here:
            await here.store.get(OTHER_KEY)
            with server.hung():
                await here.store.put(KEY, RESPONSE, 60)
                (write,) = here.store._writes.values()
                await asyncio.wait([write.task])
            del write
            assert here.store._writes == {}
        gc.collect()
        assert [record for record in caplog.records if record.levelno > logging.WARNING] == []

    async def test_mistake_in_a_write_is_told_to_who_waits(self, here, admin):
        """A record that cannot be encoded fails alone, and not what is written after it."""
        await here.store.get(OTHER_KEY)
        await here.store.put(KEY, replace(RESPONSE, birth=1 << 96), 60)
        broken = asyncio.create_task(here.store.landed(KEY))
        await turns(1)
        await here.store.put(KEY, RESPONSE, 60)
        with pytest.raises(OverflowError):
            await broken
        await here.store.landed(KEY)
        assert decode(KEY, await admin.get(NAME)) == RESPONSE

    async def test_cancelled_write_leaves_nobody_waiting(self, here, server, admin):
        """Somebody who cancels every task there is does not stop what is written later."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, RESPONSE, 60)
            (write,) = here.store._writes.values()
            landed = asyncio.create_task(here.store.landed(KEY))
            await turns()
            write.task.cancel()
            with pytest.raises(StoreUnavailable, match="interrupted"):
                await landed
        await admin.ping()  # the server has come across all that was sent
        await here.store.put(KEY, INDEX, 60)
        await here.store.landed(KEY)
        assert decode(KEY, await admin.get(NAME)) == INDEX

    async def test_write_that_is_cancelled_before_it_begins(self, here):
        """Nothing is left of a write that was cancelled at once, not even a warning."""
        await here.store.get(OTHER_KEY)
        await here.store.put(KEY, RESPONSE, 60)
        (write,) = here.store._writes.values()
        write.task.cancel()
        with pytest.raises(StoreUnavailable, match="interrupted"):
            await here.store.landed(KEY)
        assert here.store._writes == {}

    @pytest.mark.parametrize("latest", [False, True])
    async def test_write_on_its_way_is_newer_than_what_is_found(self, here, there, server, latest):
        """A look-up that began when Redis had the former record does not bring that back."""
        await there.store.put(KEY, RESPONSE, 60)
        await there.store.landed(KEY)
        await here.store.get(OTHER_KEY)
        with server.hung():
            before = asyncio.create_task(here.store.get(KEY, latest=latest))
            await turns()
            await here.store.put(KEY, INDEX, 60)
            after = asyncio.create_task(here.store.get(KEY, latest=True))
            await turns()
        assert await before == await after == INDEX
        await here.store.landed(KEY)
        assert await here.store.get(KEY) == INDEX
        assert here.store._lookups == {}

    async def test_deletion_on_its_way_is_newer_than_what_is_found(self, here, there, server):
        """A look-up that began before a deletion does not undo it."""
        await there.store.put(KEY, RESPONSE, 60)
        await there.store.landed(KEY)
        await here.store.get(OTHER_KEY)
        with server.hung():
            lookup = asyncio.create_task(here.store.get(KEY))
            await turns()
            await here.store.delete(KEY)
            await turns()
        assert await lookup is None
        await here.store.landed(KEY)
        assert await here.store.get(KEY) is None

    @pytest.mark.parametrize("written", [INDEX, None], ids=["put", "deleted"])
    async def test_write_that_lands_during_a_lookup(self, here, there, monkeypatch, written):
        """A look-up that takes long does not replace what was written since it began."""
        await there.store.put(KEY, RESPONSE, 60)
        await there.store.landed(KEY)
        shared_get = here.store.shared.get

        async def get_slowly(key):
            record = await shared_get(key)
            assert record == RESPONSE
            if written is None:
                await here.store.delete(KEY)
            else:
                await here.store.put(KEY, written, 60)
            await here.store.landed(KEY)
            return record

        with monkeypatch.context() as patched:
            patched.setattr(here.store.shared, "get", get_slowly)
            assert await here.store.get(KEY) == written
        assert await here.store.get(KEY) == written
        assert here.store._lookups == {}

    async def test_failed_lookup_is_forgotten(self, server):
        """What could not be asked leaves nothing behind."""
        async with process(server, timeout=IMPATIENT) as here:
            with server.hung(), pytest.raises(StoreUnavailable):
                await here.store.get(KEY)
            assert here.store._lookups == {}

    async def test_body_of_a_renewed_record_is_not_sent_again(self, here, there, admin):
        """That the former record is there is made use of behind the scenes, too."""
        former = await here.holds(body=bytes(2**20))
        before = (await admin.info("stats"))["total_net_input_bytes"]
        await here.store.put(KEY, replace(former, cost=7.0), 60, former)
        await here.store.landed(KEY)
        assert (await admin.info("stats"))["total_net_input_bytes"] - before < 5000
        assert await there.store.get(KEY) == replace(former, cost=7.0)


class TestClosing:
    """What is left when a store is closed, and how it begins anew."""

    async def test_closing_waits_for_writes(self, here, server, admin):
        """What was stored before a process ends is there for the others."""
        await here.store.get(OTHER_KEY)
        with server.hung():
            await here.store.put(KEY, LARGE, 60)
            await here.store.put(KEY, RESPONSE, 60)
            closing = asyncio.create_task(here.store.close())
            await turns()
            assert not closing.done()
        await closing
        assert here.store._writes == {}
        assert decode(KEY, await admin.get(NAME)) == RESPONSE

    async def test_closing_does_not_wait_for_ever(self, server):
        """A server that hangs costs a store that is closed no more than one that is used."""
        async with process(server, timeout=IMPATIENT) as here:
            await here.store.get(OTHER_KEY)
            with server.hung():
                await here.store.put(KEY, RESPONSE, 60)
                async with asyncio.timeout(5):
                    await here.store.close()

    async def test_closed_store_holds_nothing(self, here, admin):
        """A closed store has no copies, no tasks and no connections, until it is used."""
        stored = await here.holds()
        here.monotonic.now += EARLY
        assert await here.finds() is stored
        link = here.link
        assert link.tail is not None
        await here.store.close()
        assert (here.store.entries, here.store.bytes_held) == (0, 0)
        assert not link.tasks
        await gone(admin, "process")
        assert await here.finds() == stored

    def test_second_event_loop(self, server):
        """A store that was closed in one event loop works in the next, tail and all."""
        here = Process(server)

        async def use():
            stored = await here.holds()
            here.monotonic.now += EARLY
            assert await here.finds() is stored
            await here.synchronised()
            assert not here.link.tail.done()
            await here.store.put(OTHER_KEY, response_under(OTHER_KEY), 60)
            await here.store.close()

        asyncio.run(use())
        asyncio.run(use())

    def test_event_loop_that_was_left_with_a_write(self, server):
        """A write that its event loop did not finish is not waited for in the next."""
        here = Process(server)
        left = asyncio.new_event_loop()

        async def write():
            await here.store.get(OTHER_KEY)
            await here.store.put(KEY, RESPONSE, 60)
            await here.store.put(OTHER_KEY, response_under(OTHER_KEY), 60)

        async def go_on():
            await here.store.landed(KEY)
            async with Redis.from_url(server.url) as admin:
                await admin.set(NAME, encode(INDEX))
            assert await here.store.get(KEY, latest=True) == INDEX
            await here.store.put(KEY, RESPONSE, 60)
            await here.store.landed(KEY)
            assert await here.store.get(KEY, latest=True) == RESPONSE
            await here.store.close()

        async def end():
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await link.servers._client.aclose()

        left.run_until_complete(write())
        link = here.link
        asyncio.run(go_on())
        left.run_until_complete(end())
        left.close()


async def test_reader_is_told_like_by_the_shared_store(server, admin):
    """A tier adds nothing to the log: one reader follows it, and is told once."""
    reader = RecordingReader()
    async with process(server) as here:
        here.store.shared._log.reader = reader
        await here.store.append(["a"])
        here.monotonic.now += LATE
        await here.store.get(KEY)
        assert reader.tags == [("a",)]
        assert await admin.xlen(LOG) == 2
