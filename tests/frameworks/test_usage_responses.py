"""Kinds of responses that Starlette and FastAPI apps make, with the cache and without."""

# Annotations are no strings here: FastAPI could not find in them what a test defines.

import os
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Response
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from pydantic import BaseModel

from tests.bare import ask
from tests.frameworks.beside import HIT, MISS, answers_alike, what_became, wrapped

pytestmark = pytest.mark.anyio

YEAR_2001 = 978_307_200


class Task(BaseModel):
    name: str
    done: bool = False


class Indented(JSONResponse):
    def render(self, content):
        return super().render({"data": content})


async def parts():
    for part in ("a", "b", "c"):
        yield part


def own_fields(response: Response):
    response.headers["X-Total"] = "3"
    return "own"


def own_lifetime():
    return PlainTextResponse("own", headers={"Cache-Control": "max-age=60", "ETag": '"v1"'})


def serving(handler, **options):
    """Return a function that makes an app with *handler* at its root."""

    def make():
        app = FastAPI()
        app.get("/", **options)(handler)
        return app

    return make


def refuse(status, **options):
    """Return a handler that raises an `HTTPException`."""

    def handler():
        raise HTTPException(status, **options)

    return handler


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        pytest.param(lambda: {"b": 1, "a": [None]}, {}, id="json"),
        pytest.param(
            lambda: Task(name="a"),
            {"response_model": Task, "response_model_exclude_unset": True},
            id="model-exclude-unset",
        ),
        pytest.param(lambda: Indented([1]), {}, id="json-subclass"),
        pytest.param(lambda: [1], {"response_class": Indented}, id="response-class"),
        pytest.param(lambda: "<p>ä", {"response_class": HTMLResponse}, id="html"),
        pytest.param(lambda: Response(status_code=204), {}, id="no-content"),
        pytest.param(lambda: StreamingResponse(parts(), media_type="text/csv"), {}, id="async"),
        pytest.param(lambda: StreamingResponse(iter("abc")), {}, id="sync-iterator"),
        pytest.param(lambda: RedirectResponse("/new", 301), {}, id="moved-permanently"),
        pytest.param(own_fields, {}, id="own-fields"),
        pytest.param(own_lifetime, {}, id="own-lifetime-and-tag"),
    ],
)
async def test_what_a_handler_returns_is_served_from_the_store(handler, options):
    """However a response is made, a hit has the same bytes and fields."""
    await answers_alike(serving(handler, **options))


async def test_a_heads_answer_comes_from_what_get_has_stored():
    """A HEAD has the fields of the GET and no body."""
    from_get = wrapped(serving(lambda: "page")())
    assert what_became(await ask(from_get)) == MISS
    head = await ask(from_get, method="HEAD")
    assert (what_became(head), head["content-length"], head.body) == (HIT, "6", b"")


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        pytest.param(lambda: RedirectResponse("/new"), "no-freshness", id="temporary-redirect"),
        pytest.param(refuse(404, detail="none"), "no-freshness", id="not-found"),
        pytest.param(refuse(418, headers={"X-Why": "tea"}), "error", id="own-status"),
        pytest.param(refuse(503), "error", id="unavailable"),
    ],
)
async def test_an_answer_that_no_rule_speaks_of_is_passed_on(handler, status):
    """A rule's lifetime is for what succeeds for good; all else is made anew."""
    passed = f"fwd=uri-miss; detail={status}"
    await answers_alike(serving(handler), then=(passed, passed))


async def test_what_an_exception_handler_answers_is_passed_on():
    """The cache sees the response that the handler of the exception makes of it."""

    class Missing(Exception):
        pass

    def make():
        app = FastAPI()

        @app.exception_handler(Missing)
        async def answer(request, exc):
            return JSONResponse({"missing": str(exc)}, 409)

        @app.get("/")
        def read():
            raise Missing("a")

        return app

    passed = "fwd=uri-miss; detail=error"
    await answers_alike(make, then=(passed, passed))


async def test_what_fails_validation_is_passed_on():
    """A 422 is the fault of one request."""

    def read(page: int):
        return page

    passed = "fwd=uri-miss; detail=error"
    await answers_alike(serving(read), "/?page=x", then=(passed, passed))
    await answers_alike(serving(read), "/?page=2")


