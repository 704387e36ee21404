"""What is none of the cache's business passes untouched."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from asgi_cache import Cache, CacheMiddleware, ConfigurationError
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["websocket", "something-new"])
async def test_b26_other_protocols_reach_the_app_as_they_are(cached, kind):
    """The very objects that the server gave are what the app gets."""
    calls = []

    async def app(*arguments):
        calls.append(arguments)

    scope, receive, send = {"type": kind}, object(), object()
    await cached(app)(scope, receive, send)
    assert calls[0] == (scope, receive, send)
    assert calls[0][0] is scope


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/never", id="a-rule-says-never"),
        pytest.param("OPTIONS", "/", id="another-safe-method"),
        pytest.param("POST", "/", id="a-write"),
    ],
)
async def test_nothing_is_added_to_what_is_not_eligible(cached, method, target):
    """Not even ``Cache-Status``."""
    cache = cached(App(Response(fields={"X": "1"})), rules={"/never": None, "/": 60})
    answer = await ask(cache, target, method=method)
    assert answer.fields == [("x", "1"), ("content-length", "5")]


async def test_without_arguments_only_cache_status_is_added(cached):
    """An app that says nothing about caching sees no other difference."""
    app = App(Response(fields=[("X-A", "1"), ("X-A", "2")]))
    answer = await ask(cached(app))
    assert [name for name, _ in answer.fields] == ["x-a", "x-a", "content-length", "cache-status"]


async def test_a_cache_is_given_whole_or_by_its_settings():
    """Settings beside a cache would be ignored, so they are refused."""
    with pytest.raises(ConfigurationError, match=r"rules given beside cache="):
        CacheMiddleware(App(), cache=Cache(), rules={})


@pytest.mark.parametrize("wrong", ["asgi-cache.toml", {}, []])
async def test_a_cache_that_is_none_is_refused_at_once(wrong):
    """A path or a mapping in its place would fail at the first request."""
    with pytest.raises(ConfigurationError, match="is not a Cache"):
        CacheMiddleware(App(), cache=wrong)


async def test_a_user_id_that_is_no_function_is_refused_at_once():
    """It would make every request go past the cache."""
    with pytest.raises(ConfigurationError, match="is not a function of the request"):
        Cache(user_id="sub")


async def test_two_caches_cannot_share_a_store():
    """Of two, one would not hear of the other's purges."""
    store = MemoryStore()
    Cache(store=store)
    with pytest.raises(ConfigurationError, match="in use by another Cache"):
        Cache(store=store)


async def test_one_cache_can_serve_an_app_that_is_wrapped_later():
    """`Cache` can be held on to, and given to the middleware."""
    cache = Cache(rules={"/": 60})
    app = CacheMiddleware(App(), cache=cache)
    await ask(app)
    assert (await ask(app)).cache_status == "asgi-cache; hit"
    await cache.close()


async def test_the_middleware_adds_to_starlette_and_fastapi():
    """``add_middleware`` takes the same arguments."""
    api = FastAPI()
    runs = []

    @api.get("/items/{item}")
    def read(item: int) -> dict[str, int]:
        runs.append(item)
        return {"item": item}

    api.add_middleware(CacheMiddleware, rules={"/items/{item}": "1m"})
    answers = [await ask(api, "/items/7") for _ in range(2)]
    assert [a.body for a in answers] == [b'{"item":7}'] * 2
    assert (answers[1].cache_status, runs) == ("asgi-cache; hit", [7])
