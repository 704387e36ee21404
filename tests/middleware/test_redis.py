"""Processes that share a Redis, and what becomes of requests when it fails.

Each cache here has a store and connections of its own, as each process would.
"""

from __future__ import annotations

import asyncio
import time

import anyio
import anyio.lowlevel
import pytest
from redis import Redis

from asgi_cache import CacheMiddleware
from asgi_cache.errors import PurgeNotAcknowledged
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Response, ask
from tests.proxy import late, proxied
from tests.redis_server import free_port, redis_server, running_redis

__all__ = ["redis_server"]

pytestmark = pytest.mark.anyio

RULES = {"/**": 60}
PATIENT = "?timeout=5s&local=0"
"""For tests that are about neither time nor a process's own copies."""


@pytest.fixture
def server(redis_server):
    redis_server.empty()
    return redis_server


@pytest.fixture
async def process(server):
    """Start what stands for a process: an app behind a cache on the server."""
    caches = []

    def start(app, url=None, **options):
        cache = CacheMiddleware(app, store=url or server.url + PATIENT, rules=RULES, **options)
        caches.append(cache)
        return cache

    yield start
    for cache in caches:
        await cache.cache.close()


async def test_processes_share_what_is_stored(process):
    """One runs the app; the other finds the whole response, fields and body."""
    first, second = App(Response(b"\x00body", [("X", "1"), ("X", "2")])), App()
    miss = await ask(process(first))
    hit = await ask(process(second))
    assert hit.cache_status == "asgi-cache; hit"
    assert (hit.body, hit.all("x"), hit["etag"]) == (b"\x00body", ["1", "2"], miss["etag"])
    assert second.runs == 0


async def test_a_write_in_one_process_is_seen_in_the_other(process):
    """As soon as the write is answered, for every user and every variant."""
    one, other = process(App(Response(fields={"Vary": "Accept"}))), process(App(Response(b"new")))
    users = [{"Authorization": who, "Accept": what} for who in "ab" for what in "xy"]
    for fields in users:
        await ask(one, fields=fields)
        assert (await ask(other, fields=fields)).cache_status == "asgi-cache; hit"
    await ask(one, method="PUT")
    for fields in users:
        assert (await ask(other, fields=fields)).body == b"new"


async def test_a_fill_that_a_write_elsewhere_overtook_is_not_served(process):
    """The purge log orders what clocks cannot."""
    started, written = anyio.Event(), anyio.Event()

    async def slow(scope, receive, send):
        started.set()
        await written.wait()
        await Response(b"old").send_to(scope, send)

    one, other = process(slow), process(App(Response(b"new")))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, one)
        await started.wait()
        await ask(other, method="PUT")
        written.set()
    assert (await ask(other)).body == b"new"
    assert (await ask(one)).body == b"new"


async def test_namespaces_and_versions_are_apart(process):
    """Two apps on one Redis do not meet, and a version bump finds nothing."""
    await ask(process(App()))
    for options in ({"namespace": "other"}, {"version": "2"}):
        assert "fwd=uri-miss" in (await ask(process(App(), **options)))["cache-status"]


async def test_every_key_ends(process, server):
    """Nothing is left in Redis for ever."""
    cache = process(App(Response(fields={"Vary": "Accept"})))
    await ask(cache)
    await ask(cache, method="PUT")
    with Redis(port=server.port) as client:
        keys = client.keys()
        assert len(keys) == 3
        assert all(client.pttl(key) > 0 for key in keys)


async def test_no_credential_is_in_redis(process, server):
    """Neither in a key nor in a value."""
    await ask(process(App()), fields={"Authorization": "s3cret", "Cookie": "s3cret"})
    with Redis(port=server.port) as client:
        keys = client.keys()
        assert len(keys) == 2
        assert not any(b"s3cret" in key or b"s3cret" in client.dump(key) for key in keys)


async def test_b12_a_lost_log_resurrects_nothing(process, server):
    """Without the log nobody can say what was purged, so nothing is served."""
    cache = process(App(Response(b"old"), Response(), Response(b"new")))
    await ask(cache)
    await ask(cache, method="PUT")
    with Redis(port=server.port) as client:
        client.delete("asgi-cache:log")
    assert (await ask(cache)).body == b"new"


async def test_b01_an_unreachable_redis_leaves_the_app(process):
    """Refused connections cost no request."""
    app = App()
    cache = process(app, f"redis://127.0.0.1:{free_port()}")
    for method in ("GET", "HEAD", "PUT"):
        assert (await ask(cache, method=method)).status == 200
    answer = await ask(cache)
    assert "asgi-cache; fwd=bypass; detail=store-" in answer["cache-status"]


