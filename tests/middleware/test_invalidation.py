"""A write is never followed by what was there before it."""

from __future__ import annotations

import anyio
import pytest

from asgi_cache import StoreUnavailable, cache_tags
from tests.bare import App, Response, ask, scope_of

pytestmark = pytest.mark.anyio

RULES = {"/**": 60}


async def stored(cache, *targets, **extra):
    for target in targets:
        await ask(cache, target, **extra)


async def is_stored(cache, target, **extra):
    return (await ask(cache, target, **extra)).cache_status == "asgi-cache; hit"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "M-SEARCH"])
async def test_a_successful_write_voids_its_url(cached, method):
    """Any method that is not safe invalidates (RFC 9111, section 4.4)."""
    cache = cached(rules=RULES)
    await stored(cache, "/a", "/b")
    await ask(cache, "/a", method=method)
    assert not await is_stored(cache, "/a")
    assert await is_stored(cache, "/b")


@pytest.mark.parametrize("status", [400, 404, 409, 500])
async def test_a_failed_write_voids_nothing(cached, status):
    """What was not changed is still true."""
    cache = cached(App(Response(), Response(status=status)), rules=RULES)
    await stored(cache, "/a")
    await ask(cache, "/a", method="PUT")
    assert await is_stored(cache, "/a")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "HEAD"])
async def test_safe_methods_void_nothing(cached, method):
    """They change nothing."""
    cache = cached(rules=RULES)
    await stored(cache, "/a")
    await ask(cache, "/a", method=method)
    assert await is_stored(cache, "/a")


async def test_a_write_voids_every_users_response(cached):
    """The partitions of one URL fall together, and so do its variants."""
    cache = cached(App(Response(fields={"Vary": "Accept"})), rules=RULES)
    everyone = [{"Authorization": who, "Accept": what} for who in "ab" for what in "xy"]
    for fields in everyone:
        await stored(cache, "/a", fields=fields)
        assert await is_stored(cache, "/a", fields=fields)
    await ask(cache, "/a", method="PUT", fields=everyone[0])
    for fields in everyone:
        assert not await is_stored(cache, "/a", fields=fields)


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("value", "voided"),
    [
        pytest.param("/b?x=1", True, id="a-path"),
        pytest.param("b?x=1", True, id="a-relative-path"),
        pytest.param("http://example.com/b?x=1", True, id="a-url"),
        pytest.param("http://other.example/b?x=1", False, id="another-host"),
        pytest.param("https://example.com/b?x=1", False, id="another-scheme"),
        pytest.param("http://[", False, id="malformed"),
    ],
)
async def test_a_write_voids_what_its_response_points_to(cached, name, value, voided):
    """``Location`` and ``Content-Location`` on the same origin, and no others."""
    cache = cached(App(Response(), Response(status=201, fields={name: value})), rules=RULES)
    await stored(cache, "/b?x=1")
    await ask(cache, "/a", method="POST")
    assert await is_stored(cache, "/b?x=1") is not voided


async def test_parameters_that_do_not_count_do_not_protect_a_response(cached):
    """A write voids the response under the key that the rule gives its URL."""
    cache = cached(rules={"/**": {"ttl": 60, "query": ["page"]}})
    await stored(cache, "/a?page=1")
    await ask(cache, "/a?utm=x&page=1", method="PUT")
    assert not await is_stored(cache, "/a?page=1")


async def test_the_client_hears_of_its_write_after_the_invalidation(cached):
    """A request that is sent as soon as the write was answered is not a hit."""
    cache = cached(App(Response(b"old"), Response(), Response(b"new")), rules=RULES)
    await stored(cache, "/a")
    seen = []

    async def on_message(message):
        if message["type"] == "http.response.start":
            seen.append((await ask(cache, "/a")).body)

    await ask(cache, "/a", method="PUT", on_message=on_message)
    assert seen == [b"new"]


async def test_a_fill_that_began_before_a_write_is_not_served_after_it(cached):
    """The old answer may reach its own client; nobody after the write gets it."""

    def app_that_is_overtaken():
        async def app(scope, receive, send):
            if scope["method"] == "GET" and not written:
                written.append(True)
                await ask(cache, "/a", method="PUT")
                await Response(b"old").send_to(scope, send)
            else:
                await Response(b"new").send_to(scope, send)

        return app

    written = []
    cache = cached(app_that_is_overtaken(), rules=RULES)
    assert (await ask(cache, "/a")).body == b"old"
    assert (await ask(cache, "/a")).body == b"new"


async def test_a_write_leaves_no_trace_on_the_response(cached):
    """Nothing is added to the answer to an unsafe request."""
    answer = await ask(cached(rules=RULES), "/a", method="PUT")
    assert "cache-status" not in answer


