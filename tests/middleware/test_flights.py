"""Concurrent requests for the same response: one run of the app, for as many as can use it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar

import pytest

from asgi_cache import LeftBehind
from asgi_cache import flight as flight_module
from tests.bare import App, Response, ask, scope_of

pytestmark = pytest.mark.anyio

RULES = {"/**": 60}
START = {"type": "http.response.start", "status": 200, "headers": []}


def part(body, *, more=False):
    return {"type": "http.response.body", "body": body, "more_body": more}


class Gate:
    """An app that says when it has begun, and answers when it is let go."""

    def __init__(self, *answers):
        self.app = App(*answers)
        self.open = asyncio.Event()
        self.begun = asyncio.Semaphore(0)

    @property
    def runs(self):
        return self.app.runs

    def shut(self):
        """Let the next run wait, too."""
        self.open.clear()
        self.begun = asyncio.Semaphore(0)

    async def __call__(self, scope, receive, send):
        run = self.runs
        answer = self.app.answers[min(run, len(self.app.answers) - 1)]
        self.app.scopes.append(scope)
        self.begun.release()
        await self.open.wait()
        if callable(answer):
            answer = answer(scope)
        if isinstance(answer, Exception):
            raise answer
        await answer.send_to(scope, send)


async def turns(count=20):
    """Let every task that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def asked_at_once(cache, app, *requests):
    """Ask for the same while the first request keeps the app busy; all answers, in order."""
    leader = asyncio.create_task(ask(cache, **requests[0]))
    await app.begun.acquire()
    others = [asyncio.create_task(ask(cache, **request)) for request in requests[1:]]
    await turns()
    app.open.set()
    return await asyncio.gather(leader, *others)


async def test_many_misses_run_the_app_once(cached):
    """500 clients who miss the same are answered by one run."""
    app = Gate()
    cache = cached(app, rules=RULES)
    answers = await asked_at_once(cache, app, *[{}] * 500)
    assert app.runs == 1
    assert {answer.body for answer in answers} == {b"hello"}
    assert answers[0].cache_status == "asgi-cache; fwd=uri-miss; stored"
    assert {a.cache_status for a in answers[1:]} == {"asgi-cache; fwd=uri-miss; collapsed"}
    assert all(answer["etag"] for answer in answers)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_users_do_not_share_a_run(cached):
    """A flight is of one partition."""
    app = Gate(lambda scope: Response(dict(scope["headers"])[b"authorization"]))
    cache = cached(app, rules=RULES)
    requests = [{"fields": {"Authorization": who}} for who in ("alice", "bob", "alice", "bob")]
    answers = await asked_at_once(cache, app, *requests)
    assert [a.body for a in answers] == [b"alice", b"bob", b"alice", b"bob"]
    assert app.runs == 2


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        pytest.param({"If-None-Match": "*"}, 304, b"", id="a-condition"),
        pytest.param({"Range": "bytes=1-2"}, 206, b"el", id="a-range"),
    ],
)
async def test_each_follower_gets_what_it_asked_for(cached, fields, status, body):
    """One run serves whole responses, parts, and those who have it already."""
    app = Gate()
    answers = await asked_at_once(cached(app, rules=RULES), app, {}, {"fields": fields}, {})
    assert [a.status for a in answers] == [200, status, 200]
    assert answers[1].body == body
    assert app.runs == 1


async def test_followers_get_the_first_byte_when_the_leader_does(cached):
    """A stream is passed on to all who wait for it while it is made."""
    go_on = asyncio.Event()
    runs, received = [], {}

    async def app(scope, receive, send):
        runs.append(scope)
        await send(START)
        await send(part(b"one", more=True))
        await go_on.wait()
        await send(part(b"two"))

    cache = cached(app, rules=RULES)

    def client(number):
        async def on_message(message):
            received.setdefault(number, []).append(message.get("body"))

        return asyncio.create_task(ask(cache, on_message=on_message))

    tasks = [client(number) for number in range(3)]
    await turns()
    tasks.append(client(3))  # comes when a part of it has been sent
    await turns()
    assert received == {number: [None, b"one"] for number in range(4)}
    go_on.set()
    answers = await asyncio.gather(*tasks)
    assert ({a.body for a in answers}, len(runs)) == ({b"onetwo"}, 1)