async def test_b02_a_hung_redis_costs_no_more_than_its_timeout(process):
    """One deadline an operation, and no second one after the first has passed."""
    with running_redis() as server:
        cache = process(App(), server.url + "?timeout=100ms&local=0")
        await ask(cache)
        with server.hung():
            began = time.monotonic()
            answer = await ask(cache)
            took = time.monotonic() - began
        assert answer.status == 200
        assert "detail=store-unavailable" in answer["cache-status"]
        assert 0.09 < took < 1
        assert (await ask(cache)).status == 200


async def test_a_full_redis_still_answers_hits(process):
    """``noeviction``: what cannot be stored is passed on; what is stored is served."""
    with running_redis("--maxmemory-policy", "noeviction") as server:
        cache = process(App(), server.url + PATIENT)
        await ask(cache, "/stored")
        with Redis(port=server.port) as client:
            client.config_set("maxmemory", 1)
        miss = await ask(cache, "/more")
        assert (miss.status, miss.body) == (200, b"hello")
        assert "stored" not in miss["cache-status"].split("; ")
        assert (await ask(cache, "/stored")).cache_status == "asgi-cache; hit"


async def test_a_purge_in_one_process_is_seen_in_the_other(process):
    """A worker that serves nothing purges for those that do."""
    one, worker = process(App(Response(fields={"Cache-Tag": "a"}))), process(App())
    await ask(one)
    assert (await ask(one)).cache_status == "asgi-cache; hit"
    await worker.cache.purge(tags="a")
    assert "fwd=uri-miss" in (await ask(one))["cache-status"]


async def test_the_log_says_once_that_redis_is_away_and_once_that_it_is_back(process, caplog):
    """Not once a request."""
    caplog.set_level("WARNING", "asgi_cache")
    with running_redis() as server:
        cache = process(App(), server.url + "?local=0")
        server.stop()
        for _ in range(20):
            await ask(cache)
        server.start()
        with anyio.fail_after(10):
            while "store-open" in (await ask(cache)).cache_status:
                await anyio.lowlevel.checkpoint()
    said = [record.getMessage() for record in caplog.records]
    assert [message.partition(",")[0] for message in said] == [
        "the store is out of reach",
        "the store is left alone",
        "the store answers again",
    ]


def slow(cache, seconds):
    """Let each operation on the store take so long, and no longer than its own deadline."""
    store = cache.cache.store
    look, claim = store.look, store.claim

    async def later(operation):
        await anyio.sleep(seconds)
        return await operation

    store.look = lambda key: asyncio.ensure_future(later(look(key)))
    store.claim = lambda *arguments: later(claim(*arguments))


async def test_one_request_waits_for_the_store_no_longer_than_one_operation(process, server):
    """Several operations, each slow but in time, are cut short together."""
    app = App(Response(fields={"Vary": "Accept-Language"}))
    cache = process(app, server.url + "?timeout=200ms&local=0")
    for language in "en", "de":
        await ask(cache, fields={"Accept-Language": language})
    slow(cache, 0.15)
    began_at = time.monotonic()
    answer = await ask(cache, fields={"Accept-Language": "en"})
    assert 0.19 < time.monotonic() - began_at < 0.29
    assert answer.cache_status == "asgi-cache; fwd=bypass; detail=store-unavailable"


async def test_a_miss_waits_for_the_store_no_longer_than_that_either(process, server):
    """The lease is given up rather than waited for, and the app runs."""
    cache = process(App(), server.url + "?timeout=200ms&local=0")
    await ask(cache, "/another")
    slow(cache, 0.09)
    began_at = time.monotonic()
    answer = await ask(cache)
    assert (answer.body, "fwd=uri-miss" in answer.cache_status) == (b"hello", True)
    assert time.monotonic() - began_at < 0.29


UNLINKED = {"/served/**": {"ttl": 60, "unlinked": "serve"}, "/**": 60}


async def test_b31_copies_are_not_trusted_without_the_log(process):
    """But where the rule prefers something old to asking the app, until their lifetime ends."""
    with running_redis() as server:
        app = App()
        cache = CacheMiddleware(app, store=server.url + "?lag=10ms", rules=UNLINKED)
        for path in ("/served/a", "/a"):
            await ask(cache, path)
            assert (await ask(cache, path)).cache_status == "asgi-cache; hit"
        server.stop()
        await anyio.sleep(0.02)
        for _ in range(8):
            served, forwarded = await ask(cache, "/served/a"), await ask(cache, "/a")
            assert "asgi-cache; hit; ttl=" in served["cache-status"]
            assert "fwd=bypass" in forwarded.cache_status
        for answer in (served, forwarded):
            assert "detail=store-open" in answer["cache-status"]
        assert app.runs == 2 + 8
        await cache.cache.close()


