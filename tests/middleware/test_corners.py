"""What the suite did not notice: each of these fails for a mutation that survived it."""

from __future__ import annotations

import pytest

from asgi_cache import targets
from asgi_cache.asking import BODY_LIMIT
from asgi_cache.identity import Identity
from asgi_cache.policy.message import StoredResponse
from asgi_cache.purging import PurgeLog
from asgi_cache.recorder import Recorder
from asgi_cache.stores.base import Purge
from tests.bare import Answer, App, Response, ask, scope_of

pytestmark = pytest.mark.anyio
POSTS = {"/**": {"ttl": 60, "methods": ["GET", "HEAD", "POST"]}}
NOW = {"Cache-Control": "max-age=60"}


async def send_bodies(cache, *messages, **extra):
    """POST a body in several messages."""
    answer, pending = Answer(), list(messages)

    async def receive():
        return pending.pop(0)

    async def send(message):
        answer.messages.append(message)

    await cache(scope_of("POST", "/", (), **extra), receive, send)
    return answer


def body(content, more=False):
    return {"type": "http.request", "body": content, "more_body": more}


async def reading(scope, receive, send):
    """Answer with the length and the end of the body, or with what came instead."""
    content, message = b"", {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        content += message.get("body", b"")
    if message["type"] == "http.disconnect":
        content += b"<gone>"
    await Response(b"%d %b" % (len(content), content[-8:])).send_to(scope, send)


async def test_a_body_of_the_limit_is_part_of_the_key(cached):
    cache = cached(reading, rules=POSTS)
    full = b"x" * BODY_LIMIT
    await ask(cache, method="POST", body=full)
    assert (await ask(cache, method="POST", body=full)).cache_status == "asgi-cache; hit"


async def test_a_body_over_the_limit_reaches_the_app_whole(cached):
    cache = cached(reading, rules=POSTS)
    for _ in range(2):
        answer = await send_bodies(
            cache, body(b"x" * BODY_LIMIT, more=True), body(b"yz", more=True), body(b"!")
        )
        assert answer.cache_status == "asgi-cache; fwd=bypass; detail=request-body"
        assert answer.body == b"%d xxxxxyz!" % (BODY_LIMIT + 3)


async def test_a_body_cut_off_is_no_body(cached):
    answer = await send_bodies(
        cached(reading, rules=POSTS), body(b"x", more=True), {"type": "http.disconnect"}
    )
    assert (answer.body, "detail=request-body" in answer.cache_status) == (b"7 x<gone>", True)


async def test_bodies_that_begin_alike_are_two(cached):
    cache = cached(reading, rules=POSTS)
    answers = [await send_bodies(cache, body(b"a", more=True), body(end)) for end in (b"1", b"2")]
    assert [a.body for a in answers] == [b"2 a1", b"2 a2"]


async def test_the_fields_of_a_rules_vary_are_in_the_key(cached):
    app = App(lambda s: Response(dict(s["headers"]).get(b"x", b"-")))
    cache = cached(app, rules={"/": {"ttl": 60, "vary": ["X"]}})
    assert [(await ask(cache, fields={"X": v})).body for v in "abab"] == [b"a", b"b", b"a", b"b"]
    assert app.runs == 2


async def test_lengths_do_not_keep_requests_from_the_store(cached):
    cache = cached(rules=POSTS)
    for _ in range(2):
        post = await ask(cache, method="POST", body=b"abc", fields={"Content-Length": "3"})
        get = await ask(cache, fields={"Content-Length": "0"})
    assert [post.cache_status, get.cache_status] == ["asgi-cache; hit"] * 2


@pytest.mark.parametrize("name", ["X-HTTP-Method", "X-Method-Override"])
async def test_every_override_field(cached, name):
    answer = await ask(cached(rules={"/": 60}), fields={name: "DELETE"})
    assert answer.cache_status == "asgi-cache; fwd=bypass; detail=override-field"


async def test_a_forwarded_port_is_in_the_key(cached):
    app = App()
    cache = cached(app, rules={"/": 60})
    await ask(cache, fields={"X-Forwarded-Port": "666"})
    await ask(cache)
    assert app.runs == 2


async def test_a_write_finds_the_rule_of_get(cached):
    app = App()
    cache = cached(app, rules={"GET /x": {"ttl": 60, "ignore_query": ["utm"]}})
    await ask(cache, "/x")
    await ask(cache, "/x?utm=1", method="POST")
    await ask(cache, "/x")
    assert app.runs == 3


async def test_rules_by_method_do_not_mix(cached):
    cache = cached(rules={"GET /x": 60, "POST /x": {"ttl": 60, "methods": ["POST"]}})
    await ask(cache, "/x")
    assert [
        (await ask(cache, "/x", method="POST")).cache_status.split("; ")[1] for _ in range(2)
    ] == ["fwd=uri-miss", "hit"]


async def test_nobodys_response_does_not_stand_in_for_a_users(cached):
    """Neither as a validator nor when the app fails."""
    app = App(
        Response(fields={"Cache-Control": "max-age=60, stale-if-error=600", "ETag": '"1"'}),
        ZeroDivisionError(),
    )
    cache = cached(app)
    await ask(cache)
    with pytest.raises(ZeroDivisionError):
        await ask(cache, fields={"Authorization": "alice"})
    assert app.seen("if-none-match") == []


async def test_only_if_cached_can_be_taken_from_clients(cached):
    cache = cached(rules={"/": {"ttl": 60, "client_bypass": False}})
    assert (await ask(cache, fields={"Cache-Control": "only-if-cached"})).status == 200


async def test_head_of_a_stale_response_refreshes_it(cached, clock):
    app = App()
    cache = cached(app, rules={"/": {"ttl": 10, "stale_while_revalidate": 60}})
    await ask(cache)
    clock.advance(11)
    await ask(cache, method="HEAD")
    await cache.cache._services.flights.finish(5)
    assert app.scopes[-1]["method"] == "GET"
    assert (await ask(cache))["cache-status"] == "asgi-cache; hit; ttl=10"


async def test_a_refresh_sends_the_body_again(cached, clock):
    cache = cached(
        reading, rules={"/": {"ttl": 10, "stale_while_revalidate": 60, "methods": ["POST"]}}
    )
    await ask(cache, method="POST", body=b"abc")
    clock.advance(11)
    await ask(cache, method="POST", body=b"abc")
    await cache.cache._services.flights.finish(5)
    assert (await ask(cache, method="POST", body=b"abc")).body == b"3 abc"


async def test_head_keeps_its_own_conditions(cached, clock):
    app = App(Response(fields={"Cache-Control": "max-age=10", "ETag": '"1"'}))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    await ask(cache, method="HEAD", fields={"If-None-Match": '"mine"'})
    assert app.seen("if-none-match") == ['"mine"']


async def test_a_condition_does_not_reach_the_app_when_something_stale_is_stored(cached, clock):
    app = App(Response(fields={"Cache-Control": "max-age=10"}))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    await ask(cache, fields={"If-None-Match": '"mine"'})
    assert app.seen("if-none-match") == []


async def test_extensions_may_be_none(cached):
    assert (await ask(cached(rules={"/": 60}), extensions=None)).status == 200


async def test_a_very_long_path_is_not_looked_up(cached):
    app = App()
    cache = cached(app, rules={"/**": 60})
    for _ in range(2):
        await ask(cache, "/" + "a" * 9000)
    assert app.runs == 2


async def test_a_body_sent_partly_in_another_way_is_not_stored(cached):
    async def app(scope, receive, send):
        app.runs += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": 1, "more_body": True})
        await send({"type": "http.response.body", "body": b"c"})

    app.runs = 0
    cache = cached(app, rules={"/": 60})
    for _ in range(2):
        await ask(cache)
    assert app.runs == 2


@pytest.mark.parametrize("name", [b"Set-Cookie", b"SET-COOKIE"])
async def test_field_names_in_capitals_count(cached, name):
    async def app(scope, receive, send):
        fields = [(name, b"s=1"), (b"Cache-Control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    cache = cached(app, rules={"/": 60})
    assert [(await ask(cache)).cache_status for _ in range(2)] == [
        "asgi-cache; fwd=uri-miss; detail=set-cookie"
    ] * 2


async def test_a_location_in_capitals_voids(cached):
    target = App()
    cache = cached(target, rules={"/**": 60})
    await ask(cache, "/y")

    async def write(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 201, "headers": [(b"Location", b"/y")]}
        )
        await send({"type": "http.response.body", "body": b""})

    cache.app = write
    await ask(cache, "/x", method="POST")
    cache.app = target
    await ask(cache, "/y")
    assert target.runs == 2


async def test_what_turns_out_incomplete_is_not_said_to_be_stored(cached):
    async def app(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
        )
        await send({"type": "http.response.body", "body": b"short"})

    assert (await ask(cached(app, rules={"/": 60}))).cache_status.split("; stored")[1:] == []


async def test_post_is_never_answered_with_304_or_206(cached):
    app = App(
        Response(fields={"ETag": '"1"'}), Response(fields={"ETag": '"1"'}, chunks=(b"a", b"b"))
    )
    cache = cached(app, rules=POSTS)
    asked = {"Range": "bytes=0-0"}
    statuses = [
        (await ask(cache, method="POST", fields=asked, body=b)).status
        for b in (b"1", b"1", b"2", b"2")
    ]
    assert (statuses, app.runs) == ([200] * 4, 2)


async def test_a_304_that_makes_it_private_ends_the_stored_response(cached, clock):
    private = Response(status=304, fields={"Cache-Control": "private, max-age=60"})
    app = App(
        Response(fields={"Cache-Control": "max-age=10", "ETag": '"1"'}), private, Response(b"new")
    )
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    assert (await ask(cache)).body == b"hello"
    assert (await ask(cache)).body == b"new"


async def test_head_that_fails_does_not_end_the_stored_response(cached):
    app = App(Response(fields={**NOW, "ETag": '"1"'}), Response(status=404))
    cache = cached(app)
    await ask(cache)
    await ask(cache, method="HEAD", fields={"Cache-Control": "no-cache"})
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_head_that_differs_ends_a_response_that_is_fresh(cached):
    app = App(
        Response(fields={**NOW, "ETag": '"1"'}),
        Response(fields={**NOW, "ETag": '"2"'}),
        Response(b"new"),
    )
    cache = cached(app)
    await ask(cache)
    await ask(cache, method="HEAD", fields={"Cache-Control": "no-cache"})
    assert (await ask(cache)).body == b"new"


async def test_a_write_during_a_validation_voids_what_it_renewed(cached, clock):
    async def app(scope, receive, send):
        app.runs += 1
        if app.runs == 2:
            await ask(cache, method="POST")
            await Response(status=304).send_to(scope, send)
        else:
            await Response(b"%d" % app.runs, {"ETag": '"1"'}).send_to(scope, send)

    app.runs = 0
    cache = cached(app, rules={"/": 10})
    await ask(cache)
    clock.advance(11)
    await ask(cache)
    assert (await ask(cache)).body == b"4"


async def test_a_write_voids_a_stored_part(cached):
    part = Response(b"he", {**NOW, "Content-Range": "bytes 0-1/5"}, status=206)
    app = App(part, Response(), part)
    cache = cached(app)
    asked = {"Range": "bytes=0-1"}
    await ask(cache, fields=asked)
    assert (await ask(cache, fields=asked)).cache_status == "asgi-cache; hit"
    await ask(cache, method="POST")
    await ask(cache, fields=asked)
    assert app.runs == 3


async def test_a_client_that_has_the_part_gets_304(cached):
    part = Response(b"he", {**NOW, "Content-Range": "bytes 0-1/5", "ETag": '"1"'}, status=206)
    cache = cached(App(part))
    await ask(cache, fields={"Range": "bytes=0-1"})
    assert (await ask(cache, fields={"Range": "bytes=0-1", "If-None-Match": '"1"'})).status == 304


async def test_a_short_lived_variant_does_not_shorten_the_others(cached, clock):
    app = App(
        *(Response(fields={"Vary": "X", "Cache-Control": f"max-age={age}"}) for age in (7200, 1))
    )
    cache = cached(app)
    for value in "ab":
        await ask(cache, fields={"X": value})
    clock.advance(600)
    assert (await ask(cache, fields={"X": "a"})).cache_status == "asgi-cache; hit"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"Authorization": "x"}, {"Cookie": "x"}),
        ({"Authorization": "acookieb"}, {"Authorization": "a", "Cookie": "b"}),
    ],
)
async def test_credentials_that_run_into_each_other(cached, first, second):
    app = App()
    cache = cached(app, rules={"/": 60})
    await ask(cache, fields=first)
    await ask(cache, fields=second)
    assert app.runs == 2