async def test_what_is_read_before_a_late_commit_is_voided_too(cached):
    """An app may commit after it has answered, as FastAPI's dependencies with ``yield`` do."""

    async def app(scope, receive, send):
        if scope["method"] == "GET":
            await Response(data[-1]).send_to(scope, send)
            return
        await Response().send_to(scope, send)
        await ask(cache, "/a")
        data.append(b"new")

    data = [b"old"]
    cache = cached(app, rules=RULES)
    await ask(cache, "/a", method="PUT")
    assert (await ask(cache, "/a")).body == b"new"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param({"raw_path": b"/u/a%40b"}, {"raw_path": b"/u/a@b"}, id="an-escaped-letter"),
        pytest.param({"fields": {"Host": "a.test:80"}}, {"fields": {"Host": "a.test"}}, id="port"),
        pytest.param({"fields": {"Host": "A.test"}}, {"fields": {"Host": "a.test"}}, id="case"),
    ],
)
async def test_a_write_voids_its_url_however_it_is_spelled(cached, written, read):
    """URLs that an app takes for the same fall together (RFC 9110, section 4.2.3)."""
    cache = cached(rules=RULES)
    await stored(cache, "/u/a@b", **read)
    await ask(cache, "/u/a@b", method="PUT", **written)
    assert not await is_stored(cache, "/u/a@b", **read)


async def test_a_location_under_a_root_path_finds_its_rule(cached):
    """Rules are written as routes are, below where the app is mounted."""
    write = Response(status=201, fields={"Location": "/api/b?x=1&utm=2"})
    app = App(lambda scope: Response() if scope["method"] == "GET" else write)
    cache = cached(app, rules={"/b": {"ttl": 60, "query": ["x"]}})
    await stored(cache, "/api/b?x=1", root_path="/api")
    await ask(cache, "/api/a", method="POST", root_path="/api")
    assert not await is_stored(cache, "/api/b?x=1", root_path="/api")


async def unavailable(*arguments, **options):
    raise StoreUnavailable("away")


@pytest.mark.parametrize("fails", [False, True], ids=["before-its-own", "in-place-of-its-own"])
async def test_an_answer_to_post_that_another_purge_overtook_is_not_stored(
    cached, monkeypatch, fails
):
    """It may hold what was read before that purge."""
    begun, purged = anyio.Event(), anyio.Event()

    async def app(scope, receive, send):
        begun.set()
        await purged.wait()
        fields = {"Content-Location": "/", "Cache-Control": "max-age=60"}
        await Response(b"old", fields).send_to(scope, send)

    cache = cached(app, rules={"/": 60})
    async with anyio.create_task_group() as tasks:

        async def post():
            await ask(cache, method="POST")

        tasks.start_soon(post)
        await begun.wait()
        await cache.cache.purge(tags="anything")
        with monkeypatch.context() as patched:
            if fails:
                patched.setattr(cache.cache.store, "append", unavailable)
            purged.set()
            await anyio.wait_all_tasks_blocked()
    cache.app = App(Response(b"new"))
    assert (await ask(cache)).body == b"new"


async def test_an_answer_to_post_is_born_with_its_own_purge(cached):
    """What is purged while it is found out whose it is applies to it."""

    async def user_id(request):
        if request.method == "GET" and not purged:
            purged.append(await cache.cache.purge(tags="task"))

    purged = []
    fields = {"Content-Location": "/", "Cache-Control": "max-age=60", "Cache-Tag": "task"}
    cache = cached(App(Response(b"old", fields)), rules={"/": 60}, user_id=user_id)
    await ask(cache, method="POST")
    cache.app = App(Response(b"new"))
    assert (await ask(cache)).body == b"new"
    assert purged


ANSWER = [(b"content-location", b"/"), (b"cache-control", b"max-age=60")]


async def test_half_an_answer_to_post_is_not_stored(cached):
    """An app that was told of its client's leaving may end it as if it were whole."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": ANSWER})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b""})

    cache = cached(app, rules={"/": 60})
    messages = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    async def send(message):
        pass

    await cache(scope_of("POST", "/", ()), receive, send)
    cache.app = App(Response(b"whole"))
    assert (await ask(cache)).body == b"whole"


async def test_an_answer_to_post_carries_its_handlers_tags(cached):
    """What a handler says with ``cache_tags`` counts here, too."""

    async def app(scope, receive, send):
        cache_tags("task")
        await Response(b"old", [(n.decode(), v.decode()) for n, v in ANSWER]).send_to(scope, send)

    cache = cached(app, rules={"/": 60})
    await ask(cache, method="POST")
    assert (await ask(cache)).cache_status == "asgi-cache; hit"
    await cache.cache.purge(tags="task")
    assert "fwd=uri-miss" in (await ask(cache)).cache_status
