"""Catalogue A, lines 1-8: identity and privacy."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from redis import Redis
from starlette.authentication import SimpleUser

from asgi_cache import CacheMiddleware
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio


def whoami(*names):
    """An app that answers with the values of the fields by which it tells its users."""

    def answer(scope):
        fields = dict(scope["headers"])
        said = b",".join(fields.get(name.encode(), b"-") for name in names)
        return Response(said, {"Cache-Control": "max-age=60"})

    return App(answer)


UNRULED, RULED = {}, {"rules": {"/**": 60}}


@pytest.mark.parametrize(
    "options", [pytest.param(UNRULED, id="unruled"), pytest.param(RULED, id="ruled")]
)
@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "cookie",
        "x-api-key",
        "x-auth-token",
        "x-forwarded-user",
        "x-remote-user",
        "remote-user",
        "proxy-authorization",
        "x-access-token",
        "cf-access-jwt-assertion",
        "x-amzn-oidc-identity",
    ],
)
async def test_a01_alice_then_bob(cached, name, options):
    """Whatever field an app tells its users by, bob gets his own."""
    cache = cached(whoami(name), **options)
    for user in ("alice", "bob"):
        assert (await ask(cache, fields={name: user})).body == user.encode()


@pytest.mark.parametrize(
    "options", [pytest.param(UNRULED, id="unruled"), pytest.param(RULED, id="ruled")]
)
async def test_a01_user_id_tells_users_apart(cached, options):
    """Where the app says whose request it is, that counts with and without a rule."""
    cache = cached(whoami("x-user"), user_id=lambda r: r.headers.get("x-user"), **options)
    for user in ("alice", "bob"):
        assert (await ask(cache, fields={"X-User": user})).body == user.encode()


@pytest.mark.parametrize(
    "options", [pytest.param(UNRULED, id="unruled"), pytest.param(RULED, id="ruled")]
)
async def test_a01_verified_user_without_identity(cached, options):
    """Starlette's own SimpleUser is verified but has no identity: its answers are not for all."""
    app = App(lambda s: Response(s["user"].display_name.encode(), {"Cache-Control": "max-age=60"}))
    cache = cached(app, **options)
    for user in ("alice", "bob"):
        answer = await ask(cache, user=SimpleUser(user))
        assert answer.body == user.encode()


class IntUser:
    is_authenticated = True

    def __init__(self, identity):
        self.identity = identity


async def test_a01_verified_user_whose_identity_is_a_number(cached):
    app = App(lambda s: Response(str(s["user"].identity).encode()))
    cache = cached(app, **RULED)
    for user in (1, 2):
        assert (await ask(cache, user=IntUser(user))).body == b"%d" % user


async def test_a01_user_id_that_returns_an_object(cached):
    """An object whose str() is its address is no identity: addresses are used again."""

    class User:
        def __init__(self, name):
            self.name = name

    app = App(lambda s: Response(dict(s["headers"])[b"x-user"]))
    cache = cached(app, user_id=lambda r: User(r.headers["x-user"]), **RULED)
    for n in range(200):
        user = f"u{n}"
        assert (await ask(cache, fields={"X-User": user})).body == user.encode()


COOKIES = [
    "sessionid =evil",
    " sessionid=evil",
    "a=b;sessionid=evil",
    "\xa0sessionid=evil",
    "sessionid\x0b=evil",
    "\x85sessionid=evil",
    "sessionid\xa0=evil",
    "a; sessionid=evil",
    'a="; sessionid=evil',
    "\x1csessionid=evil",
    "sessionid\t=evil",
]


@pytest.mark.parametrize("cookie", COOKIES, ids=ascii)
async def test_a03_a_cookie_that_starlette_reads_counts(cached, cookie):
    """With ``cookie:NAME`` a session that the app understands is never taken for nobody's."""
    from starlette.requests import Request

    app = App(lambda s: Response(Request(s).cookies.get("sessionid", "-").encode("latin-1")))
    cache = cached(app, credentials=["authorization", "cookie:sessionid"], **RULED)
    await ask(cache, fields={"Cookie": cookie})
    assert (await ask(cache)).body == b"-"


