"""The right to see a stored response ends: it is asked for, or a token says when."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from starlette.authentication import SimpleUser

from asgi_cache import Cache
from asgi_cache.errors import ConfigurationError
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio

RULES = {"/own/**": 600, "/all/**": {"ttl": 600, "public": True}}
ALICE = {"Authorization": "alice"}
HIT = "asgi-cache; hit"
UNAUTHORIZED = "asgi-cache; fwd=bypass; detail=unauthorized"


class Rights:
    """Whom the app lets see what is stored, and how often it was asked."""

    def __init__(self, answer=True):
        self.answer = answer
        self.asked = 0

    def __call__(self, request):
        self.asked += 1
        assert request.headers["authorization"] == "alice"
        return self.answer


async def test_a_user_whose_right_has_ended_is_not_shown_what_is_stored(cached):
    """The request goes to the app, which has the last word; what is stored stays."""
    rights, app = Rights(), App()
    cache = cached(app, rules=RULES, authorize=rights)
    for status in ("asgi-cache; fwd=uri-miss; stored", HIT):
        assert (await ask(cache, "/own/a", ALICE)).cache_status == status
    rights.answer = False
    assert (await ask(cache, "/own/a", ALICE)).cache_status == UNAUTHORIZED
    rights.answer = True
    assert (await ask(cache, "/own/a", ALICE)).cache_status == HIT
    assert (rights.asked, app.runs) == (4, 2)


@pytest.mark.parametrize("answer", [None, 1, "yes", b"", object()])
async def test_nothing_but_true_is_leave(cached, answer):
    """A function that forgets to return, or returns something else, shows nobody anything."""
    cache = cached(rules=RULES, authorize=Rights(answer))
    for _ in range(2):
        assert (await ask(cache, "/own/a", ALICE)).cache_status == UNAUTHORIZED


async def test_it_may_be_asynchronous(cached):
    """As where it asks a database."""

    async def authorize(request):
        return request.url.path == "/own/a"

    cache = cached(rules=RULES, authorize=authorize)
    await ask(cache, "/own/a", ALICE)
    assert (await ask(cache, "/own/a", ALICE)).cache_status == HIT
    assert (await ask(cache, "/own/b", ALICE)).cache_status == UNAUTHORIZED


async def test_it_may_fail(cached, caplog):
    """Nobody is shown anything, the app answers, and the log says why."""

    def authorize(request):
        raise RuntimeError("the database is away")

    cache = cached(rules=RULES, authorize=authorize)
    answer = await ask(cache, "/own/a", ALICE)
    assert (answer.body, answer.cache_status) == (b"hello", UNAUTHORIZED)
    assert "the database is away" in caplog.text


@pytest.mark.parametrize(
    ("target", "fields"), [("/own/a", {}), ("/all/a", ALICE), ("/all/a", {}), ("/other", {})]
)
async def test_it_is_asked_about_what_is_somebodys_only(cached, target, fields):
    """What is stored for everybody, or for nobody in particular, needs no leave."""
    rights = Rights(False)
    cache = cached(
        App(Response(b"x", {"Cache-Control": "max-age=9"})), rules=RULES, authorize=rights
    )
    await ask(cache, target, fields)
    assert (await ask(cache, target, fields)).cache_status == HIT
    assert rights.asked == 0


async def test_it_is_asked_about_verified_users_too(cached):
    """However it is known whose request it is."""
    cache = cached(rules=RULES, authorize=lambda request: request.user.username != "bob")
    for name, status in (("alice", HIT), ("bob", UNAUTHORIZED)):
        await ask(cache, "/own/a", user=SimpleUser(name))
        assert (await ask(cache, "/own/a", user=SimpleUser(name))).cache_status == status


async def test_a_response_is_warmed_without_leave(cached):
    """It is shown to nobody yet."""
    cache = cached(rules=RULES, authorize=lambda request: request.headers.get("x-asks") == "1")
    await cache.cache.warm("http://example.com/own/a", user="alice")
    for fields, status in (({}, UNAUTHORIZED), ({"X-Asks": "1"}, HIT)):
        answer = await ask(cache, "/own/a", fields, user=SimpleUser("alice"))
        assert answer.cache_status == status


def test_it_is_a_function():
    """Anything else is refused at once."""
    with pytest.raises(ConfigurationError, match="authorize=True is not a function"):
        Cache(authorize=True)


def token(clock, seconds):
    """Return the credentials of a client whose token expires in so many seconds."""
    claims = json.dumps({"sub": "alice", "exp": int(clock.now + seconds)}).encode()
    return {"Authorization": f"Bearer a.{urlsafe_b64encode(claims).decode().rstrip('=')}.c"}


async def test_what_is_stored_ends_with_the_token(cached, clock):
    """It is shown until the very instant, and not stale after that, whatever a rule says."""
    rules = {"/**": {"ttl": 600, "stale_while_revalidate": 600, "stale_if_error": 600}}
    app = App(Response(b"own"), Response(status=401), Response(status=500))
    cache = cached(app, rules=rules, until_token_expires=True)
    fields = token(clock, 100)
    await ask(cache, fields=fields)
    clock.advance(99.5)
    assert (await ask(cache, fields=fields)).cache_status == HIT
    clock.advance(0.5)
    assert (await ask(cache, fields=fields)).status == 401
    for field in ({}, {"Cache-Control": "max-stale"}):
        assert (await ask(cache, fields=fields | field)).status == 500


async def test_a_token_does_not_make_anything_last_longer(cached, clock):
    """A rule's lifetime is the longest."""
    cache = cached(rules={"/**": 60}, until_token_expires=True)
    fields = token(clock, 1000)
    await ask(cache, fields=fields)
    clock.advance(60)
    assert "fwd=stale" in (await ask(cache, fields=fields))["cache-status"]


async def test_a_token_that_has_expired_gets_nothing_stored(cached, clock):
    """Should the app answer it all the same."""
    cache = cached(rules={"/**": 60}, until_token_expires=True)
    fields = token(clock, -5)
    for _ in range(2):
        answer = await ask(cache, fields=fields)
        assert answer.cache_status == "asgi-cache; fwd=uri-miss; detail=no-freshness"


async def test_a_validator_is_asked_for_when_the_token_has_expired(cached, clock):
    """The app may say that all is as it was; until then nothing is shown."""
    app = App(Response(b"own", {"ETag": '"1"'}), Response(status=304), Response(status=403))
    cache = cached(app, rules={"/**": 600}, until_token_expires=True)
    fields = token(clock, 100)
    await ask(cache, fields=fields)
    clock.advance(100)
    answer = await ask(cache, fields=fields)
    assert (answer.status, answer.body) == (200, b"own")
    assert (await ask(cache, fields=fields)).status == 403


async def test_tokens_are_read_only_where_that_is_asked_for(cached, clock):
    """And what is public has no owner whose token could expire."""
    fields = token(clock, 100)
    for options in ({"rules": {"/**": 600}}, {"rules": RULES, "until_token_expires": True}):
        cache = cached(**options)
        await ask(cache, "/all/a", fields)
        clock.advance(100)
        assert (await ask(cache, "/all/a", fields)).cache_status == HIT
