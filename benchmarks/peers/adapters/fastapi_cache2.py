"""`@cache(expire=60)` on the handler, with `InMemoryBackend` and its default `JsonCoder`.

Handlers return what JSON can express, and set fields and status on FastAPI's `Response`; with the
option `PickleCoder` they return whole responses. The option `key_builder` makes a key as its
documentation does, of the request's method and path and of the field that the handler reads;
`FastAPICache.clear()` is called by the handler of PUT. Jinja2 has to be installed: with a current
Starlette it is not imported without.
"""

import os
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request, Response
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.coder import PickleCoder
from fastapi_cache.decorator import cache
from redis.asyncio import Redis

from benchmarks.peers.handlers import Handler, Reply
from benchmarks.peers.on_starlette import native
from tests.bare import ASGIApp

OPTIONS = dict.fromkeys(
    ("authorization", "cookie", "own", "vary", "part", "forwarded", "origin"), "key_builder"
) | {
    "put": "FastAPICache.clear()",
    "lines": "PickleCoder",
}
NOT_APPLICABLE = {"stream": "it stores values, and does not claim to store streams"}


def build(handler: Handler, ttl: int, option: str | None) -> ASGIApp:
    """Make an app with one path."""
    on_redis = option == "redis"
    backend = RedisBackend(Redis.from_url(os.environ["REDIS_URL"])) if on_redis else None
    FastAPICache.init(backend or InMemoryBackend(), prefix="fastapi-cache")
    app = FastAPI()

    def key_builder(*_: Any, request: Request, **__: Any) -> str:
        return f"{request.method}:{request.url.path}:{request.headers.get(handler.reads)}"

    async def from_request(request: Request, response: Response) -> Any:
        reply = await handler(request.method, request.headers)
        return native(reply) if option == "PickleCoder" else _native(reply, response)

    async def from_argument(
        response: Response, value: Annotated[str | None, Header(alias=handler.reads)] = None
    ) -> Any:
        return _native(await handler("GET", {handler.reads: value or ""}), response)

    async def on_put(request: Request) -> Response:
        if option == "FastAPICache.clear()":
            await FastAPICache.clear(namespace=handler.name)
        return native(await handler("PUT", request.headers))

    on_get = from_argument if handler.declared else from_request
    on_get.__name__ = handler.name
    settings: dict[str, Any] = {
        "key_builder": {"key_builder": key_builder},
        "PickleCoder": {"coder": PickleCoder},
    }.get(option or "", {})
    cached = cache(expire=ttl, namespace=handler.name, **settings)
    app.api_route(handler.path, methods=["GET", "HEAD"])(cached(on_get))
    app.put(handler.path)(on_put)
    return app


def _native(reply: Reply, response: Response) -> Any:
    response.status_code = reply.status
    for name, value in reply.fields:
        response.headers.append(name, value)
    return reply.body
