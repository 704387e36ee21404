"""A stale response is served where that was agreed to, and nowhere else."""

from __future__ import annotations

import anyio
import pytest

from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio

SWR = {"ttl": 10, "stale_while_revalidate": 30}
SIE = {"ttl": 10, "stale_if_error": 30}


async def settled(cache):
    """Wait until what the cache does in the background is done."""
    await cache.cache._services.flights.finish(5)


async def test_stale_is_served_while_it_is_refreshed(cached, clock):
    """The client does not wait for the app; the next one has the fresh response."""
    app = App(Response(b"old"), Response(b"new"))
    cache = cached(app, rules={"/": SWR})
    await ask(cache)
    clock.advance(15)
    stale = await ask(cache)
    assert (stale.body, stale["cache-status"]) == (b"old", "asgi-cache; hit; ttl=-5")
    await settled(cache)
    fresh = await ask(cache)
    assert (fresh.body, fresh["cache-status"]) == (b"new", "asgi-cache; hit; ttl=10")
    assert app.runs == 2


async def test_one_refresh_runs_at_a_time(cached, clock):
    """Many stale hits make the app work once."""
    gate = anyio.Event()
    runs = []

    async def app(scope, receive, send):
        runs.append(scope["method"])
        if len(runs) > 1:
            await gate.wait()
        await Response().send_to(scope, send)

    cache = cached(app, rules={"/": SWR})
    await ask(cache)
    clock.advance(15)
    for method in ("HEAD", "GET", "GET"):
        assert (await ask(cache, method=method)).cache_status == "asgi-cache; hit"
    gate.set()
    await settled(cache)
    assert runs == ["GET", "GET"]


async def test_a_refresh_asks_for_the_whole_response(cached, clock):
    """What one client wished for its own answer does not shape what is stored for all."""
    app = App(Response(fields={"ETag": '"v1"'}), Response(status=304))
    cache = cached(app, rules={"/": SWR})
    await ask(cache)
    clock.advance(15)
    await ask(cache, fields={"Range": "bytes=0-1", "If-None-Match": '"x"', "X-Kept": "1"})
    await settled(cache)
    assert (app.seen("range"), app.seen("if-none-match"), app.seen("x-kept")) == (
        [],
        ['"v1"'],
        ["1"],
    )
    assert (await ask(cache))["cache-status"] == "asgi-cache; hit; ttl=10"


async def test_a_refresh_that_fails_leaves_the_stale_response(cached, clock, caplog):
    """Nobody but the log hears of the failure."""
    app = App(Response(b"old"), ZeroDivisionError(), Response(b"new"))
    cache = cached(app, rules={"/": SWR})
    await ask(cache)
    clock.advance(15)
    await ask(cache)
    await settled(cache)
    assert (await ask(cache)).body == b"old"
    assert "ZeroDivisionError" in caplog.text
    await settled(cache)
    assert (app.runs, (await ask(cache)).body) == (2, b"old"), "an app that fails is left alone"
    clock.advance(5)
    await ask(cache)
    await settled(cache)
    assert (await ask(cache)).body == b"new"


async def test_after_its_window_the_app_is_asked(cached, clock):
    """``stale_while_revalidate`` ends when it says."""
    cache = cached(App(Response(b"old"), Response(b"new")), rules={"/": SWR})
    await ask(cache)
    clock.advance(40)
    assert (await ask(cache)).body == b"new"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Response(b"sorry", status=503), id="503"),
        pytest.param(Response(b"sorry", status=500), id="500"),
        pytest.param(ZeroDivisionError(), id="an-exception"),
    ],
)
async def test_stale_is_served_if_the_app_fails(cached, clock, failure):
    """A failing app costs freshness and not answers, within ``stale_if_error``."""
    cache = cached(App(Response(b"old"), failure), rules={"/": SIE})
    await ask(cache)
    clock.advance(15)
    answer = await ask(cache)
    assert (answer.status, answer.body, answer["age"]) == (200, b"old", "15")
    assert "fwd=stale" in answer["cache-status"]
    assert "ttl=-5" in answer["cache-status"]
    assert "detail=stale-if-error" in answer["cache-status"]