async def test_a_cookie_is_set_by_the_handler_each_time():
    """What has ``Set-Cookie`` is for one client, and is not stored."""

    def read(response: Response):
        response.set_cookie("seen", "1")
        return "read"

    passed = "fwd=uri-miss; detail=set-cookie"
    await answers_alike(serving(read), then=(passed, passed))


@pytest.fixture
def file(tmp_path):
    """Return the path of a file of ten bytes."""
    path = tmp_path / "digits.txt"
    path.write_bytes(b"0123456789")
    os.utime(path, (YEAR_2001, YEAR_2001))
    return path


async def test_a_file_is_served_from_the_store(file):
    """Its entity tag and date are the ones that Starlette gives it."""
    await answers_alike(serving(lambda: FileResponse(file)))


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        pytest.param({"range": "bytes=2-4"}, 206, b"234", id="first-to-last"),
        pytest.param({"range": "bytes=-3"}, 206, b"789", id="suffix"),
        pytest.param({"range": "bytes=20-"}, 416, None, id="unsatisfiable"),
        pytest.param(
            {"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 304, b"", id="not-modified"
        ),
        pytest.param(
            {"if-modified-since": "Sun, 31 Dec 2000 00:00:00 GMT"}, 200, b"0123456789", id="newer"
        ),
    ],
)
async def test_parts_and_conditions_of_a_stored_file_are_answered(file, fields, status, body):
    """Once a file is stored, the app is not asked for a part of it."""
    app = wrapped(serving(lambda: FileResponse(file))())
    await ask(app)
    file.unlink()
    answer = await ask(app, fields=fields)
    assert (answer.status, what_became(answer)) == (status, HIT)
    assert body in (None, answer.body)


async def test_a_part_of_a_file_that_is_not_stored_is_as_the_app_makes_it(file):
    """The file's own response knows ranges, too; a rule's lifetime is not for parts."""
    passed, fields = "fwd=uri-miss; detail=no-freshness", {"range": "bytes=2-4"}
    answers = await answers_alike(
        serving(lambda: FileResponse(file)), fields=fields, then=(passed, passed)
    )
    assert [(answer.status, answer.body) for answer in answers] == [(206, b"234")] * 2


async def test_server_sent_events_are_passed_on_one_by_one_and_never_stored():
    """The first event has reached the client before the second one is made."""
    received = []

    async def events():
        yield "data: 1\n\n"
        assert received[-1]["body"] == b"data: 1\n\n"
        yield "data: 2\n\n"

    def stream():
        return StreamingResponse(events(), media_type="text/event-stream")

    async def note(message):
        received.append(message)

    passed = "fwd=uri-miss; detail=event-stream"
    app = wrapped(serving(stream)())
    for _ in range(2):
        answer = await ask(app, on_message=note)
        assert (what_became(answer), answer.body) == (passed, b"data: 1\n\ndata: 2\n\n")


async def test_a_dependency_is_closed_once_for_each_run():
    """A hit opens no session; a miss closes the one that it has opened."""
    said = []

    def session():
        said.append("opened")
        yield "session"
        said.append("closed")

    def read(session: Annotated[str, Depends(session)]):
        return session

    app = wrapped(serving(read)())
    assert [what_became(await ask(app)) for _ in range(3)] == [MISS, HIT, HIT]
    assert said == ["opened", "closed"]


async def test_a_stream_keeps_its_session_until_it_has_ended():
    """What is stored is made with the session open, to the last part."""
    said = []

    def session():
        yield said
        said.append("closed")

    def read(session: Annotated[list, Depends(session)]):
        def rows():
            for row in "ab":
                session.append(row)
                yield row

        return StreamingResponse(rows())

    app = wrapped(serving(read)())
    assert [(await ask(app)).body for _ in range(2)] == [b"ab", b"ab"]
    assert said == ["a", "b", "closed"]


async def test_class_dependencies_see_the_query():
    """Each page is stored under its own query."""

    class Page:
        def __init__(self, offset: int = 0, limit: int = 2):
            self.numbers = list(range(offset, offset + limit))

    def read(page: Annotated[Page, Depends()]):
        return page.numbers

    await answers_alike(serving(read))
    await answers_alike(serving(read), "/?offset=4")


async def test_background_tasks_run_once_for_each_run():
    """A hit asks for none."""
    ran = []

    def read(tasks: BackgroundTasks):
        tasks.add_task(ran.append, 1)
        return "read"

    app = wrapped(serving(read)())
    assert [what_became(await ask(app)) for _ in range(2)] == [MISS, HIT]
    assert ran == [1]
