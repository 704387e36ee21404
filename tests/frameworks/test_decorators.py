"""What handlers say of themselves, in Starlette, whose apps know no dependencies."""

from __future__ import annotations

from functools import wraps

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from asgi_cache import Cache, CacheMiddleware, ConfigurationError, Rule, cached, invalidates
from asgi_cache.rules import RuleOptions
from tests.bare import ask

pytestmark = pytest.mark.anyio

HIT, MISS = "asgi-cache; hit", "asgi-cache; fwd=uri-miss; stored"


async def answer(request):
    """Answer with the path."""
    return PlainTextResponse(request.url.path)


def handler(*decorators):
    """Return a handler of its own that bears *decorators*."""

    async def endpoint(request):
        return await answer(request)

    for decorate in reversed(decorators):
        endpoint = decorate(endpoint)
    return endpoint


def serving(*routes, **options):
    """Return an app with *routes* and a cache in front of it."""
    return CacheMiddleware(Starlette(routes=list(routes)), **options)


async def statuses(app, *targets, **options):
    """Return what becomes of a request to each of *targets*."""
    return [(await ask(app, target, **options)).cache_status for target in targets]


def refusal(*routes, **options):
    """Return the message with which the routes are refused."""
    with pytest.raises(ConfigurationError) as caught:
        serving(*routes, **options).cache.read_routes()
    return str(caught.value)


def test_the_options_are_the_fields_of_a_rule():
    """What type checkers know of `cached` is what a `Rule` has, in its order."""
    assert ["ttl", *RuleOptions.__annotations__] == list(Rule.__dataclass_fields__)


def test_a_decorated_handler_is_the_same_function():
    """Nothing is wrapped, so that signatures, tests and debuggers see the handler itself."""

    async def endpoint(request):
        return await answer(request)

    assert cached("5m")(endpoint) is endpoint
    assert invalidates("tasks")(endpoint) is endpoint


async def test_a_decorated_handler_is_cached_and_others_are_not():
    """The decorator is a rule for its own route."""
    app = serving(
        Route("/tasks/{task_id}", handler(cached("5m"))), Route("/users/{user}", handler())
    )
    assert await statuses(app, "/tasks/7", "/tasks/7") == [MISS, HIT]
    assert "no-freshness" in (await statuses(app, "/users/7"))[0]


async def test_the_route_that_answers_counts():
    """A route without a decorator before a decorated one keeps what it answers to itself."""
    app = serving(Route("/tasks/mine", handler()), Route("/tasks/{task_id}", handler(cached("5m"))))
    assert (await statuses(app, "/tasks/mine", "/tasks/mine"))[1] != HIT


async def test_another_decorator_between_hides_nothing():
    """What uses `functools.wraps` passes on what the handler states."""

    def other(endpoint):
        @wraps(endpoint)
        async def wrapper(request):
            return await endpoint(request)

        return wrapper

    app = serving(Route("/", handler(other, cached("5m"))))
    assert await statuses(app, "/", "/") == [MISS, HIT]


@pytest.mark.parametrize("root_path", ["", "/proxy"])
async def test_mounted_routes_are_found_where_they_are(root_path):
    """Mounts and a root path come before what the handler's route says."""
    routes = [Mount("/v1/{team}", routes=[Route("/tasks/{id}", handler(cached("5m")))])]
    app = serving(*routes)
    target = f"{root_path}/v1/red/tasks/7"
    for expected in (MISS, HIT):
        assert (await ask(app, target, root_path=root_path)).cache_status == expected


async def test_parameters_of_mounts_fill_in_tags():
    """A tag may name the parameters of all routers on the way."""
    endpoint = handler(cached("5m", tags=["{team}:{id}"]))
    app = serving(Mount("/v1/{team}", routes=[Route("/tasks/{id:int}", endpoint)]))
    await statuses(app, "/v1/red/tasks/7", "/v1/blue/tasks/7")
    await app.cache.purge(tags="red:7")
    assert await statuses(app, "/v1/red/tasks/7", "/v1/blue/tasks/7") == [MISS, HIT]


async def test_a_host_route_is_asked_for_its_host():
    """Routers for one host count for it alone."""
    inner = Starlette(routes=[Route("/", handler(cached("5m")))])
    app = serving(Host("api.example.com", inner), Route("/", handler()))
    for host, expected in (("api.example.com", HIT), ("www.example.com", None)):
        for _ in range(2):
            status = (await ask(app, "/", {"host": host})).cache_status
        assert (status == HIT) is (expected == HIT)


