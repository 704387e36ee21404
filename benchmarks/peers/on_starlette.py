"""The app under test as a Starlette app, and a handler's answers as Starlette's responses."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks.peers.handlers import Handler, Reply

METHODS = ("GET", "HEAD", "PUT")


def starlette_app(handler: Handler, defaults: Sequence[tuple[str, str]] = ()) -> Starlette:
    """Make an app with one route; *defaults* are fields that each answer has unless it says so."""

    async def endpoint(request: Request) -> Response:
        reply = await handler(request.method, request.headers)
        response = native(reply)
        for name, value in defaults:
            response.headers.setdefault(name, value)
        return response

    return Starlette(routes=[Route(handler.path, endpoint, methods=METHODS)])


def native(reply: Reply) -> Response:
    """Turn an answer into Starlette's response."""
    response: Response
    if reply.chunks is not None:
        response = StreamingResponse(reply.chunks, reply.status, media_type="text/plain")
    else:
        response = Response(reply.content, reply.status, media_type="application/json")
    if any(name == "content-length" for name, _ in reply.fields):
        del response.headers["content-length"]
    for name, value in reply.fields:
        response.headers.append(name, value)
    return response
