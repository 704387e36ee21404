"""Responses pass through while they are captured; only complete ones are stored."""

from __future__ import annotations

import pytest

from tests.bare import Answer, App, Response, ask, encoded, no_body, scope_of

pytestmark = pytest.mark.anyio

STREAM = Response(chunks=(b"one ", b"two ", b"three"))


def sends(*messages):
    """An app that sends these messages, and raises those that are exceptions."""

    async def app(scope, receive, send):
        for message in messages:
            if isinstance(message, Exception):
                raise message
            await send(message)

    return app


def start(status=200, **fields):
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return {"type": "http.response.start", "status": status, "headers": encoded(named)}


def part(body, *, more=False):
    return {"type": "http.response.body", "body": body, "more_body": more}


async def test_chunks_are_passed_on_as_they_come(cached):
    """The client has each chunk before the app makes the next one."""
    log = []

    async def app(scope, receive, send):
        await send(start())
        for chunk in (b"a", b"b", b"c"):
            log.append(f"made {chunk.decode()}")
            await send(part(chunk, more=chunk != b"c"))

    async def on_message(message):
        log.append(message["body"].decode() if "body" in message else "head")

    await ask(cached(app, rules={"/": 60}), on_message=on_message)
    assert log == ["head", "made a", "a", "made b", "b", "made c", "c"]


async def test_a_complete_stream_is_stored(cached):
    """The hit has a length and an entity tag that the stream could not have."""
    app = App(STREAM)
    cache = cached(app, rules={"/": 60})
    miss, hit = await ask(cache), await ask(cache)
    assert (miss.body, hit.body, app.runs) == (b"one two three", b"one two three", 1)
    assert "etag" not in miss
    assert hit["etag"].startswith('"')
    assert hit["content-length"] == "13"


async def test_it_is_in_the_store_before_the_last_chunk_leaves(cached):
    """Whoever has the whole response can be sure that the next request is a hit."""
    app = App(STREAM)
    cache = cached(app, rules={"/": 60})
    nested = []

    async def on_message(message):
        if message.get("body") == b"three":
            nested.append(await ask(cache))

    await ask(cache, on_message=on_message)
    assert nested[0].cache_status == "asgi-cache; hit"


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([start(), part(b"a", more=True)], id="no-last-chunk"),
        pytest.param([start(content_length="9"), part(b"short")], id="shorter-than-announced"),
        pytest.param([start(content_length="1"), part(b"long")], id="longer-than-announced"),
        pytest.param([start(content_length="5")], id="a-head-and-no-body"),
        pytest.param(
            [start(), part(b"a", more=True), {"type": "http.response.pathsend", "path": "/x"}],
            id="a-body-that-is-not-seen",
        ),
        pytest.param(
            [{**start(), "trailers": True}, part(b"a"), {"type": "http.response.trailers"}],
            id="trailers",
        ),
    ],
)
async def test_b23_what_is_not_complete_is_passed_on_and_not_stored(cached, messages):
    """The client sees just the messages that the app sent, and nothing is kept of them."""
    cache = cached(sends(*messages), rules={"/": 60})
    for _ in range(2):
        answer = await ask(cache)
        assert [m["type"] for m in answer.messages] == [m["type"] for m in messages]
        assert "hit" not in answer["cache-status"]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="before-the-head"),
        pytest.param([start()], id="after-the-head"),
        pytest.param([start(content_length="5")], id="after-a-head-with-a-length"),
        pytest.param([start(), part(b"a", more=True)], id="mid-stream"),
        pytest.param([start(content_length="1"), part(b"a")], id="after-the-end"),
    ],
)
async def test_b22_an_exception_goes_on_as_without_the_cache(cached, messages):
    """It propagates after just those messages that the app had sent."""
    app = sends(*messages, ZeroDivisionError())
    answer = Answer()

    async def send(message):
        answer.messages.append(message)

    with pytest.raises(ZeroDivisionError):
        await cached(app, rules={"/": 60})(scope_of("GET", "/", ()), no_body, send)
    assert [m["type"] for m in answer.messages] == [m["type"] for m in messages]


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response(chunks=(b"x" * 60, b"x" * 60)), id="a-stream"),
        pytest.param(Response(b"x" * 120), id="an-announced-length"),
    ],
)
async def test_a_body_over_the_limit_passes_and_is_not_stored(cached, response):
    """The capture stops at the cap; the client gets every byte."""
    app = App(response)
    cache = cached(app, rules={"/": {"ttl": 60, "max_body": 100}})
    assert [len((await ask(cache)).body) for _ in range(2)] == [120, 120]
    assert app.runs == 2


