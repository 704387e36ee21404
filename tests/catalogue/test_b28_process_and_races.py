"""Catalogue B, lines 8, 9, 20, 28, 30; races at every step, and a model of what may be answered."""

from __future__ import annotations

import asyncio
import gc
import random
import time

import pytest

from asgi_cache import CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Clock, Response, ask

pytestmark = pytest.mark.anyio


def slow_app(state, steps=2):
    async def app(scope, receive, send):
        path = scope["path"]
        if scope["method"] == "POST":
            await asyncio.sleep(0)
            state[path] = state.get(path, 0) + 1
            value = state[path]
        else:
            value = state.get(path, 0)
            for _ in range(steps):
                await asyncio.sleep(0)
        inner = Response(
            b"%d" % value,
            {"Cache-Control": "max-age=60", **({"Vary": "A"} if path == "/v" else {})},
        )

        async def stepping(m):
            await asyncio.sleep(0)
            await send(m)

        await inner.send_to(scope, stepping)

    return app


async def run_steps(task, steps):
    for _ in range(steps):
        await asyncio.sleep(0)


@pytest.mark.parametrize("options", [{}, {"rules": {"/**": 600}}], ids=["unruled", "ruled"])
@pytest.mark.parametrize("path", ["/p", "/v"])
async def test_b20_a_write_at_every_step_of_a_fill(cached, path, options):
    for steps in range(25):
        state = {}
        cache = cached(slow_app(state), **options)
        fill = asyncio.create_task(ask(cache, path))
        await run_steps(fill, steps)
        await ask(cache, path, method="POST")
        after = await ask(cache, path)
        assert after.body == b"1", steps
        await fill
        assert (await ask(cache, path)).body == b"1", steps


@pytest.mark.parametrize("path", ["/p", "/v"])
async def test_b20_a_fill_at_every_step_of_a_write(cached, path):
    for steps in range(25):
        state = {}
        cache = cached(slow_app(state), rules={"/**": 600})
        await ask(cache, path)
        write = asyncio.create_task(ask(cache, path, method="POST"))
        await run_steps(write, steps)
        await ask(cache, path)
        await write
        assert (await ask(cache, path)).body == b"1", steps


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", ["/p", "/v"])
@pytest.mark.parametrize("stale", [False, True])
async def test_b08_cancelled_at_every_step(cached, clock, method, path, stale):
    problems = []
    asyncio.get_running_loop().set_exception_handler(lambda _, c: problems.append(c))
    for steps in range(30):
        state = {}
        cache = cached(slow_app(state), rules={"/**": {"ttl": 60, "stale_while_revalidate": 600}})
        await ask(cache, path)
        if stale:
            clock.advance(61)
        task = asyncio.create_task(ask(cache, path, method=method))
        await run_steps(task, steps)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cache.cache._services.flights.finish(5)
        written = state.get(path, 0)
        got = (await ask(cache, path)).body
        # a write whose client never heard of it may not have been voided
        assert got == b"%d" % written or (method == "POST" and written == 1), steps
        await cache.cache._services.flights.finish(5)
    gc.collect()
    await asyncio.sleep(0)
    assert not problems


async def test_b08_a_write_cancelled_after_it_was_done_voids(cached):
    """The app changed the resource; that its client left does not make the old one true."""
    bad = []
    for steps in range(30):
        state = {}
        cache = cached(slow_app(state), rules={"/**": 600})
        await ask(cache, "/p")
        task = asyncio.create_task(ask(cache, "/p", method="POST"))
        await run_steps(task, steps)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if (await ask(cache, "/p")).body != b"%d" % state.get("/p", 0):
            bad.append(steps)
    assert not bad


@pytest.mark.parametrize("jump", [3600, -3600, -(10**9), 10**9])
async def test_b28_the_clock_jumps(cached, clock, jump):
    app = App()
    cache = cached(app, rules={"/**": 60})
    await ask(cache)
    clock.advance(jump)
    answer = await ask(cache)
    assert all(int(v) >= 0 for v in answer.all("age"))
    clock.advance(-jump if jump < 0 else 0)
    clock.advance(61)
    await ask(cache)
    assert app.runs >= 2


