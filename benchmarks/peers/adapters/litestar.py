"""`@get(cache=60)` on the handler, with its default `ResponseCacheConfig`, in memory.

The option `key_builder` adds the field that the handler reads to the key, and
`cache_response_filter` lets nothing but 200 be stored; `store.delete()` is called by the handler
of PUT.
"""

import os
from collections.abc import Mapping
from typing import Any

from litestar import Litestar, Request, get, head, put
from litestar.config.response_cache import ResponseCacheConfig, default_cache_key_builder
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.stores.redis import RedisStore
from litestar.types import ASGIApp as LitestarApp
from litestar.types import HTTPScope

from benchmarks.peers.handlers import Handler, Reply
from tests.bare import ASGIApp

OPTIONS = dict.fromkeys(
    ("authorization", "cookie", "own", "vary", "forwarded", "origin"), "key_builder"
) | {
    "put": "store.delete()",
    "part": "cache_response_filter",
}


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Make an app with one path."""

    def key_builder(request: Request[Any, Any, Any]) -> str:
        return default_cache_key_builder(request) + request.headers.get(handler.reads, "")

    cached: Mapping[str, Any] = {"cache": ttl}
    if option == "key_builder":
        cached = {"cache": ttl, "cache_key_builder": key_builder}

    @get(handler.path, **cached)
    async def on_get(request: Request[Any, Any, Any]) -> LitestarApp:
        return _native(await handler("GET", request.headers))

    @head(handler.path, **cached)
    async def on_head(request: Request[Any, Any, Any]) -> None:
        await handler("HEAD", request.headers)

    @put(handler.path)
    async def on_put(request: Request[Any, Any, Any]) -> LitestarApp:
        if option == "store.delete()":
            await request.app.stores.get("response_cache").delete(f"GET{handler.path}")
        return _native(await handler("PUT", request.headers))

    filtered = ResponseCacheConfig(cache_response_filter=_is_whole)
    config = filtered if option == "cache_response_filter" else ResponseCacheConfig()
    stores = {}
    if option == "redis":
        stores["response_cache"] = RedisStore.with_client(os.environ["REDIS_URL"])
    return Litestar([on_get, on_head, on_put], response_cache_config=config, stores=stores)


def _is_whole(_: HTTPScope, status: int) -> bool:
    return status == 200


def _native(reply: Reply) -> Any:
    if reply.chunks is not None:
        return Stream(reply.chunks)
    fields = [(name.encode(), value.encode()) for name, value in reply.fields]
    return ASGIResponse(
        body=reply.content,
        status_code=reply.status,
        media_type="application/json",
        encoded_headers=fields,
    )