async def test_b21_a_response_for_one_request_alone_is_asked_for_in_parallel(cached):
    """When the head shows that it cannot be shared, nobody waits for the body, nor again."""
    head_sent, finish = asyncio.Event(), asyncio.Event()
    running = []

    async def app(scope, receive, send):
        running.append(scope)
        await send({**START, "headers": [(b"cache-control", b"private")]})
        head_sent.set()
        await finish.wait()
        await send(part(b"mine"))

    cache = cached(app, rules=RULES)
    first = [asyncio.create_task(ask(cache)) for _ in range(10)]
    await head_sent.wait()
    await turns()
    assert len(running) == 10
    second = [asyncio.create_task(ask(cache)) for _ in range(10)]
    await turns()
    assert len(running) == 20
    finish.set()
    answers = await asyncio.gather(*first, *second)
    assert {a.cache_status for a in answers} == {"asgi-cache; fwd=uri-miss; detail=private"}


async def test_a_response_that_must_be_validated_is_for_one_request(cached):
    """``no-cache`` lets nobody have it who did not ask the app."""
    app = Gate(Response(fields={"Cache-Control": "no-cache", "ETag": '"a"'}))
    await asked_at_once(cached(app, rules=RULES), app, {}, {}, {})
    assert app.runs == 3


async def test_what_was_for_one_request_may_be_for_all_later(cached, monkeypatch):
    """The mark is forgotten in time, and misses are one run again."""
    app = Gate(Response(fields={"Cache-Control": "private"}), Response())
    app.open.set()
    cache = cached(app, rules=RULES)
    await ask(cache)
    cache.cache._services.flights._unshared = dict.fromkeys(
        cache.cache._services.flights._unshared, asyncio.get_running_loop().time()
    )
    app.shut()
    await asked_at_once(cache, app, {}, {}, {})
    assert app.runs == 2


async def test_few_marks_are_kept(cached, monkeypatch):
    """Many URLs that cannot be shared cost no more memory than a few."""
    monkeypatch.setattr("asgi_cache.flights.UNSHARED_LIMIT", 3)
    cache = cached(App(Response(fields={"Cache-Control": "private"})), rules=RULES)
    for number in range(10):
        await ask(cache, f"/{number}")
    assert len(cache.cache._services.flights._unshared) == 3


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        pytest.param({"Accept": "a/b"}, Response(status=406), id="an-error"),
        pytest.param(
            {"Origin": "https://evil"},
            Response(fields={"Access-Control-Allow-Origin": "https://evil"}),
            id="a-reflected-origin",
        ),
    ],
)
async def test_one_clients_odd_request_does_not_keep_others_from_sharing(cached, fields, answer):
    """What it provoked is not remembered against the URL."""
    app = Gate(answer, Response())
    app.open.set()
    cache = cached(app, rules=RULES)
    await ask(cache, fields=fields)
    app.shut()
    await asked_at_once(cache, app, {}, {}, {})
    assert app.runs == 2


async def test_variants_are_runs_of_their_own(cached):
    """Who selects another variant does not get the leader's, and shares with its like."""

    def answer(scope):
        return Response(dict(scope["headers"])[b"accept"], {"Vary": "Accept"})

    app = Gate(answer)
    requests = [{"fields": {"Accept": what}} for what in "aabbab"]
    answers = await asked_at_once(cached(app, rules=RULES), app, *requests)
    assert [a.body.decode() for a in answers] == list("aabbab")
    assert app.runs == 2


async def test_b20_a_request_after_a_purge_does_not_join_an_older_flight(cached):
    """What was being made when the purge came is for those who asked before it."""
    app = Gate(Response(b"old"), Response(b"new"))
    cache = cached(app, rules=RULES)
    before = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    await cache.cache.purge(path="/")
    after = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    app.open.set()
    assert ((await before).body, (await after).body) == (b"old", b"new")
    assert (await ask(cache)).body == b"new"


async def test_no_cache_requests_share_the_run_after_the_one_in_progress(cached):
    """A flood of reloads is two runs at most: one that was under way, and one for all."""
    bodies = iter("abc")
    app = Gate(lambda scope: Response(next(bodies).encode()))
    cache = cached(app, rules=RULES)
    reload = {"fields": {"Cache-Control": "no-cache"}}
    answers = await asked_at_once(cache, app, {}, *[reload] * 20, {})
    assert [a.body for a in answers] == [b"a", *[b"b"] * 20, b"a"]
    assert app.runs == 2
    assert (await ask(cache)).body == b"b"


