"""What users write, for the type checkers to read; it is never run."""

from __future__ import annotations

from datetime import timedelta

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request

from asgi_cache import Cache, CacheMiddleware, Rule, Settings, cache_tags


async def whose(request: Request) -> str | None:
    """Tell whose request it is."""
    return request.headers.get("x-user")


async def may(request: Request) -> bool:
    """Tell whether a user may see what is stored for them."""
    return await whose(request) is not None


async def write(app: FastAPI, other: Starlette) -> None:
    """Configure a cache in every way there is."""
    cache = Cache(
        store="redis://localhost",
        rules={
            "/a": 60,
            "/b": "2m",
            "/c": timedelta(minutes=1),
            "/d": {"ttl": 60, "tags": ["a"]},
            "/e": Rule(ttl=60.0, tags=("a",)),
            "/f": None,
        },
        user_id=whose,
        credentials=["authorization"],
        max_body="8mb",
    )
    app.add_middleware(CacheMiddleware, cache=cache)
    other.add_middleware(CacheMiddleware, store="memory://", rules={"/": 60})
    CacheMiddleware(app, store=Redis(), user_id=lambda request: request.user.id, authorize=may)
    CacheMiddleware(app)
    Cache(settings=Settings(namespace="a"))
    Cache.from_config("asgi-cache.toml", environ={})
    cache_tags("a", "b")
    await cache.purge(tags=["a"], user=7)
    await cache.close()


def mistakes(app: FastAPI) -> None:
    """Each line is an error to a type checker; one that is not is an error of this file's."""
    Cache(tll=60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Cache(cookies="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CacheMiddleware(app, cache="a.toml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
