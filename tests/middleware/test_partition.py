"""No user's response reaches another user."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio

ALICE, BOB = {"Authorization": "Bearer alice"}, {"Authorization": "Bearer bob"}


def echo(name: bytes, **fields: str) -> App:
    """An app whose answer is the request field *name*, and that says nothing of it."""
    return App(
        lambda scope: Response(
            dict(scope["headers"]).get(name, b"nobody"),
            {n.replace("_", "-"): v for n, v in fields.items()},
        )
    )


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="without-a-rule"),
        pytest.param({"rules": {"/": 60}}, id="under-a-rule"),
    ],
)
async def test_one_users_response_is_not_anothers(cached, name, options):
    """A fresh response to one user's request never answers another user's, or nobody's."""
    cache = cached(echo(name.lower().encode(), Cache_Control="max-age=60"), **options)
    for _ in range(2):
        for who in ("alice", "bob"):
            assert (await ask(cache, fields={name: who})).body == who.encode()
        assert (await ask(cache)).body == b"nobody"


async def test_under_a_rule_each_user_has_a_partition(cached):
    """A user's second request is a hit, whoever asked in between."""
    app = echo(b"authorization")
    cache = cached(app, rules={"/": 60})
    for who in (ALICE, BOB):
        assert (await ask(cache, fields=who)).cache_status.endswith("stored")
    for who in (ALICE, BOB):
        assert (await ask(cache, fields=who)).cache_status == "asgi-cache; hit"
    assert app.runs == 2


@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        pytest.param("max-age=60", "asgi-cache; fwd=uri-miss; detail=credentials", id="unsaid"),
        pytest.param("max-age=60, public", "asgi-cache; hit", id="public"),
        pytest.param("s-maxage=60", "asgi-cache; hit", id="s-maxage"),
    ],
)
async def test_without_a_rule_the_app_must_say_that_an_answer_is_for_all(
    cached, directives, expected
):
    """RFC 9111, section 3.5, for ``Authorization``; the same for ``Cookie`` in safe mode."""
    for credentials in ({"Authorization": "x"}, {"Cookie": "s=x"}):
        cache = cached(App(Response(fields={"Cache-Control": directives})))
        await ask(cache, fields=credentials)
        assert (await ask(cache, fields=credentials)).cache_status == expected


async def test_a_response_for_nobody_does_not_answer_a_user_without_a_rule(cached):
    """What was stored for requests without credentials may differ for those with some."""
    cache = cached(echo(b"cookie", Cache_Control="max-age=60"))
    await ask(cache)
    assert (await ask(cache, fields={"Cookie": "s=alice"})).body == b"s=alice"


async def test_a_public_rule_gives_all_users_one_response(cached):
    """``public`` leaves the user out of the key."""
    app = App()
    cache = cached(app, rules={"/": {"ttl": 60, "public": True}})
    await ask(cache, fields=ALICE)
    assert (await ask(cache, fields=BOB)).cache_status == "asgi-cache; hit"


async def test_a_public_rule_does_not_override_private(cached):
    """A rule supplies freshness; it never lifts a restriction of the app's."""
    app = App(Response(fields={"Cache-Control": "private, max-age=60"}))
    cache = cached(app, rules={"/": {"ttl": 60, "public": True}})
    for _ in range(2):
        answer = await ask(cache)
        assert answer.cache_status == "asgi-cache; fwd=uri-miss; detail=private"


async def test_private_is_kept_in_its_users_partition_if_the_rule_says_so(cached):
    """With ``store_private`` the key proves whose it is."""
    app = echo(b"authorization", Cache_Control="private, max-age=60")
    cache = cached(app, rules={"/": {"store_private": True}})
    for _ in range(2):
        for who in (ALICE, BOB):
            assert (await ask(cache, fields=who)).body == who["Authorization"].encode()
    assert app.runs == 2