async def test_no_cache_requests_alone_share_as_well(cached):
    """Those that come while a run for a reload is in progress have the next one."""
    bodies = iter("abc")
    app = Gate(lambda scope: Response(next(bodies).encode()))
    reload = {"fields": {"Cache-Control": "no-cache"}}
    answers = await asked_at_once(cached(app, rules=RULES), app, *[reload] * 5)
    assert [a.body for a in answers] == [b"a", *[b"b"] * 4]


async def test_head_requests_are_not_shared(cached):
    """A response to HEAD is none to GET, and neither waits for the other."""
    app = Gate()
    requests = [{"method": "HEAD"}, {}, {"method": "HEAD"}]
    await asked_at_once(cached(app, rules=RULES), app, *requests)
    assert sorted(scope["method"] for scope in app.app.scopes) == ["GET", "HEAD", "HEAD"]


async def test_a_part_is_not_made_for_all(cached):
    """A range request that finds no flight is run for itself."""
    app = Gate(
        lambda scope: Response(
            b"el" if b"range" in dict(scope["headers"]) else b"hello",
            {"Content-Range": "bytes 1-2/5"} if b"range" in dict(scope["headers"]) else (),
            206 if b"range" in dict(scope["headers"]) else 200,
        )
    )
    ranged = {"fields": {"Range": "bytes=1-2"}}
    answers = await asked_at_once(cached(app, rules=RULES), app, ranged, {}, {})
    assert [a.body for a in answers] == [b"el", b"hello", b"hello"]
    assert app.runs == 2


async def test_without_a_rule_and_without_a_stored_response_nothing_is_shared(cached):
    """Nobody knows yet whether the URL is cacheable, and nobody waits to find out."""
    app = Gate(Response(fields={"Cache-Control": "max-age=10"}))
    await asked_at_once(cached(app), app, {}, {}, {})
    assert app.runs == 3


async def test_without_a_rule_what_was_stored_once_is_shared(cached, clock):
    """A stale response says that the URL is cacheable."""
    app = Gate(Response(fields={"Cache-Control": "max-age=10"}))
    app.open.set()
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    app.shut()
    answers = await asked_at_once(cache, app, {}, {}, {})
    assert app.runs == 2
    assert answers[1].cache_status == "asgi-cache; fwd=stale; collapsed"


async def test_a_304_answers_all(cached, clock):
    """One validation renews the stored response for everybody who waits."""
    app = Gate(Response(fields={"ETag": '"a"'}), Response(status=304))
    app.open.set()
    cache = cached(app, rules=RULES)
    await ask(cache)
    clock.advance(61)
    app.shut()
    answers = await asked_at_once(cache, app, {}, {}, {"fields": {"If-None-Match": '"a"'}})
    assert [(a.status, a.body) for a in answers] == [(200, b"hello")] * 2 + [(304, b"")]
    assert answers[0].cache_status == "asgi-cache; fwd=stale; fwd-status=304; stored"
    assert answers[1].cache_status == "asgi-cache; fwd=stale; fwd-status=304; collapsed"


# Leaders that leave or fail


async def test_b17_a_leader_that_is_cancelled_does_not_stop_the_run(cached):
    """Followers are answered, and the response is stored."""
    app = Gate()
    cache = cached(app, rules=RULES)
    leader = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    follower = asyncio.create_task(ask(cache))
    await turns()
    leader.cancel()
    with suppress(asyncio.CancelledError):
        await leader
    assert leader.cancelled()
    app.open.set()
    assert (await follower).body == b"hello"
    assert (await ask(cache)).cache_status == "asgi-cache; hit"
    assert app.runs == 1


async def test_when_all_have_left_the_run_is_cancelled(cached):
    """The app is told, as without the cache, and cleans up before its caller goes on."""
    log = []
    begun = asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            log.append("cleaned up")
            raise

    cache = cached(app, rules=RULES)
    tasks = [asyncio.create_task(ask(cache)) for _ in range(3)]
    await begun.wait()
    await turns()
    for task in (tasks[1], tasks[0]):
        task.cancel()
    await turns()
    assert log == []
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await turns()
    assert log == ["cleaned up"]


