"""What many apps do, answered with the cache in front byte for byte as without it."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Form, HTTPException, Query
from fastapi.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, APIKeyQuery, OAuth2PasswordBearer
from pydantic import BaseModel
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from asgi_cache import CacheMiddleware
from tests.bare import ask

pytestmark = pytest.mark.anyio

ADDED = {"cache-status", "age", "etag", "cache-control", "content-length"}
"""Fields that the cache adds where the app has none of that name: of streams it has the length."""

MISS, HIT = "fwd=uri-miss; stored", "hit"
UNSTORED = "fwd=uri-miss; detail=no-freshness"
"""A rule's `ttl` is not for errors; its `status_ttl` is."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Req:
    """One request, and what the cache is to say of it; `None`: nothing is asserted."""

    target: str
    status: int
    said: str | None
    fields: Any = ()
    method: str = "GET"
    body: bytes = b""


def comparable(answer, without=frozenset()):
    """Return what a client sees of an answer, with the fields in one order."""
    fields = sorted((n, v) for n, v in answer.fields if n not in without)
    return answer.status, fields, answer.body


async def compare(build, requests):
    """Ask an app with and without the cache the same, in the same order."""
    bare, behind = build(), CacheMiddleware(build(), rules={"/**": "5m"})
    for request in requests:
        options = {"method": request.method, "body": request.body}
        alone = await ask(bare, request.target, request.fields, **options)
        cached = await ask(behind, request.target, request.fields, **options)
        added = ADDED - {name for name, _ in alone.fields}
        assert comparable(cached, added) == comparable(alone), request
        assert cached.status == request.status
        if request.said is not None:
            assert cached.cache_status == f"asgi-cache; {request.said}", request


class Task(BaseModel):
    id: int
    title: str | None = None
    done: bool = False


def response_models():
    app = FastAPI()

    @app.get("/set", response_model=Task, response_model_exclude_unset=True)
    def read():
        return Task(id=1)

    @app.get("/filtered", response_model=Task, response_model_exclude={"done"})
    def filtered():
        return {"id": 1, "secret": "x"}

    return app


def dependencies():
    app = FastAPI()

    class Page:
        def __init__(self, page: int = 1, size: int = 10):
            self.offset = (page - 1) * size

    @app.get("/tasks")
    def read(page: Annotated[Page, Depends()]):
        return {"offset": page.offset}

    return app


def streams():
    app = FastAPI()

    async def chunks():
        for chunk in (b"a", b"b", b"c"):
            yield chunk

    @app.get("/async")
    def asynchronous():
        return StreamingResponse(chunks(), media_type="text/csv")

    @app.get("/sync")
    def synchronous():
        return StreamingResponse(iter([b"a", b"b"]), headers={"X-Rows": "2"})

    return app


def errors():
    class Gone(Exception):
        pass

    app = FastAPI()

    @app.exception_handler(Gone)
    async def gone(request, error):
        return JSONResponse({"gone": request.url.path}, 410)

    @app.get("/none")
    def none():
        raise HTTPException(404, "no such task", headers={"X-Reason": "none"})

    @app.get("/teapot")
    def teapot():
        raise HTTPException(418)

    @app.get("/gone")
    def read():
        raise Gone

    return app


def responses():
    class Pretty(JSONResponse):
        media_type = "application/vnd.api+json"

        def render(self, content):
            return json.dumps(content, indent=1).encode()

    app = FastAPI(default_response_class=Pretty)

    @app.get("/pretty")
    def pretty():
        return {"a": [1, 2]}

    @app.get("/own")
    def own():
        return Response(b"\x00\xff", media_type="image/png", headers={"X-Own": "1", "ETag": '"v"'})

    @app.get("/cookie")
    def cookie():
        response = PlainTextResponse("hello")
        response.set_cookie("seen", "1")
        response.set_cookie("theme", "dark")
        return response

    @app.get("/redirect")
    def redirect():
        return RedirectResponse("/own", 301)

    @app.get("/moved")
    def moved():
        return RedirectResponse("/own", 307)

    return app


def custom_route():
    class Timed(APIRoute):
        def get_route_handler(self):
            handle = super().get_route_handler()

            async def timed(request: Request) -> Response:
                request.state.by = "route"
                response = await handle(request)
                response.headers["X-Route"] = request.state.by
                return response

            return timed

    app = FastAPI()
    for version in ("v1", "v2"):
        router = APIRouter(prefix=f"/{version}", route_class=Timed)

        def read(request: Request):
            return {"url": str(request.url_for("read")), "by": request.state.by}

        router.get("/tasks", name="read")(read)
        app.include_router(router)
    return app