async def test_class_based_endpoints_speak_for_each_method():
    """What a class states holds for all its methods; a method may add to it."""

    @cached("5m", tags=["tasks"])
    class Tasks(HTTPEndpoint):
        @cached(tags=["list"])
        async def get(self, request):
            return await answer(request)

        @invalidates("list")
        async def post(self, request):
            return await answer(request)

    app = serving(Route("/", Tasks))
    for tag in ("tasks", "list"):
        assert (await statuses(app, "/", "/"))[1] == HIT
        await app.cache.purge(tags=tag)
    assert await statuses(app, "/", "/") == [MISS, HIT]
    await ask(app, "/", method="POST")
    assert await statuses(app, "/") == [MISS]


async def test_invalidates_purges_its_tags_when_the_handler_succeeds():
    """A write that succeeds makes untrue what its tags name; one that fails does not."""

    async def write(request):
        return PlainTextResponse("", int(request.query_params["status"]))

    app = serving(
        Route("/tasks/{id}", handler(cached("5m", tags=["task:{id}"]))),
        Route("/write/{id}", invalidates("task:{id}")(write), methods=["POST"]),
    )
    assert await statuses(app, "/tasks/7", "/tasks/8") == [MISS, MISS]
    await ask(app, "/write/7?status=409", method="POST")
    assert await statuses(app, "/tasks/7") == [HIT]
    await ask(app, "/write/7?status=204", method="POST")
    assert await statuses(app, "/tasks/7", "/tasks/8") == [MISS, HIT]


async def test_a_decorator_comes_before_the_mapping():
    """What handler and mapping both say is as the handler says it."""
    rules = {"/{name}": {"ttl": 5, "client_ttl": 5}}
    app = serving(Route("/a", handler(cached(600))), Route("/b", handler()), rules=rules)
    answers = {path: await ask(app, path) for path in ("/a", "/b")}
    assert "ttl=600" in answers["/a"]["cache-status"]
    assert "max-age=5" not in answers["/a"]["cache-control"]
    assert "ttl=5" in answers["/b"]["cache-status"]


async def test_a_decorator_caches_what_the_mapping_does_not():
    """The handler knows better than a general "never"."""
    app = serving(Route("/a", handler(cached(600))), rules={"/**": None})
    assert await statuses(app, "/a", "/a") == [MISS, HIT]


async def test_a_decorator_that_only_adds_tags_leaves_a_never_alone():
    """Tags are for what is stored, and do not have it stored."""
    app = serving(Route("/a", handler(cached(tags=["a"]))), rules={"/**": None})
    assert "cache-status" not in await ask(app, "/a")


async def test_tags_of_mapping_and_decorators_add_up():
    """Whatever tag somebody relies on purges the response; so does either route."""
    rules = {"/{name}": {"ttl": 5, "tags": ["all:{name}"]}}
    endpoint = handler(cached(600), cached(tags=["own"]))
    app = serving(Route("/{id}", endpoint), rules=rules)
    for named in ({"tags": "all:a"}, {"tags": "own"}, {"route": "/{name}"}, {"route": "/{id}"}):
        assert (await statuses(app, "/a", "/a"))[1] == HIT
        await app.cache.purge(**named)
        assert await statuses(app, "/a") == [MISS]


async def test_tags_alone_leave_the_mappings_rule_in_force():
    """A decorator that names nothing but tags takes no lifetime away."""
    app = serving(Route("/a", handler(cached(tags=["own"]))), rules={"/a": 60})
    assert "ttl=60" in (await ask(app, "/a"))["cache-status"]


async def test_what_a_mapping_purges_is_purged_beside_a_decorators_tags():
    """A write voids what either names."""
    rules = {"/write": {"purge": ["b"]}, "/{tag}": {"ttl": 60, "tags": ["{tag}"]}}
    app = serving(
        Route("/write", handler(invalidates("a")), methods=["PUT"]),
        Route("/{tag}", handler()),
        rules=rules,
    )
    await statuses(app, "/a", "/b", "/c")
    await ask(app, "/write", method="PUT")
    assert await statuses(app, "/a", "/b", "/c") == [MISS, MISS, HIT]


async def test_a_url_is_purged_as_the_decorator_keys_it():
    """The part of the query that the handler ignores is no part of what is purged."""
    app = serving(Route("/a", handler(cached(60, query=["page"]))), base_url="http://example.com")
    assert await statuses(app, "/a?page=1&x=1", "/a?x=2&page=1") == [MISS, HIT]
    await app.cache.purge(url="/a?page=1&x=3")
    assert await statuses(app, "/a?page=1&x=1") == [MISS]


async def test_a_post_is_stored_only_where_the_decorator_names_it():
    """A handler of both is asked again for every POST, or a write could be left out."""
    app = serving(Route("/a", handler(cached(60)), methods=["GET", "POST"]))
    assert await statuses(app, "/a", "/a") == [MISS, HIT]
    app = serving(Route("/a", handler(cached(60, methods=["POST"])), methods=["POST"]))
    for expected in (MISS, HIT):
        assert (await ask(app, "/a", method="POST", body=b"?")).cache_status == expected