async def test_a_lone_leader_that_is_cancelled_waits_for_the_app(cached):
    """What the app does on its way out is over when the call ends."""
    log = []
    begun = asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    task = asyncio.create_task(ask(cached(app, rules=RULES)))
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert log == ["cleaned up"]


@pytest.mark.parametrize("steps", range(12))
async def test_a_leader_that_is_cancelled_at_any_step_blocks_nobody(cached, steps):
    """The next request finds a run that goes on, or begins one."""
    app = App()
    cache = cached(app, rules=RULES)
    task = asyncio.create_task(ask(cache))
    await turns(steps)
    task.cancel()
    async with asyncio.timeout(5):
        assert (await ask(cache)).body == b"hello"


async def test_the_app_hears_of_no_disconnect_while_others_wait(cached):
    """A client that hangs up is no reason to end a response that another one waits for."""
    told, begun, gone = [], asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        await receive()
        told.append((await receive())["type"])
        await Response().send_to(scope, send)

    cache = cached(app, rules=RULES)
    messages = iter([{"type": "http.request", "body": b""}])

    async def receive():
        if (message := next(messages, None)) is not None:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    leader = asyncio.create_task(cache(scope_of("GET", "/", ()), receive, send))
    await begun.wait()
    follower = asyncio.create_task(ask(cache))
    await turns()
    gone.set()
    await turns()
    assert told == []
    follower.cancel()
    await turns()
    assert told == ["http.disconnect"]
    await leader


async def test_nobody_joins_a_run_whose_app_has_been_told_that_all_have_left(cached):
    """It may end the response early, as if that were whole."""
    told, go_on, runs = asyncio.Event(), asyncio.Event(), []

    async def app(scope, receive, send):
        runs.append(scope)
        await send(START)
        await send(part(b"half", more=True))
        if len(runs) == 1:
            await receive()
            assert (await receive())["type"] == "http.disconnect"
            told.set()
            await go_on.wait()
        await send(part(b"" if len(runs) == 1 else b"whole"))

    cache = cached(app, rules=RULES)
    messages = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    async def send(message):
        pass

    leader = asyncio.create_task(cache(scope_of("GET", "/", ()), receive, send))
    await told.wait()
    assert (await ask(cache)).body == b"halfwhole"
    go_on.set()
    await leader
    assert (await ask(cache)).body == b"halfwhole"


async def test_b18_followers_of_a_run_that_raised_run_in_parallel(cached):
    """One failure is one client's; the others ask for themselves, at once and not in turn."""
    app = Gate(ZeroDivisionError(), Response())
    cache = cached(app, rules=RULES)
    leader = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    others = [asyncio.create_task(ask(cache)) for _ in range(10)]
    await turns()
    app.open.set()
    with pytest.raises(ZeroDivisionError):
        await leader
    assert {answer.body for answer in await asyncio.gather(*others)} == {b"hello"}
    assert app.runs == 11


async def test_followers_that_have_begun_fail_with_the_run(cached):
    """A response that breaks off is broken off for everybody, and never passes for whole."""
    go_on = asyncio.Event()

    async def app(scope, receive, send):
        await send(START)
        await send(part(b"half", more=True))
        await go_on.wait()
        raise ZeroDivisionError

    cache = cached(app, rules=RULES)
    tasks = [asyncio.create_task(ask(cache)) for _ in range(3)]
    await turns()
    go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError, LeftBehind, LeftBehind]
    assert isinstance(results[1].__cause__, ZeroDivisionError)


async def test_a_run_that_stops_short_is_short_for_all(cached):
    """An app that returns without its last chunk leaves every client without it."""

    async def app(scope, receive, send):
        await send(START)
        await send(part(b"half", more=True))

    cache = cached(app, rules=RULES)
    answers = await asyncio.gather(*(ask(cache) for _ in range(3)))
    assert {(a.body, a.is_complete) for a in answers} == {(b"half", False)}


async def test_a_body_that_is_not_what_its_head_says_is_shared_with_nobody(cached):
    """Only complete bodies are; the followers ask for themselves."""
    app = Gate(Response(b"abc", {"Content-Length": "4"}), Response(b"abcd"))
    answers = await asked_at_once(cached(app, rules=RULES), app, {}, {}, {})
    assert [a.body for a in answers] == [b"abc", b"abcd", b"abcd"]


