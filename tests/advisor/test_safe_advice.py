"""Advice that would leak, lose or be refused is not given."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.advisor.advice import Advice
from asgi_cache.advisor.deciding import SHARED, RouteAdvice, decide
from asgi_cache.advisor.factors import SOON
from asgi_cache.advisor.learning import Learned
from asgi_cache.advisor.watching import inferred
from asgi_cache.advisor.writes import Writes
from asgi_cache.stores.memory import MemoryStore
from tests.advisor.test_learning import read
from tests.bare import App, ask
from tests.bare import Response as Answer
from tests.middleware.conftest import cached, clock

__all__ = ["cached", "clock"]


def advised(reads):
    learned = Learned("/a")
    for now, each in enumerate(reads):
        learned.note(each, float(now), Writes())
    return decide(learned)


def by_users(count=60, users=SHARED + 10):
    return [read(user=number % users) for number in range(count)]


def test_one_answer_for_all_is_public():
    """Users and who shows no credentials were answered the same."""
    assert advised(by_users() * 2).public


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([read(user=0, status=401, body=2)], id="strangers-are-refused"),
        pytest.param([read(user=7, status=403, body=2)], id="a-user-is-refused"),
        pytest.param([read(user=7, body=2, is_secret=True)], id="one-answer-was-private"),
    ],
)
def test_what_is_not_for_everyone_is_not_public(others):
    """That all who may see it are shown the same does not make it public."""
    assert not advised([*by_users() * 2, *others]).public


def test_what_no_stranger_asked_for_is_not_public():
    """It may be for users only: nobody has seen what is answered to others."""
    assert not advised([read(user=number % 30 + 1) for number in range(120)]).public


@pytest.mark.anyio
async def test_a_stranger_whom_the_app_may_know_is_none(cached):
    """Where a function of the app's tells who asks, a request without credentials is somebody's."""
    app = cached(App(), rules={"/**": 60}, observe=True, user_id=lambda _: "alice")
    for number in range(100):
        fields = [("Authorization", f"{number % 30}")] if number % 2 else []
        await ask(app, "/a", fields)
    (learned,) = app.cache._services.watcher._learned.values()
    assert learned.without_credentials == 0


def test_a_parameter_whose_other_values_are_refused_matters():
    """Signed URLs differ in their signatures, and their content does not."""
    good = [read(query={"s": number}) for number in range(60)]
    assert advised(good).ignore_query == ("s",)
    refused = read(query={"s": 99}, status=404, body=2)
    assert advised([*good, refused, *good]).ignore_query == ()


@pytest.mark.parametrize("name", ["signature", "X-Amz-Expires", "access_token", "api_key"])
def test_a_parameter_that_may_be_a_credential_is_not_ignored(name):
    """Only what is not valid would tell, and nobody may have sent that."""
    assert advised([read(query={name: number}) for number in range(60)]).ignore_query == ()


def test_an_overloaded_app_is_no_difference():
    """Errors of the server's say nothing of what a parameter does."""
    good = [read(query={"utm": number}) for number in range(60)]
    assert advised([*good, read(query={"utm": 99}, status=503, body=2)]).ignore_query == ("utm",)
    assert SOON > 1


def stored(route, ttl=60.0, **said):
    return RouteAdvice(route, "dynamic", 100, 0.1, ttl, **said)


def taken(*routes, unasked=()):
    """Return the rules of such advice, which the cache takes."""
    rules = Advice(1.0, routes, unasked).rules()
    Cache(store=MemoryStore(), rules=rules)
    return rules


def test_b30_a_rule_says_nothing_of_another_route():
    """What is not stored is not stored by a wider rule, public at that, which would match it."""
    rules = taken(
        stored("/users/{id}", public=True),
        RouteAdvice("/users/me", "unseen", 3, 0.1),
        RouteAdvice("/about", "cheap", 300, 0.001),
        unasked=("/users/settings", "/health"),
    )
    assert rules == {
        "/users/me": "never",
        "/users/settings": "never",
        "/users/{id}": {"ttl": "1m", "public": True},
    }