async def test_a_verified_user_is_the_partition(cached):
    """Two sessions of one user share; the same credentials of another user do not."""

    async def app(scope, receive, send):
        await Response(scope["user"].identity.encode()).send_to(scope, send)

    cache = cached(app, rules={"/": 60})
    ann = SimpleNamespace(is_authenticated=True, identity="ann")
    eve = SimpleNamespace(is_authenticated=True, identity="eve")
    await ask(cache, fields={"Cookie": "1"}, user=ann)
    assert (await ask(cache, fields={"Cookie": "2"}, user=ann)).cache_status == "asgi-cache; hit"
    assert (await ask(cache, fields={"Cookie": "1"}, user=eve)).body == b"eve"


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_app_can_say_whose_request_it_is(cached, is_async):
    """``user_id`` replaces the hash of the credentials; numbers will do."""

    def by_header(request):
        return int(request.headers["x-user"])

    async def later(request):
        return by_header(request)

    cache = cached(echo(b"x-user"), rules={"/": 60}, user_id=later if is_async else by_header)
    for _ in range(2):
        for who in ("1", "2"):
            answer = await ask(cache, fields={"X-User": who, "Cookie": who + "random"})
            assert answer.body == who.encode()
    assert answer.cache_status == "asgi-cache; hit"


async def test_a_user_id_that_is_none_falls_back_to_the_credentials(cached):
    """A hook that does not know a user does not put all unknown users together."""
    cache = cached(echo(b"authorization"), rules={"/": 60}, user_id=lambda request: None)
    for who in (ALICE, BOB):
        assert (await ask(cache, fields=who)).body == who["Authorization"].encode()


async def test_b30_a_user_id_that_raises_leaves_the_request_to_the_app(cached, caplog):
    """A hook of the user's that fails costs a hit, not a request."""
    app = App()
    cache = cached(app, rules={"/": 60}, user_id=lambda request: 1 / 0)
    answer = await ask(cache, fields=ALICE)
    assert (answer.status, app.runs) == (200, 1)
    assert answer.cache_status == "asgi-cache; fwd=bypass; detail=user-id-error"
    assert "ZeroDivisionError" in caplog.text


async def test_only_the_cookies_named_as_credentials_count(cached):
    """A tracking cookie does not split a user's partition; the session does."""
    app = echo(b"cookie")
    cache = cached(app, rules={"/": 60}, credentials=["authorization", "cookie:session"])
    await ask(cache, fields={"Cookie": "track=1; session=a"})
    hit = await ask(cache, fields={"Cookie": "session=a; track=2"})
    miss = await ask(cache, fields={"Cookie": "track=1; session=b"})
    assert (hit.cache_status, miss.body) == ("asgi-cache; hit", b"track=1; session=b")


async def test_set_cookie_is_not_replayed(cached):
    """A response that sets a cookie is not stored, under a rule as without."""
    fields = {"Set-Cookie": "session=alice", "Cache-Control": "public, max-age=60"}
    for options in ({}, {"rules": {"/": {"ttl": 60, "public": True}}}):
        cache = cached(App(Response(fields=fields)), **options)
        answers = [await ask(cache), await ask(cache)]
        assert [a.cache_status for a in answers] == [
            "asgi-cache; fwd=uri-miss; detail=set-cookie"
        ] * 2