async def test_a_stale_response_replaces_a_failure_for_all(cached, clock):
    """``stale-if-error`` is for everybody who waits for the run that failed."""
    app = Gate(Response(b"old"), Response(b"sorry", status=503), ZeroDivisionError())
    app.open.set()
    cache = cached(app, rules={"/**": {"ttl": 10, "stale_if_error": 600}})
    await ask(cache)
    for _ in range(2):
        clock.advance(20)
        app.shut()
        answers = await asked_at_once(cache, app, {}, {}, {})
        assert {(a.status, a.body) for a in answers} == {(200, b"old")}
        assert all("detail=stale-if-error" in a["cache-status"] for a in answers)
    assert app.runs == 3


async def test_a_stuck_run_is_not_joined_for_ever(cached, monkeypatch):
    """Who has waited long enough asks the app itself, and who comes later does not wait."""
    monkeypatch.setattr("asgi_cache.passenger.PATIENCE", 0.01)
    app = Gate()
    cache = cached(app, rules=RULES)
    stuck = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    follower = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    monkeypatch.setattr(flight_module, "PATIENCE", 0.0)
    late = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    app.open.set()
    assert {(await task).body for task in (stuck, follower, late)} == {b"hello"}


# What a task of its own must not change


async def test_what_the_app_says_in_context_variables_reaches_its_caller(cached):
    """Middleware around the cache sees what a handler has set, as without the cache."""
    variable = ContextVar("variable", default="unset")

    async def app(scope, receive, send):
        assert variable.get() == "outer"
        variable.set("inner")
        await Response().send_to(scope, send)

    cache = cached(app, rules=RULES)
    seen = []

    async def outer(scope, receive, send):
        variable.set("outer")
        await cache(scope, receive, send)
        seen.append(variable.get())

    await ask(outer)
    assert seen == ["inner"]


async def test_the_call_ends_when_the_app_has(cached):
    """Background tasks belong to the request that began the run."""
    log = []

    async def app(scope, receive, send):
        await Response().send_to(scope, send)
        await asyncio.sleep(0)
        log.append("background")

    await ask(cached(app, rules=RULES))
    assert log == ["background"]


async def test_an_exception_after_the_response_is_the_leaders(cached):
    """Followers have what they asked for; the server hears of the failure once."""

    async def app(scope, receive, send):
        await Response().send_to(scope, send)
        raise ZeroDivisionError

    cache = cached(app, rules=RULES)
    results = await asyncio.gather(*(ask(cache) for _ in range(3)), return_exceptions=True)
    assert isinstance(results[0], ZeroDivisionError)
    assert [result.body for result in results[1:]] == [b"hello", b"hello"]


# Streams


async def test_b24_events_are_passed_on_at_once_and_to_their_own_client(cached):
    """Server-sent events are no answer to another request, and have no end to wait for."""
    app_runs, received = [], []
    end = asyncio.Event()

    async def app(scope, receive, send):
        app_runs.append(scope)
        number = len(app_runs)
        await send({**START, "headers": [(b"content-type", b"text/event-stream")]})
        await send(part(b"data: %d" % number, more=True))
        await end.wait()
        await send(part(b""))

    async def on_message(message):
        received.append(message.get("body"))

    cache = cached(app, rules=RULES)
    tasks = [asyncio.create_task(ask(cache, on_message=on_message)) for _ in range(2)]
    await turns()
    assert sorted(filter(None, received)) == [b"data: 1", b"data: 2"]
    end.set()
    await asyncio.gather(*tasks)


async def test_b25_what_is_too_large_to_store_waits_for_its_readers(cached):
    """The app is kept from running ahead, so that memory is bounded by what may be stored."""
    sent, may_read = [], asyncio.Semaphore(0)

    async def app(scope, receive, send):
        await send(START)
        for number in range(200):
            await send(part(b"x" * 100, more=True))
            sent.append(number)
        await send(part(b""))

    async def on_message(message):
        await may_read.acquire()

    cache = cached(app, rules={"/**": {"ttl": 60, "max_body": 1000}})
    task = asyncio.create_task(ask(cache, on_message=on_message))
    await turns(200)
    assert len(sent) <= 10 + flight_module.WINDOW + 1
    for _ in range(300):
        may_read.release()
    assert len((await task).body) == 20_000
    assert "fwd=uri-miss" in (await ask(cached(App(), rules=RULES))).cache_status