async def test_an_announced_length_over_the_limit_is_said_so(cached):
    """Cache-Status tells why the response is not kept."""
    answer = await ask(cached(App(Response(b"x" * 9)), rules={"/": {"ttl": 60, "max_body": 8}}))
    assert answer.cache_status == "asgi-cache; fwd=uri-miss; detail=too-large"


async def test_fields_over_the_limit_pass_and_are_not_stored(cached):
    """Of what the client is sent nothing is missing."""
    cache = cached(App(Response(fields={"X-Long": "1" * 100})), rules={"/": {"max_header": 99}})
    answer = await ask(cache)
    assert answer.cache_status == "asgi-cache; fwd=uri-miss; detail=header-too-large"
    assert answer["x-long"] == "1" * 100


async def test_b26_work_in_the_background_does_not_delay_the_response(cached):
    """What the app does after its last chunk comes after the response is sent and stored."""
    log = []

    async def app(scope, receive, send):
        await Response().send_to(scope, send)
        log.append("background")

    async def on_message(message):
        log.append(message["type"])

    cache = cached(app, rules={"/": 60})
    await ask(cache, on_message=on_message)
    assert log == ["http.response.start", "http.response.body", "background"]
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_a_stream_to_a_client_that_has_it_is_a_304(cached):
    """The rest of the stream is recorded and not sent."""
    app = App(Response(chunks=(b"a", b"b"), fields={"ETag": '"v1"'}))
    cache = cached(app, rules={"/": 60})
    answer = await ask(cache, fields={"If-None-Match": '"v1"'})
    assert (answer.status, answer.body, answer.is_complete) == (304, b"", True)
    assert ((await ask(cache)).body, app.runs) == (b"ab", 1)


async def test_b27_apps_under_a_rule_are_not_offered_ways_around_the_cache(cached):
    """A body that is sent as a path would not be seen."""
    app = App()
    offered = {"http.response.pathsend": {}, "http.response.debug": {}}
    await ask(cached(app, rules={"/": 60}), extensions=offered)
    assert set(app.scopes[-1]["extensions"]) == {"http.response.debug"}
    await ask(cached(app), extensions=offered)
    assert set(app.scopes[-1]["extensions"]) == set(offered)


async def test_an_early_hint_is_passed_on(cached):
    """A message of another kind that comes first does not disturb what follows."""
    hint = {"type": "http.response.early_hint", "links": []}
    app = sends(hint, start(), part(b"a"))
    answer = await ask(cached(app, rules={"/": 60}))
    assert [m["type"] for m in answer.messages] == [
        "http.response.early_hint",
        "http.response.start",
        "http.response.body",
    ]


async def test_what_follows_the_last_chunk_is_not_of_the_body(cached):
    """An app that goes on sending does not add to what is stored."""
    cache = cached(sends(start(), part(b"a"), part(b"b")), rules={"/": 60})
    await ask(cache)
    assert (await ask(cache)).body == b"a"


async def test_a_buffer_that_is_written_again_does_not_change_what_is_stored(cached):
    """Bodies may be views of memory that is the app's own."""
    buffer = bytearray(b"old")
    cache = cached(sends(start(), part(memoryview(buffer))), rules={"/": 60})
    await ask(cache)
    buffer[:] = b"new"
    assert (await ask(cache)).body == b"old"


async def test_fields_may_come_from_an_iterator(cached):
    """They are read once, and reach both the store and the client."""

    async def app(scope, receive, send):
        fields = iter([(b"X-Field", b"1")])
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send(part(b"a"))

    cache = cached(app, rules={"/": 60})
    for method in ("PUT", "GET", "GET"):
        assert (await ask(cache, method=method))["x-field"] == "1"


async def test_a_head_without_its_body_does_not_claim_to_be_stored(cached):
    """Where the head was held until the app failed, it is known that nothing is stored."""
    app = sends(start(content_length="5"), ZeroDivisionError())
    answer = Answer()

    async def send(message):
        answer.messages.append(message)

    with pytest.raises(ZeroDivisionError):
        await cached(app, rules={"/": 60})(scope_of("GET", "/", ()), no_body, send)
    assert answer.cache_status == "asgi-cache; fwd=uri-miss"
