"""The admin API as an ASGI app, to be mounted where the user wants it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from asgi_cache.admin.access import Access, Guard
from asgi_cache.admin.endpoints import Endpoints, Parts
from asgi_cache.admin.forms import body_of, query_of, read_form
from asgi_cache.admin.operations import OPERATIONS, Operation, openapi
from asgi_cache.admin.problems import PlainJSON, answer_problem, answer_unavailable
from asgi_cache.admin.steered import Steered
from asgi_cache.errors import StoreUnavailable

DASHBOARD: Final = Path(__file__).parent / "dashboard"

Answer: TypeAlias = Callable[..., Awaitable[Any]]


def admin_app(cache: Steered, parts: Parts, token: str | None, guard: Guard | None) -> ASGIApp:
    """Return the admin API of *cache*, for who has the *token* or is let in by *guard*.

    Raises:
        ConfigurationError: There is neither of them, or both, or the token is too short.
    """
    endpoints = Endpoints(cache, parts, openapi(with_token=token is not None))
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    routes: list[BaseRoute] = [
        Route(path, partial(_answer, endpoints, offered), methods=list(offered))
        for path, offered in by_path.items()
    ]
    routes += [
        Route("/", _page("guard" if token is None else "token"), methods=["GET"]),
        Mount("/static", StaticFiles(directory=DASHBOARD)),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: answer_problem,
            StoreUnavailable: answer_unavailable,
        },
    )
    app.router.redirect_slashes = False
    return Access(app, token, guard)


async def _answer(
    endpoints: Endpoints, offered: dict[str, Operation], request: Request
) -> Response:
    """Answer a request to one path with what is *offered* there."""
    operation = offered["GET" if request.method == "HEAD" else request.method]
    asked = read_form(operation.query, query_of(request))
    if operation.body is not None:
        asked |= read_form(operation.body, await body_of(request))
    answer = await getattr(endpoints, operation.name)(request, **asked)
    return answer if isinstance(answer, Response) else PlainJSON(answer)


def _page(access: str) -> Answer:
    """Return what answers with the page, which says what *access* takes: it need not try that."""
    text = (DASHBOARD / "index.html").read_text(encoding="utf-8")
    page = text.replace('name="access" content="unknown"', f'name="access" content="{access}"')

    async def answer(request: Request) -> Response:
        del request
        return HTMLResponse(page)

    return answer