def pages():
    app = FastAPI()

    @app.get("/tasks")
    def read(request: Request, response: Response, page: int = 1):
        following = request.url.include_query_params(page=page + 1)
        response.headers["Link"] = f'<{following}>; rel="next"'
        return {"page": page, "next": str(following)}

    return app


def forms():
    app = FastAPI()
    app.state.titles = ["first"]

    @app.get("/tasks")
    def read():
        return app.state.titles

    @app.post("/tasks")
    def write(title: Annotated[str, Form()]):
        app.state.titles.append(title)
        return RedirectResponse("/tasks", 303)

    return app


def bearers():
    app = FastAPI()
    scheme = OAuth2PasswordBearer("/token")

    @app.get("/me")
    def me(token: Annotated[str, Depends(scheme)]):
        return {"user": token}

    return app


def keys():
    app = FastAPI()
    in_header = APIKeyHeader(name="X-API-Key")
    in_query = APIKeyQuery(name="key")

    @app.get("/header")
    def header(key: Annotated[str, Depends(in_header)]):
        return {"key": key}

    @app.get("/query")
    def query(key: Annotated[str, Depends(in_query)], q: Annotated[list[int], Query()]):
        return {"key": key, "q": q}

    return app


def mounted():
    inner = FastAPI()

    @inner.get("/tasks")
    def read(request: Request):
        return {"root_path": request.scope["root_path"], "url": str(request.url)}

    app = FastAPI()
    app.mount("/inner", inner)
    return app


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


PATTERNS = [
    pytest.param(
        response_models,
        [
            Req("/set", 200, MISS),
            Req("/set", 200, HIT),
            Req("/filtered", 200, MISS),
            Req("/filtered", 200, HIT),
        ],
        id="response-model",
    ),
    pytest.param(
        dependencies,
        [
            Req("/tasks?page=2", 200, MISS),
            Req("/tasks?page=2", 200, HIT),
            Req("/tasks?page=3", 200, MISS),
            Req("/tasks?page=x", 422, None),
        ],
        id="class-dependency",
    ),
    pytest.param(
        streams,
        [Req(p, 200, said) for p in ("/async", "/sync") for said in (MISS, None, HIT)],
        id="streams",
        marks=pytest.mark.filterwarnings("default"),
    ),
    pytest.param(
        errors,
        [
            *[Req("/none", 404, UNSTORED)] * 2,
            *[Req("/gone", 410, UNSTORED)] * 2,
            Req("/teapot", 418, None),
            Req("/nowhere", 404, UNSTORED),
        ],
        id="errors",
    ),
    pytest.param(
        responses,
        [
            *[Req(p, 200, said) for p in ("/pretty", "/own") for said in (MISS, HIT)],
            Req("/cookie", 200, None),
            Req("/cookie", 200, None),
            Req("/redirect", 301, MISS),
            Req("/redirect", 301, HIT),
            Req("/moved", 307, None),
            Req("/pretty", 405, None, method="OPTIONS"),
        ],
        id="responses",
    ),
    pytest.param(
        custom_route,
        [Req(f"/{v}/tasks", 200, said) for v in ("v1", "v2") for said in (MISS, HIT)],
        id="route-class-and-versions",
    ),
    pytest.param(
        pages,
        [
            Req("/tasks", 200, MISS),
            Req("/tasks?page=2", 200, MISS),
            Req("/tasks?page=2", 200, HIT),
            Req("/tasks", 200, HIT),
        ],
        id="pagination",
    ),
    pytest.param(
        forms,
        [
            Req("/tasks", 200, MISS),
            Req("/tasks", 200, HIT),
            Req("/tasks", 303, None, FORM, "POST", b"title=second"),
            Req("/tasks", 200, MISS),
            Req("/tasks", 422, None, FORM, "POST", b""),
            Req("/tasks", 200, HIT),
        ],
        id="form-and-redirect",
    ),
    pytest.param(
        bearers,
        [
            Req("/me", 200, MISS, bearer("a")),
            Req("/me", 200, MISS, bearer("b")),
            Req("/me", 200, HIT, bearer("a")),
            Req("/me", 200, HIT, bearer("b")),
            Req("/me", 401, None),
        ],
        id="password-bearer",
    ),
    pytest.param(
        keys,
        [
            Req("/header", 200, MISS, {"X-API-Key": "a"}),
            Req("/header", 200, MISS, {"X-API-Key": "b"}),
            Req("/header", 200, HIT, {"X-API-Key": "a"}),
            Req("/query?key=a&q=1&q=2", 200, MISS),
            Req("/query?key=b&q=1&q=2", 200, MISS),
            Req("/query?key=a&q=1&q=2", 200, HIT),
            Req("/query?key=a&q=2&q=1", 200, MISS),
        ],
        id="api-keys",
    ),
    pytest.param(
        mounted,
        [Req("/inner/tasks", 200, MISS), Req("/inner/tasks", 200, HIT)],
        id="mounted",
    ),
]