async def test_cookies_can_be_fields_like_any_other(cached):
    """With ``cookies="rfc9111"`` a Cookie is no credential and Set-Cookie no obstacle."""
    fields = {"Set-Cookie": "a=b", "Cache-Control": "max-age=60"}
    cache = cached(App(Response(fields=fields)), cookies="rfc9111")
    await ask(cache, fields={"Cookie": "x=1"})
    hit = await ask(cache, fields={"Cookie": "x=2"})
    assert (hit.cache_status, hit["set-cookie"]) == ("asgi-cache; hit", "a=b")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("/a/b", "/a:b", id="path-separators"),
        pytest.param("/a?b=1&c=2", "/a?c=2&b=1", id="order"),
        pytest.param("/a?b", "/a?b=", id="no-value-and-empty-value"),
        pytest.param("/a?b=1%26c", "/a?b=1&c", id="escaped-separator"),
        pytest.param("/a?b=1&b=2", "/a?b=2", id="repeated-name"),
        pytest.param("/a", "//a", id="double-slash"),
        pytest.param("/x/../a", "/a", id="dot-segments"),
        pytest.param("/a?b=%61", "/a?b=a", id="escaped-letter"),
    ],
)
async def test_urls_that_an_app_can_tell_apart_have_keys_apart(cached, first, second):
    """Keys are built from the bytes on the wire."""
    cache = cached(rules={"/**": 60})
    await ask(cache, first)
    assert "fwd=uri-miss" in (await ask(cache, second))["cache-status"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"Host": "t/api"}, {"Host": "t"}, id="a-host-with-a-path"),
        pytest.param({"Host": "a.example"}, {"Host": "b.example"}, id="two-hosts"),
        pytest.param({"X-Forwarded-Host": "evil"}, {}, id="forwarded-host"),
        pytest.param({"X-Forwarded-Proto": "https"}, {}, id="forwarded-proto"),
        pytest.param({"X-Forwarded-Prefix": "/evil"}, {}, id="forwarded-prefix"),
    ],
)
async def test_what_urls_are_built_from_is_in_the_key(cached, first, second):
    """An answer that was made for another host or prefix is not found."""
    cache = cached(rules={"/**": 60})
    await ask(cache, "/n", fields=first)
    assert "fwd=uri-miss" in (await ask(cache, "/n", fields=second))["cache-status"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("Host", "a"), ("Host", "b")], id="two-hosts"),
        pytest.param([("Host", "a b")], id="a-space"),
        pytest.param([("Host", "user@a")], id="user-information"),
    ],
)
async def test_a_host_that_is_none_is_not_cached(cached, fields):
    """Such a request goes to the app with nothing added."""
    app = App()
    cache = cached(app, rules={"/": 60})
    for _ in range(2):
        assert "cache-status" not in await ask(cache, fields=fields)
    assert app.runs == 2


async def test_only_listed_hosts_are_cached(cached):
    """With ``hosts`` a made-up Host field cannot fill the store."""
    app = App()
    cache = cached(app, rules={"/": 60}, hosts=["example.com"])
    assert "cache-status" in await ask(cache)
    assert "cache-status" not in await ask(cache, fields={"Host": "other.example"})


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        pytest.param({"X-HTTP-Method-Override": "DELETE"}, "override-field", id="method"),
        pytest.param({"X-Original-URL": "/admin"}, "override-field", id="url"),
        pytest.param({"X-Rewrite-URL": "/admin"}, "override-field", id="rewrite"),
        pytest.param({"Content-Length": "3"}, "request-body", id="a-body"),
        pytest.param({"Transfer-Encoding": "chunked"}, "request-body", id="a-chunked-body"),
        pytest.param({"If-Match": '"x"'}, "precondition", id="if-match"),
    ],
)
async def test_requests_that_are_not_what_they_seem_go_to_the_app(cached, fields, detail):
    """They are neither answered from the store nor stored."""
    app = App()
    cache = cached(app, rules={"/": 60})
    await ask(cache)
    answer = await ask(cache, fields=fields)
    assert answer.cache_status == f"asgi-cache; fwd=bypass; detail={detail}"
    assert app.runs == 2


async def test_a_reflected_origin_is_not_stored(cached):
    """An answer made for one Origin, which does not say so, is for nobody else."""
    app = App(
        lambda scope: Response(
            fields={"Access-Control-Allow-Origin": dict(scope["headers"])[b"origin"].decode()}
        )
    )
    cache = cached(app, rules={"/": 60})
    await ask(cache, fields={"Origin": "https://evil.example"})
    answer = await ask(cache, fields={"Origin": "https://good.example"})
    assert answer["access-control-allow-origin"] == "https://good.example"


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_errors_are_not_stored_by_a_ttl(cached, status):
    """A request that makes the app fail cannot poison the URL for others."""
    cache = cached(App(Response(status=status), Response()), rules={"/": 60})
    await ask(cache)
    assert (await ask(cache)).status == 200


