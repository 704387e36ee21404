"""Decorators and dependencies in FastAPI apps."""

from __future__ import annotations

import threading
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.fastapi import cache_tags, cached, describe_caching, get_cache, invalidates
from tests.bare import ask

pytestmark = pytest.mark.anyio

HIT, MISS = "asgi-cache; hit", "asgi-cache; fwd=uri-miss; stored"


def database():
    """Return what tests of the app have in its place."""
    return "real"


@pytest.fixture
def app() -> FastAPI:
    """Return an app with a cache in front of it."""
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=Cache())
    return app


async def statuses(app, *targets, **options):
    """Return what becomes of a request to each of *targets*."""
    return [(await ask(app, target, **options)).cache_status for target in targets]


@pytest.mark.parametrize("decorated_first", [True, False], ids=["above", "below"])
async def test_a_decorator_may_stand_above_or_below_the_route(app, decorated_first):
    """Both leave the handler as it is, so that their order means nothing."""

    def read(task_id: int):
        return {"task": task_id}

    decorators = [cached("5m"), app.get("/tasks/{task_id}")]
    for decorate in decorators if decorated_first else reversed(decorators):
        read = decorate(read)
    assert await statuses(app, "/tasks/7", "/tasks/7") == [MISS, HIT]
    assert (await ask(app, "/tasks/7")).body == b'{"task":7}'


@pytest.mark.parametrize("where", ["endpoint", "parameter", "router", "inclusion", "app"])
async def test_a_dependency_may_stand_wherever_dependencies_stand(where):
    """FastAPI collects them from the app, routers, inclusions, endpoints and parameters."""
    depends = [Depends(cached("5m"))]

    def at(place):
        return depends if place == where else []

    app = FastAPI(dependencies=at("app"))
    router = APIRouter(prefix="/v1", dependencies=at("router"))

    def read():
        return "read"

    def read_dependently(stated: Annotated[None, Depends(cached("5m"))]):
        return "read"

    handler = read_dependently if where == "parameter" else read
    router.get("/tasks", dependencies=at("endpoint"))(handler)
    app.include_router(router, prefix="/api", dependencies=at("inclusion"))
    app.add_middleware(CacheMiddleware)
    assert await statuses(app, "/api/v1/tasks", "/api/v1/tasks") == [MISS, HIT]


async def test_the_handler_has_the_last_word(app):
    """What stands nearer to the handler counts, and tags add up."""
    router = APIRouter(prefix="/tasks", dependencies=[Depends(cached("1h", tags=["tasks"]))])

    @router.get("/{task_id}")
    @cached("1m", tags=["task:{task_id}"])
    def read(task_id: int):
        return task_id

    app.include_router(router)
    assert "ttl=60" in (await ask(app, "/tasks/7"))["cache-status"]
    for tag in ("tasks", "task:7"):
        assert await statuses(app, "/tasks/7") == [HIT]
        await app.user_middleware[0].kwargs["cache"].purge(tags=tag)
        assert await statuses(app, "/tasks/7") == [MISS]


async def test_a_routers_dependency_stores_no_write(app):
    """A POST is a write, though the router that it is of has its answers stored."""
    router = APIRouter(dependencies=[Depends(cached("1h"))])
    written = []

    @router.post("/tasks")
    def write():
        written.append(1)

    @router.get("/tasks")
    def read():
        return len(written)

    app.include_router(router)
    for count in (1, 2):
        await ask(app, "/tasks", method="POST")
        assert (await ask(app, "/tasks")).body == b"%d" % count
    assert await statuses(app, "/tasks") == [HIT]


async def test_a_dependency_takes_no_thread(app):
    """FastAPI would run what it takes for a plain function in one, for every request."""
    threads = set()

    @app.get("/", dependencies=[Depends(cached("5m")), Depends(invalidates("a"))])
    async def read():
        threads.add(threading.current_thread())
        threads.update(threading.enumerate())
        return ""

    before = set(threading.enumerate())
    assert (await ask(app, "/")).status == 200
    assert threads == before


async def test_a_dependency_invalidates_when_the_handler_has_succeeded(app):
    """An `HTTPException` is no success."""

    @app.get("/tasks/{task_id}")
    @cached("5m", tags=["task:{task_id}"])
    def read(task_id: int):
        return task_id

    @app.delete("/tasks/{task_id}/done", dependencies=[Depends(invalidates("task:{task_id}"))])
    def write(task_id: int, *, fail: bool):
        if fail:
            raise HTTPException(409)

    assert await statuses(app, "/tasks/7", "/tasks/7") == [MISS, HIT]
    assert (await ask(app, "/tasks/7/done?fail=true", method="DELETE")).status == 409
    assert await statuses(app, "/tasks/7") == [HIT]
    assert (await ask(app, "/tasks/7/done?fail=false", method="DELETE")).status == 200
    assert await statuses(app, "/tasks/7") == [MISS]