async def test_the_routes_are_found_behind_other_middleware():
    """Middlewares have what they wrap as ``app``, so that it can be looked through them."""

    class Outer:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    app = CacheMiddleware(Outer(Starlette(routes=[Route("/", handler(cached(60)))])))
    assert await statuses(app, "/", "/") == [MISS, HIT]


async def test_the_routes_are_found_by_the_scope_where_middleware_hides_the_app():
    """Starlette says in the scope which app it is."""
    inner = Starlette(routes=[Route("/", handler(cached(60)))])

    def hiding(app):
        async def middleware(scope, receive, send):
            await app(scope, receive, send)

        return middleware

    inner.add_middleware(hiding)
    cache = Cache()
    inner.add_middleware(CacheMiddleware, cache=cache)
    assert await statuses(inner, "/", "/") == [MISS, HIT]


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        pytest.param(
            lambda: cached("5m", tll=1),
            "cached: unknown field 'tll' (did you mean 'ttl'?)",
            id="name",
        ),
        pytest.param(
            lambda: cached(answer),
            "is not a duration: write @cached('5m'), with parentheses",
            id="no-parentheses",
        ),
        pytest.param(invalidates, "names no tags: write @invalidates('tasks')", id="none"),
        pytest.param(lambda: invalidates(answer), "names no tags", id="bare"),
        pytest.param(
            lambda: cached(60)(len),
            "cannot be decorated: state a rule in the mapping",
            id="builtin",
        ),
    ],
)
def test_a_mistake_in_a_decorator_is_found_where_it_stands(decorate, message):
    """The traceback leads to the line."""
    with pytest.raises(ConfigurationError) as caught:
        decorate()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("decorator", "methods", "message"),
    [
        pytest.param(
            cached("5 parsecs"),
            ["GET"],
            "decorators of 'GET|HEAD /tasks/{id}': ttl='5 parsecs'",
            id="value",
        ),
        pytest.param(
            cached(60, tags=["task:{ix}"]),
            ["GET"],
            "tags='task:{ix}' has {ix}, which the path does not name (known: id, user",
            id="parameter",
        ),
        pytest.param(
            cached(60),
            ["PUT"],
            "@cached of 'PUT /tasks/{id}': what answers GET is stored, and what answers POST "
            "where that is asked for: methods=['POST']",
            id="cached-put",
        ),
        pytest.param(cached(60), ["POST"], "@cached of 'POST /tasks/{id}'", id="cached-post"),
        pytest.param(
            invalidates("a"),
            ["GET"],
            "@invalidates of 'GET|HEAD /tasks/{id}': GET and HEAD make nothing untrue",
            id="purge-on-get",
        ),
    ],
)
def test_a_mistake_that_needs_the_route_is_found_when_the_app_starts(decorator, methods, message):
    """It names the route."""
    assert message in refusal(Route("/tasks/{id}", handler(decorator), methods=methods))


async def test_a_mistake_keeps_the_app_from_starting():
    """The server hears of it before the first request comes."""
    app = serving(Route("/", handler(cached("soon"))))
    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    with pytest.raises(ConfigurationError):
        await app({"type": "lifespan", "state": {}}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "ttl='soon'" in sent[0]["message"]


def test_own_durations_are_known_to_decorators():
    """A volatility class of the settings is one in a decorator, too."""
    app = serving(Route("/", handler(cached("glacial"))), durations={"glacial": "1d"})
    app.cache.read_routes()


async def test_apps_that_share_a_cache_and_differ_have_nothing_stored_by_their_handlers(caplog):
    """Nobody can tell which of them a rule is for; the log says what to do."""
    cache = Cache()
    one = CacheMiddleware(Starlette(routes=[Route("/me", handler())]), cache=cache)
    other = Starlette(routes=[Route("/me", handler(cached(60, public=True)))])
    CacheMiddleware(other, cache=cache)
    assert HIT not in await statuses(one, "/me", "/me")
    (record,) = caplog.records
    assert "give each app a Cache of its own" in record.message


async def test_apps_that_share_a_cache_and_are_made_alike_are_cached():
    """As where each test makes the app anew."""
    cache = Cache()
    apps = [serving(Route("/", handler(cached(60))), cache=cache) for _ in range(2)]
    assert await statuses(apps[0], "/") + await statuses(apps[1], "/") == [MISS, HIT]


async def test_an_app_may_be_any_object():
    """Also one that can be neither compared by hash nor referred to weakly."""

    class Bare:
        __slots__ = ()
        __hash__ = None

        async def __call__(self, scope, receive, send):
            await PlainTextResponse("")(scope, receive, send)

    app = CacheMiddleware(Bare(), rules={"/": 60})
    assert await statuses(app, "/", "/") == [MISS, HIT]
