"""How apps tell users apart, and what each of them is answered with the cache in front."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute
from fastapi.security import (
    APIKeyHeader,
    APIKeyQuery,
    HTTPBasic,
    HTTPBasicCredentials,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
)
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware

from asgi_cache import CacheMiddleware
from asgi_cache.fastapi import cached
from tests.bare import ask
from tests.frameworks.beside import HIT, MISS, RULES, answers_alike, inside, what_became, wrapped

pytestmark = pytest.mark.anyio

USERS = {"t-ann": "ann", "t-bob": "bob"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
BOTH = pytest.mark.parametrize("cache", [wrapped, inside])


def name_of(token):
    """Return whose token it is."""
    if token not in USERS:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return USERS[token]


def with_bearer(token: Annotated[str, Depends(OAuth2PasswordBearer("/token"))]):
    return name_of(token)


def with_header(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]):
    return name_of(key)


def with_query(key: Annotated[str, Depends(APIKeyQuery(name="key"))]):
    return name_of(key)


def with_password(who: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]):
    return who.username


def greeting(user):
    """Return a function that makes an app that greets its *user*."""

    def make():
        app = FastAPI()

        @app.get("/")
        def read(name: Annotated[str, Depends(user)]):
            return f"hello {name}"

        @app.post("/token")
        def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]):
            return {"access_token": f"t-{form.username}", "token_type": "bearer"}

        return app

    return make


@BOTH
@pytest.mark.parametrize(
    ("user", "target", "fields"),
    [
        pytest.param(with_bearer, "/", {"authorization": "Bearer t-{}"}, id="bearer"),
        pytest.param(with_header, "/", {"x-api-key": "t-{}"}, id="key-in-header"),
        pytest.param(with_query, "/?key=t-{}", {}, id="key-in-query"),
    ],
)
async def test_each_user_has_answers_of_their_own(cache, user, target, fields):
    """Two who ask for the same have a miss and a hit each; who shows nothing has neither."""
    make = greeting(user)
    app = cache(make())
    for expected in (MISS, HIT):
        for name in ("ann", "bob"):
            own = {field: value.format(name) for field, value in fields.items()}
            answer = await ask(app, target.format(name), own)
            assert (what_became(answer), answer.body) == (expected, f'"hello {name}"'.encode())
    plain, answer = await ask(make()), await ask(app)
    assert (answer.status, answer.body) == (plain.status, plain.body)
    assert answer.status == 401
    assert answer.all("www-authenticate") == plain.all("www-authenticate")


@BOTH
async def test_a_wrong_token_is_refused_each_time(cache):
    """A refusal is not stored, nor is anybody's answer shown in its place."""
    passed = "fwd=uri-miss; detail=error"
    fields = {"authorization": "Bearer t-eve"}
    await answers_alike(greeting(with_bearer), fields=fields, then=(passed, passed), cache=cache)


async def test_a_password_is_changed_for_a_token():
    """The form reaches the handler as it was sent, and no answer to it is stored."""
    body = b"username=ann&password=x"
    await answers_alike(
        greeting(with_bearer), "/token", FORM, method="POST", body=body, then=(None, None)
    )


async def test_basic_credentials_are_part_of_the_key():
    """What the browser sends with each request says whose answer it is."""
    app = wrapped(greeting(with_password)())
    for sent, name in (("YW5uOg==", b"ann"), ("Ym9iOg==", b"bob")):
        for expected in (MISS, HIT):
            answer = await ask(app, fields={"authorization": f"Basic {sent}"})
            assert (what_became(answer), answer.body) == (expected, b'"hello %s"' % name)


async def test_a_verified_user_keeps_what_is_stored_with_a_new_token():
    """Before the cache, the middleware says who it is, whatever the token."""

    class Tokens(AuthenticationBackend):
        async def authenticate(self, connection):
            name = connection.headers["authorization"].partition(":")[0]
            return AuthCredentials(["user"]), SimpleUser(name)

    app = FastAPI()

    @app.get("/")
    def read(request: Request):
        return request.user.display_name

    app.add_middleware(CacheMiddleware, rules=RULES)
    app.add_middleware(AuthenticationMiddleware, backend=Tokens())
    for token, expected in (("ann:1", MISS), ("ann:2", HIT), ("bob:1", MISS)):
        answer = await ask(app, fields={"authorization": token})
        assert (what_became(answer), answer.body) == (expected, f'"{token[:3]}"'.encode())


async def test_a_form_that_redirects_shows_what_it_has_changed():
    """A POST purges its own URL, so that the page it leads back to is made anew."""
    names = []
    app = FastAPI()

    @app.get("/tasks")
    def read():
        return names

    @app.post("/tasks")
    def add(name: Annotated[str, Form()]):
        names.append(name)
        return RedirectResponse("/tasks", 303)

    app = wrapped(app)
    assert [what_became(await ask(app, "/tasks")) for _ in range(2)] == [MISS, HIT]
    answer = await ask(app, "/tasks", FORM, method="POST", body=b"name=a")
    assert (answer.status, answer["location"]) == (303, "/tasks")
    answer = await ask(app, "/tasks")
    assert (what_became(answer), answer.body) == (MISS, b'["a"]')


async def test_pages_link_to_each_other():
    """Links are made of the request's URL, which is the key."""

    def make():
        app = FastAPI()

        @app.get("/tasks")
        def read(request: Request, page: int = 1):
            following = request.url.include_query_params(page=page + 1)
            return PlainTextResponse("tasks", headers={"Link": f'<{following}>; rel="next"'})

        return app

    for page in (1, 2):
        (_, hit) = await answers_alike(make, f"/tasks?page={page}")
        assert hit["link"] == f'<http://example.com/tasks?page={page + 1}>; rel="next"'


async def test_a_route_class_sees_every_run():
    """What a custom `APIRoute` adds is stored, and the handler's own rule is found."""

    class Named(APIRoute):
        def get_route_handler(self):
            handle = super().get_route_handler()

            async def named(request):
                response = await handle(request)
                response.headers["X-Route"] = self.name
                return response

            return named

    def make():
        app = FastAPI()
        app.router.route_class = Named

        @app.get("/")
        @cached("5m")
        def read():
            return "read"

        return app

    for answer in await answers_alike(make, cache=CacheMiddleware):
        assert answer["x-route"] == "read"


async def test_an_overridden_user_is_answered_as_the_test_says():
    """`dependency_overrides` are heeded on a miss, and a hit is what they have made."""

    def make():
        app = greeting(with_bearer)()
        app.dependency_overrides[with_bearer] = lambda: "test"
        return app

    (_, hit) = await answers_alike(make)
    assert hit.body == b'"hello test"'