async def test_what_was_purged_here_is_not_served_without_the_log(process):
    """A process knows its own purges, whether or not the log has them."""
    with running_redis() as server:
        cache = CacheMiddleware(App(), store=server.url + "?lag=10ms", rules=UNLINKED)
        await cache.cache.purge(tags="another")  # so that the log has come as far as it does
        for path in ("/served/a", "/served/b"):
            await ask(cache, path)
        server.stop()
        await anyio.sleep(0.02)
        assert (await ask(cache, "/served/a", method="DELETE")).status == 200
        assert "fwd=bypass" in (await ask(cache, "/served/a")).cache_status
        assert "hit" in (await ask(cache, "/served/b")).cache_status
        with pytest.raises(PurgeNotAcknowledged):
            await cache.cache.purge(path="/served/b")
        assert "fwd=bypass" in (await ask(cache, "/served/b")).cache_status
        await cache.cache.close()


async def test_nobody_joins_a_run_that_a_purge_overtook_which_the_log_does_not_have(
    process, server
):
    """What the run is about to answer is older than the purge, acknowledged or not."""
    known, may_end = ["old"], anyio.Event()

    async def app(scope, receive, send):
        answer = Response(known[0].encode())
        if answer.body == b"old":
            await may_end.wait()
        await answer.send_to(scope, send)

    cache = process(app)
    with Redis(port=server.port) as client:
        await ask(process(App()), "/another")
        client.replicaof("127.0.0.1", "1")
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, cache)
                await anyio.wait_all_tasks_blocked()
                known[0] = "new"
                with pytest.raises(PurgeNotAcknowledged):
                    await cache.cache.purge(everything=True)
                with anyio.move_on_after(5):
                    assert (await ask(cache)).body == b"new"
                    known[0] = "answered"
                may_end.set()
        finally:
            client.replicaof("NO", "ONE")
    assert known[0] == "answered"


async def test_only_variants_that_are_here_are_served_without_the_log(process):
    """Each request gets its own, or the app's."""
    with running_redis() as server:
        app = App(lambda scope: Response(dict(scope["headers"])[b"accept"], {"Vary": "Accept"}))
        cache = CacheMiddleware(app, store=server.url + "?lag=10ms", rules=UNLINKED)
        await ask(cache, "/served/a", fields={"Accept": "a/b"})
        server.stop()
        await anyio.sleep(0.02)
        for accept, served in (("a/b", "hit"), ("c/d", "fwd=bypass")):
            answer = await ask(cache, "/served/a", fields={"Accept": accept})
            assert (answer.body, served in answer.cache_status) == (accept.encode(), True)
        await cache.cache.close()


async def test_a_store_that_raises_anything_costs_no_request(caplog):
    """A mistake in a store of the user's own is logged, and the app answers."""

    class Broken(MemoryStore):
        async def get(self, key, *, latest=False):
            raise KeyError(key)

    cache = CacheMiddleware(App(), store=Broken(), rules=RULES)
    answer = await ask(cache)
    assert (answer.status, "detail=store-unavailable" in answer["cache-status"]) == (200, True)
    assert "KeyError" in caplog.text


async def test_what_is_read_beside_much_else_is_found(process):
    """However many responses are asked for at once, all that are stored are found."""
    app = App()
    cache = process(app)
    for number in range(1200):
        await ask(cache, f"/{number}")
    answers = [None] * 1200

    async def take(number):
        answers[number] = (await ask(cache, f"/{number}")).cache_status

    async with anyio.create_task_group() as tasks:
        for number in range(1200):
            tasks.start_soon(take, number)
    assert set(answers) == {"asgi-cache; hit"}
    assert app.runs == 1200


async def test_all_that_storing_asks_for_shares_one_deadline(server):
    """However many round trips a response takes that varies, its client waits for one timeout."""
    async with proxied(server.port) as proxy:

        async def app(scope, receive, send):
            proxy.on_reply = late(0.4)
            await Response(b"x", {"Vary": "Accept"}).send_to(scope, send)

        cache = CacheMiddleware(app, store=f"{proxy.url}?local=0&timeout=500ms", rules=RULES)
        answer = await ask(cache)
        detail = "asgi-cache; fwd=uri-miss; detail=store-unavailable"
        assert (answer.body, answer.cache_status) == (b"x", detail)
        await cache.cache.close()
