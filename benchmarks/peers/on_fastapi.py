"""The app under test as functions that FastAPI calls.

No ``from __future__ import annotations`` here: FastAPI could not find out what is only known
inside a function.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header, Request, Response

from benchmarks.peers.handlers import Handler
from benchmarks.peers.on_starlette import native

Endpoint = Callable[..., Awaitable[Response]]


def endpoint(handler: Handler) -> Endpoint:
    """Make the function that answers, with a name of its own."""
    function = _declares(handler) if handler.declared else _reads(handler)
    function.__name__ = function.__qualname__ = handler.name
    return function


def _reads(handler: Handler) -> Endpoint:
    async def from_request(request: Request) -> Response:
        return native(await handler(request.method, request.headers))

    return from_request


def _declares(handler: Handler) -> Endpoint:
    async def from_argument(
        value: Annotated[str | None, Header(alias=handler.reads)] = None,
    ) -> Response:
        given: dict[str, Any] = {} if value is None else {handler.reads: value}
        return native(await handler("GET", given))

    return from_argument