SET = Response(b"x", {"Set-Cookie": "s=1", "Cache-Control": "max-age=60"})


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(UNRULED, id="unruled"),
        pytest.param(RULED, id="ruled"),
        pytest.param(
            {"rules": {"/**": {"ttl": 60, "public": True, "status_ttl": {404: 60}}}}, id="public"
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 301, 404])
async def test_a04_set_cookie(cached, options, status):
    app = App(
        Response(b"x", {"Set-Cookie": "s=1", "Cache-Control": "public, max-age=60"}, status=status)
    )
    cache = cached(app, **options)
    await ask(cache)
    await ask(cache)
    assert app.runs == 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [304, 200])
async def test_a04_set_cookie_on_validation(cached, clock, method, status):
    first = Response(b"hello", {"Cache-Control": "max-age=10", "ETag": '"1"'})
    second = Response(
        b"hello", {"Cache-Control": "max-age=10", "ETag": '"1"', "Set-Cookie": "s=1"}, status=status
    )
    cache = cached(App(first, second, first))
    await ask(cache)
    clock.advance(11)
    await ask(cache, method=method)
    assert "set-cookie" not in await ask(cache)


@pytest.mark.parametrize(
    "said",
    [
        "private",
        "no-store",
        "private, max-age=60",
        "no-store, max-age=60",
        'private="x',
        "Private",
        "max-age=0",
        "s-maxage=0, max-age=60",
        "no-cache",
    ],
)
@pytest.mark.parametrize(
    "rule",
    [{"ttl": 60}, {"ttl": 60, "public": True, "stale_while_revalidate": 60, "stale_if_error": 60}],
)
async def test_a05_the_app_wins(cached, said, rule):
    app = App(Response(b"1", {"Cache-Control": said}), Response(b"2", {"Cache-Control": said}))
    cache = cached(app, rules={"/**": rule})
    await ask(cache)
    assert (await ask(cache)).body == b"2"


async def test_a07_a_public_rule_is_refreshed_with_somebodys_cookies_but_not_kept_if_private(
    cached, clock
):
    answers = [Response(b"all"), Response(b"alice", {"Cache-Control": "private"})]
    cache = cached(
        App(*answers), rules={"/**": {"ttl": 10, "public": True, "stale_while_revalidate": 60}}
    )
    await ask(cache)
    clock.advance(11)
    await ask(cache, fields={"Cookie": "alice"})
    await cache.cache._services.flights.finish(5)
    assert (await ask(cache)).body == b"all"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(UNRULED, id="unruled"),
        pytest.param({"rules": {"/**": {"ttl": 10, "stale_while_revalidate": 60}}}, id="ruled"),
    ],
)
async def test_a07_a_refresh_with_credentials_stays_in_its_partition(cached, clock, options):
    def answer(scope):
        who = dict(scope["headers"]).get(b"cookie", b"nobody")
        public = ", public" if who == b"nobody" else ""
        return Response(who, {"Cache-Control": f"max-age=10, stale-while-revalidate=60{public}"})

    cache = cached(App(answer), **options)
    await ask(cache)
    await ask(cache, fields={"Cookie": "alice"})
    clock.advance(11)
    for who in ("alice", None, "alice", "bob", None):
        answer_ = await ask(cache, fields={"Cookie": who} if who else {})
        await cache.cache._services.flights.finish(5)
        assert answer_.body in {(who or "nobody").encode(), b"nobody"}
    assert (await ask(cache)).body == b"nobody"


@pytest.mark.parametrize(
    "options",
    [UNRULED, RULED, {"rules": {"/**": {"ttl": 60, "public": True}}}],
    ids=["unruled", "ruled", "public"],
)
async def test_a_post_plants_nothing_for_another_user(cached, options):
    """POST with its own Content-Location and explicit freshness."""

    def answer(scope):
        who = dict(scope["headers"]).get(b"authorization", b"nobody")
        return Response(who, {"Content-Location": "/x", "Cache-Control": "max-age=60"})

    cache = cached(App(answer), **options)
    await ask(cache, "/x", {"Authorization": "mallory"}, method="POST")
    if "public" not in str(options):
        assert (await ask(cache, "/x")).body == b"nobody"
        assert (await ask(cache, "/x", {"Authorization": "bob"})).body == b"bob"