def overflowing(go_on):
    """Make an app that sends one byte, and when it may go on more than is stored."""

    async def app(scope, receive, send):
        await send(START)
        await send(part(b"x", more=True))
        await go_on.wait()
        for _ in range(100):
            await send(part(b"x" * 100, more=True))
        await send(part(b""))

    return app


def held_up(blocked):
    """Make a client that takes the first byte, and the rest only when nothing blocks it."""

    async def on_message(message):
        if message.get("body") not in {None, b"x"}:
            await blocked.wait()

    return on_message


@pytest.mark.parametrize("slow", [0, 1], ids=["leader", "follower"])
async def test_a_client_that_is_too_slow_is_left_behind_where_others_wait(
    cached, monkeypatch, slow
):
    """It does not hold up the others for ever, and is not told that all was well."""
    monkeypatch.setattr(flight_module, "STALL", 0.01)
    go_on, blocked = asyncio.Event(), asyncio.Event()
    cache = cached(overflowing(go_on), rules={"/**": {"ttl": 60, "max_body": 1000}})
    clients = []
    for number in range(2):
        on_message = held_up(blocked) if number == slow else None
        clients.append(asyncio.create_task(ask(cache, on_message=on_message)))
        await turns()
    go_on.set()
    assert len((await clients[1 - slow]).body) == 10_001
    blocked.set()
    with pytest.raises(LeftBehind):
        await clients[slow]


async def test_a_buffer_that_the_app_uses_again_is_copied(cached):
    """What followers read later is what was sent."""
    buffer = bytearray(b"one")

    async def app(scope, receive, send):
        await send(START)
        await send(part(buffer, more=True))
        buffer[:] = b"two"
        await send(part(memoryview(buffer)))
        buffer[:] = b"bad"

    cache = cached(app, rules=RULES)
    answers = await asyncio.gather(*(ask(cache) for _ in range(3)), ask(cache))
    assert {answer.body for answer in answers} == {b"onetwo"}


async def test_closing_waits_for_runs_and_then_stops_them(cached, monkeypatch):
    """Shutting down is bounded, whatever the app does."""
    monkeypatch.setattr("asgi_cache.cache.CLOSE_TIMEOUT", 0.01)
    begun = asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    cache = cached(app, rules=RULES)
    task = asyncio.create_task(ask(cache))
    await begun.wait()
    await cache.cache.close()
    with pytest.raises(LeftBehind):
        await task


# What others have to do with one client's response


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param({"Set-Cookie": "session=alice"}, id="a-cookie"),
        pytest.param({"Cache-Control": "private", "X-User": "alice"}, id="private"),
    ],
)
async def test_what_a_304_adds_for_one_client_is_for_that_client(cached, clock, secret):
    """A response that was for all is not, once the app has added what may not be stored."""
    public = {"ETag": '"a"', "Cache-Control": "public, max-age=10"}
    rolled = {**public, **secret}
    app = Gate(Response(fields=public), Response(status=304, fields=rolled))
    app.open.set()
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    app.shut()
    alice = asyncio.create_task(ask(cache))
    await app.begun.acquire()
    app.app.answers = (*app.app.answers, Response(status=304, fields=public))
    bob = asyncio.create_task(ask(cache))
    await turns()
    app.open.set()
    for name, value in secret.items():
        assert value in (await alice).all(name)
        assert value not in (await bob).all(name)


@pytest.mark.parametrize("rules", [RULES, {}], ids=["ruled", "unruled"])
async def test_half_a_body_of_an_app_that_swallows_its_cancellation_is_not_stored(cached, rules):
    """A stream that ends because it was cancelled may look complete."""
    begun = asyncio.Event()

    async def app(scope, receive, send):
        await send({**START, "headers": [(b"cache-control", b"max-age=60")]})
        await send(part(b"half", more=True))
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await send(part(b""))

    cache = cached(app, rules=rules)
    task = asyncio.create_task(ask(cache))
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    cache.app = App(Response(b"whole"))
    assert (await ask(cache)).body == b"whole"


async def test_content_that_no_field_announces_is_for_its_own_client(cached):
    """As in HTTP/2, where a GET may bring content without saying so; others do not wait for it."""

    async def app(scope, receive, send):
        await send(START)
        await send(part(b"hello ", more=True))
        await send(part((await receive()).get("body", b"")))

    cache = cached(app, rules=RULES)
    evil, plain = await asyncio.gather(ask(cache, body=b"EVIL"), ask(cache))
    assert (evil.body, plain.body) == (b"hello EVIL", b"hello ")


