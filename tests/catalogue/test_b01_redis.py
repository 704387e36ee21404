"""Catalogue B, lines 1-15: a Redis that fails."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from redis import Redis

from asgi_cache import CacheMiddleware
from tests.bare import App, Response, ask
from tests.proxy import late, proxied, reply
from tests.redis_server import running_redis
from tests.stores.probes import turns

pytestmark = pytest.mark.anyio
RULES = {"/**": 600}


@pytest.fixture
def own():
    with running_redis() as server:
        yield server


@pytest.fixture
async def process(own):
    caches = []

    def start(app, url=None, **options):
        cache = CacheMiddleware(
            app, store=url or own.url + "?timeout=5s", **{"rules": RULES, **options}
        )
        caches.append(cache)
        return cache

    yield start
    for cache in caches:
        await cache.cache.close()


def cut_after(size):
    """Let the client have so many bytes of a reply, and no more of the connection."""

    async def pass_on(conversation, data):
        await reply(conversation, data[:size])
        conversation.client.close()

    return pass_on


def delayed(seconds):
    """Let each reply wait for one of *seconds*."""

    async def pass_on(conversation, data):
        await late(random.choice(seconds))(conversation, data)

    return pass_on


async def test_b05_a_connection_that_was_closed_while_idle(process, own):
    """The next request is a hit as if nothing had happened."""
    cache = process(App())
    await ask(cache)
    assert "hit" in (await ask(cache)).cache_status
    with Redis(port=own.port) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(0.05)
    assert "hit" in (await ask(cache)).cache_status


async def test_b05_a_restart(process, own):
    cache = process(App())
    await ask(cache)
    own.process.kill()
    own.process.wait()
    own.output.close()
    assert (await ask(cache)).status == 200
    own.start()
    await ask(cache)
    assert "hit" in (await ask(cache)).cache_status


@pytest.mark.parametrize("cut", [0, 1, 5, 20, 60])
async def test_b06_a_reset_in_mid_reply(own, cut):
    async with proxied(own.port) as proxy:
        cache = CacheMiddleware(App(), store=proxy.url + "?timeout=1s", rules=RULES)
        await ask(cache)
        proxy.on_reply = cut_after(cut)
        assert (await ask(cache)).body == b"hello"
        assert (await ask(cache, method="POST")).status == 200
        proxy.heal()
        await ask(cache)
        assert "hit" in (await ask(cache)).cache_status
        await cache.cache.close()


async def test_b03_late_answers_reach_nobody_else(own):
    """Random delays around the deadline: every answer is the one for its own URL."""
    random.seed(7)
    async with proxied(own.port) as proxy:
        app = App(
            lambda s: Response(s["path"].encode(), {"Vary": "A"} if len(s["path"]) % 2 else {})
        )
        cache = CacheMiddleware(
            app, store=proxy.url + "?timeout=20ms&max_connections=3", rules=RULES
        )
        proxy.on_reply = delayed([0, 0, 0.01, 0.019, 0.021, 0.04])

        async def one(n):
            path = "/" + "x" * (n % 7)
            assert (await ask(cache, path)).body == path.encode()

        for _ in range(12):
            await asyncio.gather(*(one(n) for n in range(14)))
        proxy.heal()
        async with asyncio.timeout(10):
            while "detail=store-" in (await ask(cache)).cache_status:
                await turns()
        assert "hit" in (await ask(cache)).cache_status  # no slot of the pool was lost
        await cache.cache.close()


async def test_b10_a_read_only_server(own):
    cache = CacheMiddleware(App(), store=own.url + "?timeout=5s", rules=RULES)
    await ask(cache)
    with Redis(port=own.port) as client:
        client.config_set("replica-serve-stale-data", "yes")
        client.replicaof("127.0.0.1", "1")
    hit = await ask(cache)
    other = await ask(cache, "/other")
    write = await ask(cache, method="POST")
    await cache.cache.close()
    assert [a.status for a in (hit, other, write)] == [200] * 3
    assert "hit" in hit.cache_status


async def test_b15_eviction_of_anything(own):
    """``allkeys-lru``: whatever goes, the log too, nothing that was purged comes back."""
    with Redis(port=own.port) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", 3 * 2**20)
    versions, drawn = [0] * 300, random.Random(11)
    app = App(lambda scope: Response(b"%d" % versions[int(scope["path"][1:])] + bytes(20_000)))
    urls = [f"{own.url}?timeout=5s&lag=2ms&local={local}" for local in ("0", "1mb")]
    caches = [CacheMiddleware(app, store=url, rules=RULES) for url in urls]
    hits = 0
    for _ in range(1500):
        number = drawn.randrange(300) if drawn.random() < 0.5 else drawn.randrange(5)
        if drawn.random() < 0.2:
            versions[number] += 1
            await drawn.choice(caches).cache.purge(path=f"/{number}", wait=True)
        answer = await ask(drawn.choice(caches), f"/{number}")
        assert answer.body.rstrip(b"\0") == b"%d" % versions[number]
        hits += "hit" in answer.cache_status
        if drawn.random() < 0.02:
            with Redis(port=own.port) as client:
                client.delete("asgi-cache:log")  # which is used too much to be evicted soon
    for cache in caches:
        await cache.cache.close()
    with Redis(port=own.port) as client:
        assert client.info("stats")["evicted_keys"] > 100
    assert hits > 100


async def test_b16_1_000_requests_on_recovery(own):
    """Once Redis is back one run fills each key, for all who ask."""
    app = App(lambda scope: Response(scope["path"].encode()))
    cache = CacheMiddleware(app, store=own.url + "?timeout=1s", rules=RULES)
    await ask(cache, "/")
    own.stop()
    while "store-open" not in (await ask(cache, "/")).cache_status:
        await turns()
    own.start()
    async with asyncio.timeout(10):
        while "store-open" in (await ask(cache, "/")).cache_status:
            await turns()
    before = app.runs
    answers = await asyncio.gather(*(ask(cache, f"/{number % 10}") for number in range(1000)))
    assert [answer.body for answer in answers] == [b"/%d" % (n % 10) for n in range(1000)]
    assert app.runs - before == 10
    await cache.cache.close()


@pytest.mark.parametrize("which", ["log", "record"])
async def test_b_keys_of_another_type(own, which, process):
    cache = process(App())
    await ask(cache)
    with Redis(port=own.port) as client:
        for key in client.keys("*"):
            if key.endswith(b"log") == (which == "log"):
                client.delete(key)
                client.lpush(key, "x")
    for method in ("GET", "POST", "GET", "GET"):
        assert (await ask(cache, method=method)).status == 200


async def test_b14_wrong_password_and_tls(own, caplog):
    for url in (
        f"redis://:s3cr3t@127.0.0.1:{own.port}/0?timeout=1s",
        f"rediss://:s3cr3t@127.0.0.1:{own.port}/0?timeout=1s",
    ):
        cache = CacheMiddleware(App(), store=url, rules=RULES)
        assert (await ask(cache)).status == 200
        assert (await ask(cache, method="POST")).status == 200
        await cache.cache.close()
    assert "s3cr3t" not in caplog.text


async def test_b15_flushall_between_find_and_keep(own, process):
    """A fill that spans a lost log is not served."""

    async def app(scope, receive, send):
        with Redis(port=own.port) as client:
            client.flushall()
        await Response().send_to(scope, send)

    cache = process(app, own.url + "?timeout=5s&local=0")
    await ask(cache)
    cache.app = App(Response(b"new"))
    assert (await ask(cache)).body == b"new"


async def test_b08_cancelled_at_random(own):
    """Requests are cancelled at any step: later answers are right, and nothing leaks."""
    random.seed(3)
    state = {}

    def answer(scope):
        path = scope["path"]
        if scope["method"] == "POST":
            state[path] = state.get(path, 0) + 1
        fields = {"Vary": "A"} if path.endswith("v") else {}
        return Response(f"{path}:{state.get(path, 0)}".encode(), fields)

    async def app(scope, receive, send):
        await asyncio.sleep(0)
        await answer(scope).send_to(scope, send)

    cache = CacheMiddleware(app, store=own.url + "?timeout=1s&max_connections=4", rules=RULES)
    problems = []
    asyncio.get_running_loop().set_exception_handler(lambda _, c: problems.append(c))
    for n in range(800):
        path = random.choice(["/a", "/b", "/cv"])
        tasks = [
            asyncio.create_task(
                ask(
                    cache,
                    path,
                    method=random.choice(["GET", "GET", "POST", "HEAD"]),
                    fields={"A": random.choice("xy")},
                )
            )
            for _ in range(3)
        ]
        for _ in range(random.randrange(60)):
            await asyncio.sleep(0)
        if random.random() < 0.3:
            await asyncio.sleep(random.random() * 0.002)
        for task in tasks[: random.randrange(1, 4)]:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if n % 10 == 0:
            for p in ("/a", "/b", "/cv"):
                await ask(cache, p, method="POST")
                got = (await ask(cache, p, fields={"A": "x"})).body
                assert got == f"{p}:{state[p]}".encode()
                got = await ask(cache, p, fields={"A": "x"})
                assert got.body == f"{p}:{state[p]}".encode()
                assert "hit" in got.cache_status
    await asyncio.sleep(0.1)
    link = cache.cache.store.shared._link
    assert not link.tasks - {link.tail}
    pool = link.servers._client.connection_pool
    assert len(pool._in_use_connections) <= 1, "but for the one that waits for purges"
    await cache.cache.close()
    import gc

    gc.collect()
    await asyncio.sleep(0)
    assert not problems
