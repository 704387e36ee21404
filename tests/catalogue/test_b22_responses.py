"""Catalogue B, lines 22-27: apps and clients that misbehave."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.bare import Answer, App, Response, ask, scope_of

pytestmark = pytest.mark.anyio
RULES = {"rules": {"/**": 60}}


def sends(*messages):
    async def app(scope, receive, send):
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            await send(message)

    return app


def start(status=200, headers=()):
    return {"type": "http.response.start", "status": status, "headers": headers}


def part(body, more=False):
    return {"type": "http.response.body", "body": body, "more_body": more}


async def disconnecting(cache, after, spec="2.3"):
    """Ask, and go away once the app has sent *after* messages."""
    gone, seen = asyncio.Event(), []
    first = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if first:
            return first.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        seen.append(message)
        if len(seen) == after:
            gone.set()
            await asyncio.sleep(0.01)

    scope = {**scope_of("GET", "/", ()), "asgi": {"version": "3.0", "spec_version": spec}}
    await cache(scope, receive, send)
    return seen


async def endless(request):
    async def body():
        for n in range(5):
            await asyncio.sleep(0.005)
            yield b"%d" % n

    return StreamingResponse(body(), headers={"Cache-Control": "max-age=60"})


async def polling(request):
    async def body():
        for n in range(5):
            if await request.is_disconnected():
                break
            await asyncio.sleep(0.002)
            yield b"%d" % n

    return StreamingResponse(body(), headers={"Cache-Control": "max-age=60"})


async def dispatch(request, call_next):
    return await call_next(request)


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("options", [{}, RULES], ids=["unruled", "ruled"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "BaseHTTPMiddleware"])
@pytest.mark.parametrize("endpoint", [endless, polling])
async def test_b23_a_stream_cut_short_by_its_clients_leaving_is_not_stored(
    cached, endpoint, wrapped, options, spec
):
    """Frameworks end a body properly when its client is gone, though it is not whole."""
    layers = [Middleware(BaseHTTPMiddleware, dispatch=dispatch)] if wrapped else []
    cache = cached(Starlette(routes=[Route("/", endpoint)], middleware=layers), **options)
    await disconnecting(cache, 3, spec)
    gone = asyncio.Event()
    pending = [{"type": "http.request", "body": b"", "more_body": False}]
    answer = Answer()

    async def receive():
        if pending:
            return pending.pop()
        await gone.wait()
        return None

    async def send(m):
        answer.messages.append(m)

    await cache(scope_of("GET", "/", ()), receive, send)
    assert answer.body == b"01234"


@pytest.mark.parametrize("options", [{}, RULES], ids=["unruled", "ruled"])
@pytest.mark.parametrize(
    "make", [bytearray, lambda b: memoryview(bytearray(b))], ids=["bytearray", "memoryview"]
)
@pytest.mark.parametrize("chunks", [1, 3])
async def test_b_a_buffer_that_the_app_uses_again(cached, options, make, chunks):
    """What is stored is what was sent, not what the buffer holds later."""

    async def app(scope, receive, send):
        buffer = bytearray(4)
        await send(start(headers=[(b"cache-control", b"max-age=60")]))
        for n in range(chunks):
            buffer[:] = b"%04d" % n
            await send(
                part(buffer if make is bytearray else memoryview(buffer), more=n < chunks - 1)
            )
        buffer[:] = b"evil"

    cache = cached(app, **options)
    await ask(cache)
    assert bytes((await ask(cache)).body) == b"".join(b"%04d" % n for n in range(chunks))


@pytest.mark.parametrize("options", [{}, RULES], ids=["unruled", "ruled"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    "make",
    [iter, lambda p: [list(x) for x in p], tuple, lambda p: (x for x in p)],
    ids=["iterator", "lists", "tuple", "generator"],
)
async def test_b_response_headers_of_any_iterable(cached, method, make, options):
    """ASGI says "iterable"; a client gets all of them."""

    async def app(scope, receive, send):
        await send(
            start(
                headers=make(
                    [(b"content-type", b"a/b"), (b"x", b"1"), (b"cache-control", b"max-age=60")]
                )
            )
        )
        await send(part(b"x"))

    cache = cached(app, **options)
    for _ in range(2):
        answer = await ask(cache, method=method)
        assert (answer["content-type"], answer["x"]) == ("a/b", "1")


async def test_b_no_headers_key(cached):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    cache = cached(app, **RULES)
    assert [(await ask(cache)).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("options", [{}, RULES], ids=["unruled", "ruled"])
async def test_b_upper_case_response_fields(cached, options):
    async def app(scope, receive, send):
        await send(
            start(headers=[(b"Set-Cookie", b"s=1"), (b"Cache-Control", b"public, max-age=60")])
        )
        await send(part(b"x"))

    cache = cached(app, **options)
    await ask(cache)
    assert "hit" not in (await ask(cache)).cache_status


async def test_b_a_body_after_the_end_is_not_added_to_what_is_stored(cached):
    """A server refuses it; what was complete stays as it was."""
    app = sends(start(), part(b"hello"), part(b"evil"))
    cache = cached(app, **RULES)
    count = 0

    async def strict(message):
        nonlocal count
        count += message["type"] == "http.response.body"
        if count > 1:
            raise RuntimeError("response already completed")

    with pytest.raises(RuntimeError):
        await ask(cache, on_message=strict)
    await ask(cache)
    assert (await ask(cache)).body == b"hello"


async def test_b_started_twice(cached):
    """The second start is for the server to refuse; nothing mixed is stored."""
    app = sends(start(), part(b"one", more=True), start(headers=[(b"x", b"2")]), part(b"two"))
    cache = cached(app, **RULES)

    async def strict(message):
        strict.starts = getattr(strict, "starts", 0) + (message["type"] == "http.response.start")
        if strict.starts > 1:
            raise RuntimeError("started twice")

    with pytest.raises(RuntimeError):
        await ask(cache, on_message=strict)
    plain = App(Response(b"plain"))
    cache.app = plain
    assert (await ask(cache)).body == b"plain"


async def test_b_started_twice_with_a_length(cached):
    """With a length the first head is held: the second must not silently replace it."""
    app = sends(
        start(headers=[(b"content-length", b"3"), (b"x", b"1")]),
        start(500, [(b"content-length", b"3")]),
        part(b"two"),
    )
    cache = cached(app, **RULES)
    answer = await ask(cache)
    assert len(answer.heads) == 2 or answer["x"] == "1"


@pytest.mark.parametrize("message", [part(b"x"), {"type": "http.response.trailers", "headers": []}])
async def test_b_body_before_start(cached, message):
    cache = cached(sends(message, start(), part(b"x")), **RULES)
    answer = await ask(cache)
    assert answer.messages[0]["type"] == message["type"]


async def test_b_cache_status_does_not_say_stored_for_what_is_not(cached):
    """A head that is held can still tell the truth."""
    hint = {"type": "http.response.early_hint", "links": []}
    cl = [(b"content-length", b"1")]
    for app in (
        sends(start(headers=cl), hint, part(b"x")),
        sends(start(headers=cl)),
        sends(start(headers=cl), {"type": "http.response.pathsend", "path": "/x"}),
    ):
        answer = await ask(cached(app, **RULES))
        assert "stored" not in answer.cache_status


async def test_b26_the_scope_is_shared_with_what_is_outside(cached):
    """Middleware around the cache reads what routing wrote into the scope (metrics, tracing)."""

    async def app(scope, receive, send):
        scope["route"] = "/x"
        scope.setdefault("state", {})["seen"] = True
        await Response().send_to(scope, send)

    scope = scope_of("GET", "/", ())

    async def send(m):
        pass

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    await cached(app)(scope, receive, send)
    assert scope.get("route") == "/x"
    assert scope["state"]["seen"]


async def test_b26_a_refresh_of_an_app_that_waits_for_the_disconnect_ends(cached, clock):
    """After the response a server reports the client as gone; so must a run without one."""

    async def app(scope, receive, send):
        await Response(b"x").send_to(scope, send)
        while (await receive())["type"] != "http.disconnect":
            pass

    cache = cached(app, rules={"/**": {"ttl": 10, "stale_while_revalidate": 1000}})
    await ask(cache)
    clock.advance(11)
    await ask(cache)
    refresher = cache.cache._services.flights
    await asyncio.sleep(0.05)
    tasks = len(refresher._tasks)
    await refresher.finish(0.01)
    assert tasks == 0


async def test_b_unruled_200_without_last_modified_is_no_304(cached):
    """Nothing was stored, and the app chose to answer in full."""
    answer = await ask(
        cached(App(Response(b"dynamic"))),
        fields={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    )
    assert answer.status == 200


@pytest.mark.parametrize("options", [{}, RULES], ids=["unruled", "ruled"])
async def test_b23_content_length_spelled_oddly(cached, options):
    for length in (b"+9", b" 9", b"9, 9", b"0x9", b"-1"):
        cache = cached(
            sends(
                start(headers=[(b"content-length", length), (b"cache-control", b"max-age=60")]),
                part(b"short"),
            ),
            **options,
        )
        await ask(cache)
        assert "hit" not in (await ask(cache)).cache_status, length


async def test_post_whose_commit_comes_after_the_response(cached):
    """FastAPI dependencies with yield commit after the response: a fill in between is old."""
    state = {"v": b"old"}

    async def app(scope, receive, send):
        if scope["method"] == "POST":
            await Response(b"ok").send_to(scope, send)
            state["v"] = b"new"
        else:
            await Response(state["v"]).send_to(scope, send)

    cache = cached(app, **RULES)

    async def meanwhile(message):
        await ask(cache)

    await ask(cache, method="POST", on_message=meanwhile)
    assert (await ask(cache)).body == b"new"


async def test_root_path_and_filtered_queries(cached):
    """Location names a URL below a mount; its rule is found without the root path."""
    app = App(
        Response(b"old"),
        Response(fields={"Location": "/api/tasks?utm=1"}, status=201),
        Response(b"new"),
    )
    cache = cached(app, rules={"/tasks": {"ttl": 60, "ignore_query": ["utm"]}})
    await ask(cache, "/api/tasks", root_path="/api")
    await ask(cache, "/api/other", method="POST", root_path="/api")
    assert (await ask(cache, "/api/tasks", root_path="/api")).body == b"new"