@pytest.mark.parametrize(
    "routes",
    [
        ("/a/{a}", "/a/{z:int}"),
        ("/a/{p:path}", "/a/{x}", "/a/x/{y}"),
        ("/{p:path}", "/{x}/b", "/"),
        ("/a/{x:float}", "/a/{y:int}", "/a/{z:uuid}", "/a/{a}"),
        ("/f/{name}.{kind}", "/f/{name}.json", "/f/{any}"),
    ],
)
def test_the_narrower_rule_comes_first(routes):
    """Whatever the parameters are called, no rule leaves nothing for another."""
    write = (("PUT /a/{x}", "a"),)
    assert set(taken(*(stored(route, purged_by=write) for route in routes))) >= set(routes)
    assert taken(*map(stored, reversed(routes))) == taken(*map(stored, routes))


def test_routes_that_match_the_same():
    """Where two apps disagree about the same paths, nothing is stored of them."""
    assert taken(stored("/a/{x}"), stored("/a/{y}", public=True)) == {"/a/{x}": "never"}
    assert taken(stored("/a/{x}"), stored("/a/{y}")) == {"/a/{x}": {"ttl": "1m"}}


@pytest.mark.parametrize("route", ["/a/{x:unheard}", "/{id}/{id}", "/a*b", "/a\x00", ""])
def test_what_is_no_pattern_is_left_out(route):
    """The rest of the rules is taken."""
    assert taken(stored(route), stored("/b")) == {"/b": {"ttl": "1m"}}


@pytest.mark.parametrize("path", ["/**", "/a/**", "/*/b", "/{p:path}", "/a/b\x00"])
def test_a_client_writes_no_rule(path):
    """A path that reads like a pattern is taken for a value, and matches no more than values."""
    template = inferred(path)[0]
    assert "*" not in template
    assert ":path" not in template
    assert set(taken(stored(template))) == {template}


@pytest.mark.anyio
async def test_paths_that_are_not_there_are_not_learned(cached):
    """Who asks for what an app has never had does not use up the routes that are looked at."""
    app = cached(App(Answer(status=404)), rules={"/**": 60}, observe=True)
    for letter in "abcdefgh":
        await ask(app, f"/{letter}")
    assert app.cache.advise().routes == ()


@pytest.mark.anyio
async def test_what_is_mounted_and_has_no_routes(cached):
    """A route is inferred of each path: the mount's own would match none of them."""

    async def answer(request):
        return Response("x")

    async def files(scope, receive, send):
        await Response("file")(scope, receive, send)

    app = Starlette(
        routes=[Mount("/files", files), Mount("/x", routes=[Route("/{id:int}", answer)])]
    )
    cache = Cache(store=MemoryStore(), observe=True)
    watched = CacheMiddleware(app, cache=cache)
    await ask(watched, "/files/logo")
    await ask(watched, "/x/7")
    assert {each.route for each in cache.advise().routes} == {"/files/logo", "/x/{id:int}"}


@pytest.mark.anyio
async def test_routes_that_nobody_asked_for_are_known():
    """A wider rule shall not match them either."""

    async def answer(request):
        return Response("x")

    app = Starlette(routes=[Route("/users/me", answer), Route("/users/{id}", answer)])
    cache = Cache(store=MemoryStore(), observe=True)
    await ask(CacheMiddleware(app, cache=cache), "/users/7")
    advice = cache.advise()
    assert advice.unasked == ("/users/me",)
    assert Advice.from_plain(advice.to_plain()) == advice


@pytest.mark.anyio
async def test_a_watched_post_is_not_stored(cached):
    """A rule that stores answers to POST is only watched, as well."""
    rules = {"/search": {"ttl": 60, "methods": ["POST"]}}
    app = cached(App(), rules=rules, observe=True)
    for _ in range(2):
        assert "cache-status" not in await ask(app, "/search", method="POST", body=b"q")
    assert app.app.runs == 2


def test_what_is_personal_is_not_fresh_for_longer_than_was_watched():
    """Nobody knows what would have become of it later."""
    learned = Learned("/a")
    for number in range(200):
        learned.note(read(user=number % 3, body=number % 3), number / 10, Writes())
    advice = decide(learned)
    assert advice.kind == "personal"
    assert 0 < advice.ttl <= learned.seconds


def test_what_was_watched_for_a_moment_is_unseen():
    """A ttl shorter than any that is advised has not passed yet."""
    learned = Learned("/a")
    for number in range(200):
        learned.note(read(), number / 1000, Writes())
    assert decide(learned).kind == "unseen"