async def test_an_exception_after_the_head_is_not_hidden(cached, clock):
    """Once the client has the app's head there is no other answer to give."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if runs.append(1) or len(runs) > 1:
            raise ZeroDivisionError
        await send({"type": "http.response.body", "body": b"old"})

    runs = []
    cache = cached(app, rules={"/": SIE})
    await ask(cache)
    clock.advance(15)
    with pytest.raises(ZeroDivisionError):
        await ask(cache)


async def test_an_exception_before_the_body_is_replaced(cached, clock):
    """A head with a length waits for its body, so that the stale response can stand in."""

    async def app(scope, receive, send):
        fields = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        if runs.append(1) or len(runs) > 1:
            raise ZeroDivisionError
        await send({"type": "http.response.body", "body": b"old"})

    runs = []
    cache = cached(app, rules={"/": SIE})
    await ask(cache)
    clock.advance(15)
    assert (await ask(cache)).body == b"old"


@pytest.mark.parametrize(
    ("directives", "served"),
    [
        pytest.param("max-age=10, stale-if-error=30", True, id="the-app-agrees"),
        pytest.param("max-age=10, stale-if-error=3", False, id="for-less-long"),
        pytest.param("max-age=10", False, id="nobody-agreed"),
        pytest.param("max-age=10, stale-if-error=30, must-revalidate", False, id="must-revalidate"),
        pytest.param("s-maxage=10, stale-if-error=30", True, id="s-maxage-with-a-window"),
    ],
)
async def test_the_app_says_whether_it_may_be_replaced(cached, clock, directives, served):
    """``must-revalidate`` wins over every window."""
    app = App(Response(b"old", {"Cache-Control": directives}), Response(status=503))
    cache = cached(app)
    await ask(cache)
    clock.advance(15)
    assert ((await ask(cache)).status == 200) is served


async def test_a_client_that_insists_gets_the_failure(cached, clock):
    """``no-cache`` means the app's answer, whatever it is."""
    cache = cached(App(Response(b"old"), Response(status=503)), rules={"/": SIE})
    await ask(cache)
    answer = await ask(cache, fields={"Cache-Control": "no-cache"})
    assert answer.status == 503
    assert (await ask(cache)).body == b"old"


async def test_a_client_can_accept_stale(cached, clock):
    """``max-stale`` is served without asking the app (RFC 9111, section 5.2.1.2)."""
    app = App()
    cache = cached(app, rules={"/": 10})
    await ask(cache)
    clock.advance(15)
    answer = await ask(cache, fields={"Cache-Control": "max-stale=10"})
    assert (answer["cache-status"], app.runs) == ("asgi-cache; hit; ttl=-5", 1)


async def test_refreshes_that_do_not_end_are_stopped_at_close(cached, clock, monkeypatch):
    """`Cache.close` waits for what is running, with a bound."""
    monkeypatch.setattr("asgi_cache.cache.CLOSE_TIMEOUT", 0)
    ended = []

    async def app(scope, receive, send):
        if runs:
            try:
                await anyio.sleep_forever()
            finally:
                ended.append(True)
        runs.append(1)
        await Response().send_to(scope, send)

    runs = []
    cache = cached(app, rules={"/": SWR})
    await ask(cache)
    clock.advance(15)
    await ask(cache)
    await anyio.lowlevel.checkpoint()
    await cache.cache.close()
    assert ended == [True]


async def test_an_app_that_fails_is_left_alone_for_a_while(cached, clock):
    """Where a stale response can stand in, one failure in five seconds is enough."""
    app = App(Response(b"old"), Response(status=503))
    cache = cached(app, rules={"/": {"ttl": 10, "stale_if_error": 600}})
    await ask(cache)
    clock.advance(11)
    for second in range(30):
        answer = await ask(cache)
        assert (answer.status, answer.body) == (200, b"old")
        assert "detail=stale-if-error" in answer["cache-status"]
        assert ("; hit" in answer.cache_status) == (second % 5 != 0)
        clock.advance(1)
    assert app.runs == 1 + 6


async def test_a_client_that_insists_reaches_an_app_that_fails(cached, clock):
    """``no-cache`` is not answered with what is stale."""
    app = App(Response(b"old"), Response(b"sorry", status=503))
    cache = cached(app, rules={"/": {"ttl": 10, "stale_if_error": 600}})
    await ask(cache)
    clock.advance(11)
    await ask(cache)
    assert (await ask(cache, fields={"Cache-Control": "no-cache"})).body == b"sorry"


async def test_an_app_that_recovers_is_asked_again(cached, clock):
    """A success, even of a client that insisted, ends the pause."""
    app = App(Response(b"old"), Response(status=503), Response(b"new"))
    cache = cached(app, rules={"/": {"ttl": 10, "stale_if_error": 600}})
    await ask(cache)
    clock.advance(11)
    await ask(cache)
    await ask(cache, fields={"Cache-Control": "no-cache"})
    assert (await ask(cache)).cache_status == "asgi-cache; hit"
    clock.advance(11)
    assert "fwd=stale" in (await ask(cache)).cache_status
    assert app.runs == 4


