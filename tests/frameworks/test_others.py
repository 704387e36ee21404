"""Apps of other frameworks with the cache around them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.bare import ask

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["litestar_app", "quart_app"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of their own
async def test_an_example_answers_from_the_store_until_something_is_written(name, monkeypatch):
    """The second request runs nothing of the framework, and a write purges what it changes."""
    monkeypatch.syspath_prepend(EXAMPLES)
    app = import_module(name).app
    answers = [await ask(app, "/tasks/7") for _ in range(2)]
    assert [a.body for a in answers] == [b"write"] * 2
    assert [a.cache_status for a in answers] == [
        "asgi-cache; fwd=uri-miss; stored",
        "asgi-cache; hit",
    ]
    written = await ask(app, "/tasks/7?title=read", method="POST")
    assert written.status < 300
    answer = await ask(app, "/tasks/7")
    assert (answer.body, answer.cache_status) == (b"read", "asgi-cache; fwd=uri-miss; stored")