@pytest.mark.parametrize(("build", "requests"), PATTERNS)
async def test_answers_are_those_of_the_app_alone(build, requests):
    """Clients see the same, whether the app or the store answers."""
    await compare(build, requests)


async def test_head_is_answered_by_a_stored_get():
    """RFC 9111, section 4, has it so, though FastAPI alone answers 405."""
    app = responses()
    behind = CacheMiddleware(app, rules={"/**": "5m"})
    assert (await ask(app, "/own", method="HEAD")).status == 405
    await ask(behind, "/own")
    answer = await ask(behind, "/own", method="HEAD")
    assert (answer.status, answer.body, answer.cache_status) == (200, b"", "asgi-cache; hit")


async def test_files_are_sent_as_by_the_app(tmp_path):
    """A whole file, a part of one and the answer that it has not changed are alike."""
    (tmp_path / "a.txt").write_bytes(b"0123456789")

    def build():
        app = FastAPI()
        app.mount("/static", StaticFiles(directory=tmp_path))

        @app.get("/file")
        def file():
            return FileResponse(tmp_path / "a.txt")

        return app

    modified = (await ask(build(), "/file"))["last-modified"]
    for path in ("/file", "/static/a.txt"):
        await compare(
            build,
            [
                Req(path, 200, MISS),
                Req(path, 200, HIT),
                Req(path, 206, HIT, {"Range": "bytes=2-4"}),
            ],
        )
        behind = CacheMiddleware(build(), rules={"/**": "5m"})
        await ask(behind, path)
        beyond = await ask(behind, path, {"Range": "bytes=20-"})
        assert (beyond.status, beyond["content-range"]) == (416, "bytes */10")
        answer = await ask(behind, path, {"If-Modified-Since": modified})
        assert (answer.status, answer.cache_status) == (304, "asgi-cache; hit")


async def test_a_session_is_closed_once_for_each_run_and_not_opened_for_a_hit():
    """A hit runs no dependency; a run ends those it has begun."""
    opened, closed, ran = [], [], []

    async def session():
        opened.append(1)
        try:
            yield "session"
        finally:
            closed.append(1)

    app = FastAPI()

    @app.get("/tasks")
    def read(held: Annotated[str, Depends(session)], tasks: BackgroundTasks):
        tasks.add_task(ran.append, held)
        return held

    behind = CacheMiddleware(app, rules={"/**": "5m"})
    for target in ("/tasks", "/tasks", "/tasks?other"):
        assert (await ask(behind, target)).body == b'"session"'
    assert (len(opened), len(closed), ran) == (2, 2, ["session"] * 2)


async def test_events_are_passed_on_as_they_come_and_never_stored():
    """The first event is with the client before the app has made the second."""
    seen = []

    async def events():
        yield b"data: 1\n\n"
        assert seen[-1] == b"data: 1\n\n"
        yield b"data: 2\n\n"

    app = FastAPI()

    @app.get("/events")
    def read():
        return StreamingResponse(events(), media_type="text/event-stream")

    async def note(message):
        if message["type"] == "http.response.body":
            seen.append(message.get("body", b""))

    behind = CacheMiddleware(app, rules={"/**": "5m"})
    for _ in range(2):
        answer = await ask(behind, "/events", on_message=note)
        assert answer.body == b"data: 1\n\ndata: 2\n\n"
        assert "stored" not in answer.cache_status
        assert "hit" not in answer.cache_status.replace("hit-for-miss", "")


async def test_dependencies_are_overridden_for_what_is_not_stored_yet():
    """An override is no part of the key: a test that sets one takes a new cache, or purges."""

    def name():
        return "real"

    app = FastAPI()

    @app.get("/name")
    def read(name: Annotated[str, Depends(name)]):
        return name

    behind = CacheMiddleware(app, rules={"/**": "5m"})
    assert (await ask(behind, "/name")).body == b'"real"'
    app.dependency_overrides[name] = lambda: "fake"
    assert (await ask(behind, "/name")).body == b'"real"'
    anew = CacheMiddleware(app, rules={"/**": "5m"})
    assert (await ask(anew, "/name")).body == b'"fake"'
