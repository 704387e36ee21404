"""Processes that share a Redis run the app once for what they all miss."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from redis import Redis

from asgi_cache import CacheMiddleware, lease
from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Clock, Response, ask
from tests.middleware.test_flights import Gate, turns
from tests.proxy import proxied
from tests.redis_server import redis_server

__all__ = ["redis_server"]

pytestmark = pytest.mark.anyio

RULES = {"/**": 60}


@pytest.fixture
def server(redis_server):
    redis_server.empty()
    return redis_server


@pytest.fixture(params=["tiered", "redis"])
async def process(request, server):
    """Start what stands for a process: an app behind a cache on the server."""
    caches = []

    def start(app, **options):
        local = "" if request.param == "tiered" else "&local=0"
        options = {"rules": RULES, **options}
        cache = CacheMiddleware(app, store=f"{server.url}?timeout=5s{local}", **options)
        caches.append(cache)
        return cache

    yield start
    for cache in caches:
        await cache.cache.close()


async def until(condition):
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)


def waiting_at(process):
    """How many clients wait for a flight of a process."""
    flights = process.cache._services.flights._open.values()
    return sum(len(flight._readers) for flight in flights)


def leases(server):
    with Redis(port=server.port) as client:
        return [(name, client.get(name)) for name in client.keys("*:l:*")]


async def test_one_of_several_processes_runs_the_app(process, server):
    """The others wait for what it stores, and say so."""
    app, idle = Gate(), App(Response(b"from another run"))
    one, others = process(app), [process(idle) for _ in range(3)]
    first = asyncio.create_task(ask(one))
    await app.begun.acquire()
    waiting = [asyncio.create_task(ask(other)) for other in others for _ in range(10)]
    await until(lambda: [waiting_at(other) for other in others] == [10] * 3)
    app.open.set()
    answers = [await task for task in [first, *waiting]]
    assert {answer.body for answer in answers} == {b"hello"}
    assert {a.cache_status for a in answers[1:]} == {"asgi-cache; fwd=uri-miss; collapsed"}
    assert (app.runs, idle.runs) == (1, 0)
    await until(lambda: not leases(server))


async def test_a_response_for_one_request_alone_is_known_to_all_processes(process, server):
    """A process need not find out again what another has seen."""
    private = Response(fields={"Cache-Control": "private"})
    one, other = process(App(private)), process(App(private))
    await ask(one)
    await until(lambda: [value for _, value in leases(server)] == [b"-"])
    app = other.app = Gate(private)
    tasks = [asyncio.create_task(ask(other)) for _ in range(5)]
    for _ in tasks:
        await app.begun.acquire()  # all at once, and none waits for another
    app.open.set()
    await asyncio.gather(*tasks)


async def test_the_lease_of_a_dead_process_ends(process, server, monkeypatch):
    """Others are held up by it for as long as it lasts, and no longer."""
    monkeypatch.setattr(lease, "TTL", 0.3)
    app = Gate()
    dying, other = process(app), process(App(Response(b"other")))
    monkeypatch.setattr(lease.Lease, "_prolong_later", lambda self: None)
    task = asyncio.create_task(ask(dying))
    await app.begun.acquire()
    answer = await ask(other)
    assert answer.body == b"other"
    app.open.set()
    await task


async def test_a_lease_is_kept_while_the_app_runs(process, server, monkeypatch):
    """A handler that is slower than a lease lasts is run once all the same."""
    monkeypatch.setattr(lease, "TTL", 0.5)
    app, idle = Gate(), App()
    one, other = process(app), process(idle)
    first = asyncio.create_task(ask(one))
    await app.begun.acquire()
    second = asyncio.create_task(ask(other))
    await asyncio.sleep(1.2)  # longer than a lease lasts that nobody prolongs
    assert not second.done()
    app.open.set()
    await asyncio.gather(first, second)
    assert (app.runs, idle.runs) == (1, 0)


async def test_who_has_waited_long_enough_runs_the_app(process, monkeypatch):
    """Another process's slow run is not waited for without end."""
    monkeypatch.setattr("asgi_cache.fill.WAIT", 0.05)
    app = Gate()
    one, other = process(app), process(App(Response(b"other")))
    first = asyncio.create_task(ask(one))
    await app.begun.acquire()
    assert (await ask(other)).body == b"other"
    app.open.set()
    await first


async def test_a_failed_run_gives_up_its_lease(process, server):
    """The next process tries at once."""
    one, other = process(App(ZeroDivisionError())), process(App())
    with pytest.raises(ZeroDivisionError):
        await ask(one)
    await until(lambda: not leases(server))
    assert (await ask(other)).body == b"hello"


async def test_a_run_that_is_cancelled_gives_up_its_lease(process, server):
    """Nobody waits for what will not come."""
    app = Gate()
    task = asyncio.create_task(ask(process(app)))
    await app.begun.acquire()
    assert leases(server)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await until(lambda: not leases(server))