def test_a_cookie_by_name_counts_only_in_safe_mode():
    identity = Identity(["cookie:s"], b"k")
    fields = [(b"cookie", b"s=1")]
    assert (
        identity.credentials(fields, cookies=False),
        len(identity.credentials(fields, cookies=True)),
    ) == ([], 2)


async def test_users_and_hashes_have_names_apart():
    scope = scope_of("GET", "/", ())
    identity = Identity(["authorization"], b"k", lambda _: "7")
    assert await identity.partition(scope, []) == b"user:7"


@pytest.mark.parametrize("answer", ["", None])
async def test_a_user_id_that_says_nothing(cached, answer):
    app = App()
    cache = cached(app, rules={"/": 60}, user_id=lambda _: answer)
    for who in ("alice", "bob"):
        await ask(cache, fields={"Authorization": who})
    assert app.runs == 2


async def test_a_user_who_is_not_authenticated_is_nobody(cached):
    class Guest:
        is_authenticated, identity = False, "alice"

    app = App()
    cache = cached(app, rules={"/": 60})
    for _ in range(2):
        await ask(cache, user=Guest(), fields={"Authorization": str(app.runs)})
    assert app.runs == 2


def stored(birth, log=b"log"):
    return StoredResponse(b"k" * 16, 200, (), b"", 0.0, 0.0, 60.0, log=log, birth=birth)