async def test_b28_a_clock_that_went_back_an_hour_does_not_keep_for_an_hour(cached, clock):
    """Freshness of a minute does not become an hour and a minute."""
    app = App()
    cache = cached(app, rules={"/**": 60})
    await ask(cache)
    clock.advance(-3600)
    for _ in range(30):
        clock.advance(60)
        await ask(cache)
    assert app.runs > 1


async def test_b28_the_clock_jumps_during_a_fill(cached, clock):
    async def app(scope, receive, send):
        clock.advance(app.jump)
        await Response().send_to(scope, send)

    for app.jump in (3600, -3600):
        cache = cached(app, rules={"/**": 60})
        for _ in range(2):
            answer = await ask(cache)
            assert answer.status == 200
            assert all(int(v) >= 0 for v in answer.all("age"))


async def test_a28_refreshes_are_bounded(cached, clock):
    """A flood of requests for stale responses does not run the app without limit."""
    running = peak = 0

    async def app(scope, receive, send):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.01 if clock.now > 1_800_000_005 else 0)
        running -= 1
        await Response().send_to(scope, send)

    cache = cached(app, rules={"/**": {"ttl": 10, "stale_while_revalidate": 600}})
    for n in range(300):
        await ask(cache, f"/{n}")
    clock.advance(11)
    for n in range(300):
        await ask(cache, f"/{n}")
    await cache.cache._services.flights.finish(5)
    assert peak <= 100