async def test_a_reload_does_not_wait_for_a_stream(cached):
    """What may go on for hours is no reason to be silent for hours."""
    runs, end = [], asyncio.Event()

    async def app(scope, receive, send):
        runs.append(scope)
        await send(START)
        await send(part(b"first ", more=True))
        if len(runs) == 1:
            await end.wait()
        await send(part(b"last"))

    cache = cached(app, rules=RULES)
    stream = asyncio.create_task(ask(cache))
    await turns()
    reload = await ask(cache, fields={"Cache-Control": "no-cache"})
    assert reload.body == b"first last"
    end.set()
    await stream


async def test_many_tiny_chunks_are_too_much_to_store(cached):
    """What holding a chunk takes counts as well as what is in it."""

    async def app(scope, receive, send):
        await send(START)
        for _ in range(5000):
            await send(part(b"", more=True))
        await send(part(b"end"))

    cache = cached(app, rules={"/**": {"ttl": 60, "max_body": 1000}})
    assert (await ask(cache)).body == b"end"
    assert "hit" not in (await ask(cache)).cache_status


async def test_closing_is_bounded_even_by_what_cannot_be_stopped(cached, monkeypatch):
    """An app that swallows its cancellation does not keep the server from stopping."""
    monkeypatch.setattr("asgi_cache.cache.CLOSE_TIMEOUT", 0.01)
    begun, end = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        while not end.is_set():
            with suppress(asyncio.CancelledError):
                await end.wait()

    cache = cached(app, rules=RULES)
    task = asyncio.create_task(ask(cache))
    await begun.wait()
    async with asyncio.timeout(5):
        await cache.cache.close()
    end.set()
    await task


async def test_followers_of_a_slow_run_have_its_answer_though_it_is_stale_by_then(cached, clock):
    """The time that it took is no part of its age for those who waited for it."""
    app = Gate(lambda scope: clock.advance(20) or Response())
    await asked_at_once(cached(app, rules={"/**": 10}), app, {}, {}, {})
    assert app.runs == 1


async def test_a_head_tells_who_it_is_for_before_the_body_comes(cached):
    """Who is shown by the head that the response is for others does not wait for its body."""
    ended = asyncio.Event()

    async def app(scope, receive, send):
        language = dict(scope["headers"])[b"accept-language"]
        fields = [(b"content-length", b"2"), (b"vary", b"accept-language")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        if language == b"de":
            await ended.wait()
        await send({"type": "http.response.body", "body": language})

    cache = cached(app, rules={"/": {"ttl": 60, "public": True}})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(cache, "/", [("Accept-Language", "de")]))
        tasks.create_task(ask(cache, "/", [("Accept-Language", "en")])).add_done_callback(
            lambda _: ended.set()
        )


async def test_beyond_the_limit_each_request_has_a_run_of_its_own(cached):
    """Those under way can still be joined; whoever comes too late for one is told so."""
    app = Gate()
    cache = cached(app, rules=RULES, max_flights=2)
    asking = [asyncio.create_task(ask(cache, path)) for path in ("/a", "/b", "/c", "/c", "/a")]
    for _ in range(4):
        await app.begun.acquire()
    app.open.set()
    *_, third, fourth, fifth = await asyncio.gather(*asking)
    alone = "asgi-cache; fwd=uri-miss; stored; detail=max-flights"
    assert (third.cache_status, fourth.cache_status) == (alone, alone)
    assert (fifth.cache_status, app.runs) == ("asgi-cache; fwd=uri-miss; collapsed", 4)
    assert (await ask(cache, "/c")).cache_status == "asgi-cache; hit"
    assert (await ask(cache, "/d")).cache_status == "asgi-cache; fwd=uri-miss; stored"


def test_flights_of_an_event_loop_that_has_ended_do_not_count(cached):
    """They will never land, and keep nobody else from theirs."""

    async def never_land():
        asking = asyncio.create_task(ask(cache, "/a"))
        await turns()
        return asking

    async def ask_again():
        return await ask(cache, "/b")

    app = Gate()
    cache = cached(app, rules=RULES, max_flights=1)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(never_land())
        app.open = asyncio.Event()
        app.open.set()
        answer = second.run(ask_again())
        assert answer.cache_status == "asgi-cache; fwd=uri-miss; stored"