def test_a_new_log_knows_nothing_of_the_former_ones_purges():
    log = PurgeLog()
    log.restart(b"one", 0)
    log.advance([Purge(100, ("a",))])
    log.restart(b"two", 5)
    log.advance([Purge(7, ("b",))])
    assert log.judge(stored(6, b"two"), lambda: ["a"]) is not None


def test_the_oldest_purges_are_forgotten_and_half_are_kept():
    log = PurgeLog(limit=4)
    log.restart(b"log", 0)
    log.advance([Purge(n, (tag,)) for n, tag in enumerate("abcad", 1)])
    assert log.judge(stored(0), lambda: ["z"]) is not None  # four tags: none had to go
    log.advance([Purge(6, ("e",))])  # of b, c, a, d, e the oldest three go: b, c, a
    assert log.judge(stored(3), lambda: ["z"]) is None
    assert log.judge(stored(4), lambda: ["z"]) is not None


async def test_a_body_just_at_the_limit_is_stored(cached):
    cache = cached(App(Response(b"x" * 8)), rules={"/": {"ttl": 60, "max_body": 8}})
    await ask(cache)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


def test_an_overflowing_recorder_keeps_nothing():
    recorder = Recorder([], 10)
    for _ in range(9):
        recorder.add(b"xxxx")
    assert (recorder.body(), recorder._chunks) == (None, [])