async def test_a29_long_lines_cost_linear_time(cached):
    cache = cached(
        App(),
        rules={
            "/{a}-{b}-{c}-{d}x": 60,
            "/q": {"ttl": 60, "query": ["a"]},
            "/s": {"ttl": 60, "sort_query": True},
        },
        credentials=["authorization", "cookie:a"],
    )
    t = time.perf_counter()
    await ask(cache, "/q?" + "&" * 8000)
    await ask(cache, "/s?" + "a&" * 4000)
    await ask(cache, "/s?" + "a=%25" * 1600)
    for name in (
        "Accept",
        "Accept-Language",
        "Cache-Control",
        "Cookie",
        "Range",
        "If-None-Match",
        "If-Range",
        "X",
    ):
        for junk in (
            "," * 60000,
            '"' * 60000,
            '"\\' * 30000,
            "a;" * 30000,
            'a="' * 20000,
            "=," * 30000,
            " \t" * 30000,
            "bytes=" + "0-1," * 10000,
        ):
            cache.app = App(Response(fields={"Vary": name, "ETag": '"1"'}))
            for _ in range(2):
                await ask(cache, "/q", {name: junk})
    assert time.perf_counter() - t < 5


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["unruled", "ruled", "user_id", "public"])
async def test_model(kind, seed):
    """Random users, writes, variants, ranges, conditions and times: nobody gets what is not his."""
    random.seed(seed)
    clock = Clock()
    state, users = {}, [None, "alice", "bob"]

    def body_of(path, who, accept):
        return f"{path}|{who}|{accept}|{state.get(path, 0)}|".encode() + b"x" * 20

    async def app(scope, receive, send):
        fields = dict(scope["headers"])
        who = (fields.get(b"authorization") or fields.get(b"x-user") or b"-").decode()
        path, accept = scope["path"], fields.get(b"accept", b"-").decode()
        if kind == "public" or path == "/shared":
            who = "*"
        if scope["method"] in ("POST", "PUT", "DELETE"):
            ok = random.random() < 0.8
            if ok:
                state[path] = state.get(path, 0) + 1
            await Response(b"done", status=200 if ok else 409).send_to(scope, send)
            return
        body = body_of(path, who, accept)
        etag = f'"{hash(body)}"'
        said = random.choice(
            [
                "max-age=20",
                "max-age=20, stale-while-revalidate=20",
                "no-cache",
                "private, max-age=20",
                "no-store",
                "max-age=20, stale-if-error=60",
            ]
        )
        if who == "*":
            said = "public, " + said if "private" not in said else "max-age=20, public"
        out = {"Cache-Control": said, "Vary": "Accept", "ETag": etag}
        if kind != "unruled" and random.random() < 0.3:
            del out["Cache-Control"]
        roll = random.random()
        if roll < 0.05:
            raise ZeroDivisionError
        if roll < 0.1:
            await Response(b"err", {"Cache-Control": "no-store"}, status=503).send_to(scope, send)
        elif fields.get(b"if-none-match") == etag.encode() and roll < 0.8:
            await Response(b"", out, status=304).send_to(scope, send)
        elif fields.get(b"range") == b"bytes=0-3" and roll < 0.7:
            await Response(
                body[:4], {**out, "Content-Range": f"bytes 0-3/{len(body)}"}, status=206
            ).send_to(scope, send)
        elif roll < 0.5:
            await Response(fields=out, chunks=(body[:5], body[5:])).send_to(scope, send)
        else:
            await Response(body, out).send_to(scope, send)

    options = {
        "unruled": {},
        "ruled": {"rules": {"/**": {"ttl": 15, "stale_while_revalidate": 5, "stale_if_error": 10}}},
        "user_id": {"rules": {"/**": 15}, "user_id": lambda r: r.headers.get("x-user")},
        "public": {"rules": {"/**": {"ttl": 15, "public": True}}},
    }[kind]
    cache = CacheMiddleware(app, store=MemoryStore(clock=clock), clock=clock, **options)
    etags, _versions = {}, {}
    for _ in range(400):
        path = random.choice(["/a", "/b", "/shared"])
        who = random.choice(users)
        accept = random.choice(["-", "x", "y"])
        fields = {"Accept": accept} if accept != "-" else {}
        if who:
            fields["X-User" if kind == "user_id" else "Authorization"] = who
        method = random.choices(["GET", "HEAD", "POST", "PUT"], [10, 3, 1, 1])[0]
        if method in ("GET", "HEAD"):
            extra = random.choice(
                [
                    {},
                    {},
                    {"Cache-Control": "no-cache"},
                    {"Range": "bytes=0-3"},
                    {"Range": "bytes=2-5,8-9"},
                    {"Range": "bytes=999-"},
                    {"If-None-Match": etags.get((path, who, accept), '"z"')},
                    {"Cache-Control": "only-if-cached"},
                    {"Cache-Control": "max-stale=5"},
                    {"Cache-Control": "min-fresh=10"},
                ]
            )
            fields |= extra
        state.get(path, 0)
        if random.random() < 0.3:
            clock.advance(random.choice([1, 5, 11, 30]))
        try:
            answer = await ask(cache, path, fields, method=method)
        except ZeroDivisionError:
            continue
        finally:
            await cache.cache._services.flights.finish(5)
        assert len(answer.heads) == 1
        assert answer.is_complete
        if method in ("POST", "PUT") or answer.status in (503, 504):
            continue
        name = "*" if kind == "public" or path == "/shared" else who or "-"
        whole = body_of(path, name, accept)
        if method == "HEAD":
            assert answer.body == b""
        elif answer.status == 200:
            assert answer.body == whole
            assert answer["etag"] == f'"{hash(whole)}"'
            etags[path, who, accept] = answer["etag"]
        elif answer.status == 206:
            assert answer.body == whole[:4] or b"multipart" in answer["content-type"].encode()
        elif answer.status == 304:
            assert answer.body == b""
            assert answer["etag"] == f'"{hash(whole)}"'
        else:
            assert answer.status == 416
        if "content-length" in answer and method == "GET" and answer.status != 304:
            assert int(answer["content-length"]) == len(answer.body)