async def test_a_lease_is_given_up_by_who_did_not_hear_that_it_has_it(process, server):
    """A request that is cancelled while it asks for the lease may have got it."""
    cache = process(App())
    claim, claimed = cache.cache.store.claim, asyncio.Event()

    async def claim_and_wait(*arguments):
        await claim(*arguments)
        claimed.set()
        await asyncio.Event().wait()

    cache.cache.store.claim = claim_and_wait
    task = asyncio.create_task(ask(cache))
    await claimed.wait()
    assert leases(server)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await until(lambda: not leases(server))


async def test_every_lease_has_a_time_to_live(process, server):
    """Nothing that a process leaves behind stays."""
    app = Gate()
    task = asyncio.create_task(ask(process(app)))
    await app.begun.acquire()
    with Redis(port=server.port) as client:
        ((name, _),) = leases(server)
        assert 0 < client.pttl(name) <= 2000
    app.open.set()
    await task


async def test_without_its_store_a_process_still_runs_the_app_once():
    """What cannot be agreed on with others is agreed on here."""

    class Forgetful(MemoryStore):
        async def put(self, key, record, ttl, former=None):
            raise StoreUnavailable("full")

        async def claim(self, lease, token, ttl):
            raise StoreUnavailable("full")

    app = Gate()
    cache = CacheMiddleware(app, store=Forgetful(), rules=RULES)
    tasks = [asyncio.create_task(ask(cache)) for _ in range(5)]
    await app.begun.acquire()
    await turns()
    app.open.set()
    answers = await asyncio.gather(*tasks)
    assert ({answer.body for answer in answers}, app.runs) == ({b"hello"}, 1)
    assert "stored" not in answers[0].cache_status.split("; ")
    assert "detail=store-unavailable" in answers[0].cache_status


async def test_a_refresh_is_one_processs_work(process):
    """A stale response that all serve is made anew by one of them."""
    rules, clock = {"/**": {"ttl": 10, "stale_while_revalidate": 600}}, Clock()
    app, other_app = App(Response(b"old"), Response(b"new")), App(Response(b"new"))
    one = process(app, rules=rules, clock=clock)
    other = process(other_app, rules=rules, clock=clock)
    await ask(one)
    clock.advance(15)
    answers = await asyncio.gather(ask(one), ask(other))
    assert {answer.body for answer in answers} == {b"old"}
    for cache in (one, other):
        await cache.cache._services.flights.finish(5)
    assert app.runs + other_app.runs == 2


@pytest.fixture
async def cut_off(server, monkeypatch):
    """A process that lost its link to the server while it ran the app, and has it again."""
    monkeypatch.setattr(lease, "TTL", 600.0)
    async with proxied(server.port) as proxy:

        async def app(scope, receive, send):
            proxy.refuse()
            await Response(b"not stored").send_to(scope, send)

        url = f"{proxy.url}?timeout=5s&local=0"
        cache = CacheMiddleware(FirstThen(app, App()), store=url, rules=RULES)
        assert (await ask(cache)).cache_status.endswith("detail=store-unavailable")
        assert len(leases(server)) == 1
        await proxy.listen()
        yield cache
        await cache.cache.close()


class FirstThen:
    """One app for the first request, and another one for the others."""

    def __init__(self, *apps):
        self.apps = list(apps)

    async def __call__(self, scope, receive, send):
        app = self.apps.pop(0) if len(self.apps) > 1 else self.apps[0]
        await app(scope, receive, send)


async def test_a_lease_that_could_not_be_given_up_is_given_up_later(server, cut_off):
    """Other processes do not wait for it until it ends by itself."""
    await until(lambda: not leases(server))
    await until(lambda: not cut_off.cache._services.unreleased._tokens)


@pytest.fixture
def never_again(monkeypatch):
    """What could not be given up is not tried to be given up again."""
    monkeypatch.setattr(lease, "BETWEEN_RELEASES", (600.0, 600.0))


@pytest.mark.usefixtures("never_again")
async def test_nobody_waits_for_a_lease_of_its_own(server, cut_off):
    """One that could not be given up is used again, and then given up."""
    async with asyncio.timeout(3):
        answer = await ask(cut_off)
    assert answer.cache_status == "asgi-cache; fwd=uri-miss; stored"
    await until(lambda: not leases(server))


@pytest.mark.usefixtures("never_again")
async def test_closing_leaves_leases_to_end_by_themselves(cut_off):
    """Nothing is left that would go on trying."""
    before = asyncio.all_tasks()
    await cut_off.cache.close()
    await turns()
    assert len(asyncio.all_tasks()) < len(before)
    assert not cut_off.cache._services.unreleased._tasks