@pytest.mark.parametrize("fields", [{"If-None-Match": "*"}, {"Range": "bytes=0-0"}], ids=str)
async def test_what_is_no_200_is_sent_as_it_is(cached, fields):
    cache = cached(App(Response(status=404)), rules={"/": {"status_ttl": {404: 60}}})
    await ask(cache)
    assert (await ask(cache, fields=fields)).status == 404


async def test_head_with_a_range_is_about_the_whole(cached):
    cache = cached(rules={"/": 60})
    await ask(cache)
    assert (await ask(cache, method="HEAD", fields={"Range": "bytes=0-0"})).status == 200


async def test_a_hosts_case_does_not_matter(cached):
    cache = cached(rules={"/": 60})
    await ask(cache, fields={"Host": "EXAMPLE.com"})
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_the_memo_is_bounded(cached, monkeypatch):
    monkeypatch.setattr(targets, "MEMO_ENTRIES", 3)
    cache = cached()
    for n in range(10):
        await ask(cache, f"/{n}")
    assert len(cache.cache._services.targets.known) <= 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"scheme": "http"}, {"scheme": "https"}),
        ({"root_path": "/a", "path": "/a/b"}, {"root_path": "", "path": "/a/b"}),
        ({"path": "/b", "raw_path": b"/x"}, {"path": "/c", "raw_path": b"/x"}),
        ({"path": "/a/b", "raw_path": b"/a/b"}, {"path": "/a/b", "raw_path": b"/a%2Fb"}),
        ({"path": "/b", "raw_path": None}, {"path": "/c", "raw_path": None}),
        ({"path": "/\udcff", "raw_path": b"/%ff"}, {"path": "/\udcfe", "raw_path": b"/%fe"}),
    ],
    ids=["scheme", "root-path", "path", "raw-path", "no-raw-path", "surrogates"],
)
async def test_each_part_of_a_line_is_in_the_key(cached, first, second):
    app = App()
    cache = cached(app, rules={"/**": 60})
    await ask(cache, **first)
    await ask(cache, **second)
    assert app.runs == 2