async def test_errors_are_stored_if_the_rule_lists_the_status(cached, clock):
    """``status_ttl`` is negative caching, for as long as it says."""
    app = App(Response(status=404), Response())
    cache = cached(app, rules={"/": {"ttl": 60, "status_ttl": {404: "10s"}}})
    await ask(cache)
    assert ((await ask(cache)).status, app.runs) == (404, 1)
    clock.advance(10)
    assert (await ask(cache)).status == 200


async def test_a_very_long_target_is_not_looked_up(cached):
    """A megabyte of query costs the app's answer and nothing more."""
    app = App()
    cache = cached(app, rules={"/": 60})
    target = "/?" + "x" * 1_000_000
    for _ in range(2):
        assert "cache-status" not in await ask(cache, target)
    assert app.runs == 2


async def test_private_is_kept_for_a_user_whom_only_the_app_knows(cached):
    """A verified user has a partition of their own, with or without credentials in fields."""

    async def app(scope, receive, send):
        runs.append(scope["user"].identity)
        fields = {"Cache-Control": "private, max-age=60"}
        await Response(scope["user"].identity.encode(), fields).send_to(scope, send)

    runs = []
    cache = cached(app, rules={"/": {"store_private": True}})
    users = [SimpleNamespace(is_authenticated=True, identity=name) for name in ("ann", "eve")]
    for _ in range(2):
        for user in users:
            assert (await ask(cache, user=user)).body == user.identity.encode()
    assert runs == ["ann", "eve"]


async def test_private_is_not_kept_for_nobody(cached):
    """Those without any credentials are not one user."""
    app = App(Response(fields={"Cache-Control": "private, max-age=60"}))
    cache = cached(app, rules={"/": {"store_private": True}})
    for _ in range(2):
        assert (await ask(cache)).cache_status == "asgi-cache; fwd=uri-miss; detail=private"


async def test_a_verified_user_with_a_number_for_an_identity(cached):
    """Whatever type identifies a user, two users are two partitions."""

    async def app(scope, receive, send):
        await Response(b"%d" % scope["user"].identity).send_to(scope, send)

    cache = cached(app, rules={"/": 60})
    for number in (1, 2):
        user = SimpleNamespace(is_authenticated=True, identity=number)
        for _ in range(2):
            answer = await ask(cache, user=user)
            assert answer.body == b"%d" % number
    assert answer.cache_status == "asgi-cache; hit"


class Nameless:
    """A verified user of a class that has no identity."""

    is_authenticated = True

    @property
    def identity(self):
        raise NotImplementedError


async def test_a_verified_user_whom_nothing_names_is_not_cached(cached):
    """Such users must not share what is kept for nobody; their credentials will do."""
    app = App()
    cache = cached(app, rules={"/": 60})
    for _ in range(2):
        answer = await ask(cache, user=Nameless())
        assert answer.cache_status == "asgi-cache; fwd=bypass; detail=user-id-error"
    await ask(cache, user=Nameless(), fields=ALICE)
    assert (await ask(cache, user=Nameless(), fields=ALICE)).cache_status == "asgi-cache; hit"
    assert (await ask(cache, user=Nameless(), fields=BOB)).cache_status.endswith("stored")


@pytest.mark.parametrize("name", ["X-API-Key", "X-Auth-Token"])
async def test_keys_in_fields_of_their_own_are_credentials(cached, name):
    """The usual names count without being told."""
    cache = cached(echo(name.lower().encode()), rules={"/": 60})
    for who in ("alice", "bob", "alice"):
        answer = await ask(cache, fields={name: who})
        assert answer.body == who.encode()
    assert answer.cache_status == "asgi-cache; hit"


async def test_a_secret_of_any_length_will_do(cached):
    """What hashes credentials is made from it."""
    cache = cached(rules={"/": 60}, secret="s" * 128)
    await ask(cache, fields=ALICE)
    assert (await ask(cache, fields=ALICE)).cache_status == "asgi-cache; hit"