async def test_a_post_with_an_ignored_parameter_plants_nothing(cached):
    """A13: an ignored parameter that is reflected reaches no stored response, by POST neither."""

    def answer(scope):
        query = scope["query_string"]
        return Response(
            query, {"Content-Location": "/x?" + query.decode(), "Cache-Control": "max-age=60"}
        )

    cache = cached(App(answer), rules={"/**": {"ttl": 60, "ignore_query": ["utm"]}})
    await ask(cache, "/x?utm=evil", method="POST")
    assert (await ask(cache, "/x")).body == b""


async def test_a_posts_location_voids_but_does_not_plant(cached):
    app = App(
        Response(b"victim"),
        Response(b"evil", {"Content-Location": "/v", "Cache-Control": "max-age=60"}),
        Response(b"victim"),
    )
    cache = cached(app, **RULED)
    await ask(cache, "/v")
    await ask(cache, "/x", method="POST")
    assert (await ask(cache, "/v")).body == b"victim"


async def test_a01_user_id_that_returns_a_truth_value(cached):
    """``True`` is what all who are logged in have in common, not whose request it is."""
    app = App(lambda s: Response(dict(s["headers"])[b"x-user"]))
    cache = cached(app, user_id=lambda r: bool(r.headers["x-user"]), **RULED)
    for user in ("alice", "bob"):
        assert (await ask(cache, fields={"X-User": user})).body == user.encode()


async def test_a02_no_token_leaves_the_process(redis_server, caplog):
    """Neither a key nor a record nor a purge in Redis has a token in it, and no log line."""
    redis_server.empty()
    caplog.set_level("DEBUG")
    cache = CacheMiddleware(App(), store=redis_server.url + "?timeout=5s", **RULED)
    fields = {"Authorization": "Bearer t0ken-of-alice", "Cookie": "session=c00kie-of-alice"}
    for method in ("GET", "GET", "PUT", "GET"):
        await ask(cache, fields=fields, method=method)
    await cache.cache.purge(user="alice")
    await cache.cache.close()
    with Redis(port=redis_server.port) as client:
        names = client.keys("*")
        kept = [client.dump(name) for name in names]
    assert len(names) > 1
    for said in (*names, *kept, caplog.text.encode()):
        assert b"t0ken" not in said
        assert b"c00kie" not in said


async def test_a02_two_tokens_have_two_keys(cached):
    """And the second one is not told from the first by the cache's answer."""
    cache = cached(whoami("authorization"), **RULED)
    answers = [await ask(cache, fields={"Authorization": who}) for who in ("alice", "bob")]
    assert [answer.body for answer in answers] == [b"alice", b"bob"]
    assert answers[0].cache_status == answers[1].cache_status


async def test_a06_somebody_without_a_name_is_not_nobody(cached):
    """Credentials that name nobody are not answered with what is stored for all without any."""
    cache = cached(whoami("authorization"), user_id=lambda request: None, **RULED)
    assert (await ask(cache)).body == b"-"
    for who in ("alice", "bob"):
        assert (await ask(cache, fields={"Authorization": who})).body == who.encode()
    assert (await ask(cache)).body == b"-"


async def test_a07_a_forged_token_opens_nothing(cached):
    """Who puts another user's name into a token without a signature is somebody else."""
    claims = urlsafe_b64encode(b'{"sub": "alice", "exp": 9999999999}').decode()
    app = App(lambda scope: Response(dict(scope["headers"])[b"authorization"]))
    cache = cached(app, until_token_expires=True, **RULED)
    for signature in ("genuine", "forged", ""):
        token = f"Bearer e30.{claims}.{signature}"
        assert (await ask(cache, fields={"Authorization": token})).body == token.encode()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("more", [{}, {"If-None-Match": "*"}, {"Cache-Control": "only-if-cached"}])
async def test_a08_what_another_user_has_asked_for_cannot_be_probed(cached, method, more):
    """An answer is the same whether or not somebody else has it stored."""
    app = whoami("authorization")
    probed, other = cached(app, **RULED), cached(app, **RULED)
    await ask(probed, "/secret", {"Authorization": "alice"})
    mallory = {"Authorization": "mallory", **more}
    first = await ask(probed, "/secret", mallory, method=method)
    second = await ask(other, "/secret", mallory, method=method)
    assert first.messages == second.messages