@pytest.mark.parametrize(
    ("location", "pattern", "target"),
    [("/y?utm=1", "/y", "/y"), ("/caf%C3%A9?utm=1", "/caf\u00e9", "/caf%C3%A9")],
)
async def test_a_location_is_read_as_a_request_is(cached, location, pattern, target):
    app = App(Response(), Response(status=201, fields={"Location": location}), Response())
    cache = cached(app, rules={pattern: {"ttl": 60, "ignore_query": ["utm"]}})
    line = {"path": pattern, "raw_path": target.encode()}
    await ask(cache, **line)
    await ask(cache, "/x", method="POST")
    await ask(cache, **line)
    assert app.runs == 3


@pytest.mark.parametrize(
    ("path", "hits"), [("/api/tasks", True), ("/apitasks", False), ("/tasks", True)]
)
async def test_rules_are_about_paths_below_the_mount(cached, path, hits):
    cache = cached(rules={"/tasks": 60})
    await ask(cache, path, root_path="/api")
    assert ("hit" in (await ask(cache, path, root_path="/api")).cache_status) is hits


@pytest.mark.parametrize(("method", "located"), [("POST", "/y"), ("PUT", "/x"), ("DELETE", "/x")])
async def test_only_a_post_that_names_its_own_url_is_recorded(cached, method, located):
    app = App(Response(b"written", {**NOW, "Content-Location": located}), Response(b"read"))
    cache = cached(app)
    await ask(cache, "/x", method=method)
    assert (await ask(cache, "/x")).body == b"read"


async def test_a_post_that_is_recorded_is_answered_in_full(cached):
    app = App(Response(b"written", {**NOW, "Content-Location": "/x", "ETag": '"1"'}))
    cache = cached(app)
    asked = {"Content-Length": "3", "If-None-Match": '"1"'}
    post = await ask(cache, "/x", asked, method="POST", body=b"abc")
    assert (post.status, (await ask(cache, "/x")).cache_status) == (200, "asgi-cache; hit")


async def test_a_recorded_post_without_a_body_still_has_its_head(cached):
    async def app(scope, receive, send):
        fields = [
            (b"content-location", b"/x"),
            (b"cache-control", b"max-age=60"),
            (b"content-length", b"3"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": fields})

    assert (await ask(cached(app), "/x", method="POST")).status == 200


async def test_a_post_where_nothing_is_ever_cached(cached):
    cache = cached(App(Response(fields={**NOW, "Content-Location": "/x"})), rules={"/x": None})
    assert (await ask(cache, "/x", method="POST")).status == 200
