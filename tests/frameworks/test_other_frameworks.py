"""The examples for frameworks that are not Starlette's kin."""

from __future__ import annotations

import json
import logging
import runpy
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.bare import ask
from tests.frameworks.beside import HIT, MISS, what_became

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _logging():
    """Leave logging as it was: Litestar sets the root logger up for itself."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(params=["litestar_app.py", "quart_app.py"])
def example(request):
    """Return the path of an example."""
    return EXAMPLES / request.param


def test_an_example_is_short(example):
    """A reader takes it in at a glance."""
    assert len(example.read_text().splitlines()) <= 25


async def test_an_example_stores_and_purges(example):
    """What is read is stored until a write purges its tag."""
    app = runpy.run_path(str(example))["app"]
    answers = [await ask(app, "/tasks") for _ in range(2)]
    assert [what_became(answer) for answer in answers] == [MISS, HIT]
    assert [json.loads(answer.body) for answer in answers] == [["buy milk"]] * 2
    assert (await ask(app, "/tasks/sleep", method="POST")).status == 201
    answer = await ask(app, "/tasks")
    assert (what_became(answer), json.loads(answer.body)) == (MISS, ["buy milk", "sleep"])


async def test_what_the_cache_passes_on_is_the_frameworks_own(example):
    """Without the cache, the same bytes come."""
    app = runpy.run_path(str(example))["app"]
    for target in ("/tasks", "/none"):
        plain, answer = await ask(app.app, target), await ask(app, target)
        assert (answer.status, answer.body) == (plain.status, plain.body)


async def test_users_are_told_apart_by_their_credentials(example):
    """Nothing of the framework has to run for that."""
    app = runpy.run_path(str(example))["app"]
    for expected in (MISS, HIT):
        for token in ("ann", "bob"):
            answer = await ask(app, "/tasks", {"authorization": f"Bearer {token}"})
            assert what_became(answer) == expected


def test_an_example_starts_and_stops(example):
    """The lifespan is the framework's own, and the cache takes part in it."""
    with TestClient(runpy.run_path(str(example))["app"]) as client:
        assert [client.get("/tasks").json() for _ in range(2)] == [["buy milk"]] * 2