async def test_failures_are_remembered_of_few_responses(cached, clock, monkeypatch):
    """Many URLs that fail cost no more memory than a few."""
    monkeypatch.setattr("asgi_cache.throttle.LIMIT", 3)
    app = App(*[Response()] * 10, Response(status=503))
    cache = cached(app, rules={"/**": {"ttl": 10, "stale_if_error": 600}})
    for number in range(10):
        await ask(cache, f"/{number}")
    clock.advance(11)
    for number in range(10):
        await ask(cache, f"/{number}")
    assert len(cache.cache._services.throttle._failed_at) == 3


async def test_a_popular_response_is_refreshed_before_it_is_stale(cached, clock, monkeypatch):
    """One of many requests at the end of its lifetime begins, and none of them waits."""
    bodies = iter([b"old", b"new"])

    async def app(scope, receive, send):
        clock.advance(2)  # what it takes to make
        await Response(next(bodies)).send_to(scope, send)

    cache = cached(app, rules={"/": 10})
    monkeypatch.setattr("asgi_cache.exchange._chance", lambda: 0.2)  # 3.2 s before the end
    await ask(cache)
    clock.advance(3)
    assert (await ask(cache)).body == b"old"
    await settled(cache)
    assert (await ask(cache)).body == b"old"
    clock.advance(3)
    early = await ask(cache)
    assert (early.body, early["cache-status"]) == (b"old", "asgi-cache; hit; ttl=2")
    await settled(cache)
    assert (await ask(cache)).body == b"new"


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        pytest.param({"/": {"ttl": 10, "early_refresh": 0}}, (), id="turned-off"),
        pytest.param({}, {"Cache-Control": "max-age=10"}, id="without-a-rule"),
    ],
)
async def test_nothing_is_refreshed_early_unless_a_rule_says_so(
    cached, clock, monkeypatch, rules, fields
):
    """Without a rule the app is asked when it has said so."""

    async def app(scope, receive, send):
        clock.advance(2)
        await Response(fields=fields).send_to(scope, send)

    cache = cached(app, rules=rules)
    monkeypatch.setattr("asgi_cache.exchange._chance", lambda: 1e-9)
    await ask(cache)
    clock.advance(7)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"
    await settled(cache)
    assert (await ask(cache))["cache-status"] == "asgi-cache; hit; ttl=1"


async def test_a_refresh_that_hangs_is_ended(cached, clock, monkeypatch):
    """It counts as a failure, and does not keep the next one from its key."""
    monkeypatch.setattr("asgi_cache.fill.REFRESH_TIMEOUT", 0.01)
    app = App(Response(b"old"))

    async def hanging(scope, receive, send):
        if app.runs:
            app.scopes.append(scope)
            await anyio.sleep_forever()
        await app(scope, receive, send)

    cache = cached(hanging, rules={"/": SWR})
    await ask(cache)
    clock.advance(15)
    for runs in (2, 2):
        assert (await ask(cache)).body == b"old"
        await settled(cache)
        assert app.runs == runs
    clock.advance(5)
    await ask(cache)
    await settled(cache)
    assert app.runs == 3


async def test_a_response_made_again_is_renewed(cached, clock):
    """What has not changed keeps its entity tag, and its body is not kept twice."""
    app = App(Response(b"x" * 10_000))
    cache = cached(app, rules={"/": 10})
    first = await ask(cache)
    store = cache.cache.store
    (body,) = [entry.record.body for entry in store._records._entries.values()]
    clock.advance(11)
    second = await ask(cache, fields={"If-None-Match": first["etag"]})
    assert (second.status, second["etag"]) == (304, first["etag"])
    (renewed,) = [entry.record for entry in store._records._entries.values()]
    assert renewed.body is body
    assert renewed.stored_at == clock()


async def test_who_insists_does_not_prolong_the_pause_for_others(cached, clock):
    """A failure during the pause does not begin another one."""
    app = App(Response(b"old"), Response(status=503))
    cache = cached(app, rules={"/": {"ttl": 10, "stale_if_error": 6000}})
    await ask(cache)
    clock.advance(11)
    await ask(cache)
    clock.advance(4)
    await ask(cache, fields={"Cache-Control": "no-cache"})
    clock.advance(1)
    runs = app.runs
    await ask(cache)
    assert app.runs == runs + 1