async def test_a_handler_gets_the_cache_and_may_purge(app):
    """It is the one in front of the app, also for a request that the cache passes on."""

    @app.get("/tasks")
    @cached("5m", tags=["tasks"])
    async def read():
        cache_tags("more")
        return ""

    @app.options("/purge")
    async def purge(cache: Annotated[Cache, Depends(get_cache)], tag: str):
        await cache.purge(tags=tag)

    for tag in ("tasks", "more"):
        assert (await statuses(app, "/tasks", "/tasks"))[1] == HIT
        await ask(app, f"/purge?tag={tag}", method="OPTIONS")
        assert await statuses(app, "/tasks") == [MISS]


async def test_a_websocket_gets_the_cache_too(app):
    """What a socket hears may make something untrue."""

    @app.websocket("/")
    async def connect(cache: Annotated[Cache, Depends(get_cache)]):
        assert cache is app.user_middleware[0].kwargs["cache"]

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}

    async def send(message): ...

    await app(scope, None, send)


async def test_an_app_without_the_cache_is_told_so():
    """A test of the app alone overrides the dependency, as any other."""
    app = FastAPI()

    @app.get("/")
    def read(cache: Annotated[Cache, Depends(get_cache)]):
        return type(cache).__name__

    with pytest.raises(RuntimeError, match="no CacheMiddleware is in front of this app"):
        await ask(app, "/")
    app.dependency_overrides[get_cache] = lambda: Cache()  # noqa: PLW0108 - it has no parameters
    assert (await ask(app, "/")).body == b'"Cache"'


async def test_overridden_dependencies_are_heeded(app):
    """What a handler depends on is as the tests of the app want it; the statement stays."""

    @app.get("/")
    @cached("5m")
    def read(name: Annotated[str, Depends(database)]):
        return name

    app.dependency_overrides[database] = lambda: "test"
    assert await statuses(app, "/", "/") == [MISS, HIT]
    assert (await ask(app, "/")).body == b'"test"'


async def test_background_tasks_run_once_for_each_run_of_the_handler(app):
    """A hit runs nothing; a miss runs all that the handler asked for."""
    ran = []

    @app.get("/")
    @cached("5m")
    def read(tasks: BackgroundTasks):
        tasks.add_task(ran.append, 1)

    await statuses(app, "/", "/", "/")
    assert ran == [1]


async def test_response_models_and_streams_are_stored_as_they_are_sent(app):
    """What is stored is the response, so that no model is lost on the way."""

    class Task(BaseModel):
        name: str

    @app.get("/model", response_model=Task)
    @cached("5m")
    def read():
        return {"name": "a", "secret": "b"}

    @app.get("/stream")
    @cached("5m")
    def stream():
        return StreamingResponse(iter(["a", "b"]), media_type="text/csv")

    for target, body in (("/model", b'{"name":"a"}'), ("/stream", b"ab")):
        assert await statuses(app, target, target) == [MISS, HIT]
        assert (await ask(app, target)).body == body


def test_the_documentation_says_what_clients_can_make_of_the_cache(app):
    """Cached operations have the 304, the fields and the request's ``Cache-Control``."""
    router = APIRouter(dependencies=[Depends(cached("1h"))])

    @router.get("/tasks/{task_id}")
    def read(task_id: int): ...

    @router.put("/tasks/{task_id}")
    def write(task_id: int): ...

    @router.get("/hidden", include_in_schema=False)
    def hide(): ...

    @app.get("/plain")
    def plain(): ...

    app.include_router(router, prefix="/api")
    plain_document = app.openapi()
    app.openapi_schema = None
    describe_caching(app)
    described = app.openapi()
    assert app.openapi() == described
    assert described["paths"]["/plain"] == plain_document["paths"]["/plain"]
    task = described["paths"]["/api/tasks/{task_id}"]
    assert task["put"] == plain_document["paths"]["/api/tasks/{task_id}"]["put"]
    assert [each["name"] for each in task["get"]["parameters"]] == ["task_id", "Cache-Control"]
    assert "304" in task["get"]["responses"]
    assert set(task["get"]["responses"]["200"]["headers"]) == {"ETag", "Cache-Status"}
    assert "headers" not in task["get"]["responses"]["422"]
