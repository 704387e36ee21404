"""What the admin API answers where it cannot do what it is asked."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Unprocessable(HTTPException):
    """A request says something that cannot be meant; the answer names the *field*."""

    def __init__(self, field: str | None, why: str, status: int = 422) -> None:
        super().__init__(status, why)
        self.field = field


class PlainJSON(JSONResponse):
    """JSON, in which a number that is infinite, or none, is ``null``."""

    def render(self, content: Any) -> bytes:
        """Write *content*."""
        return json.dumps(finite(content), allow_nan=False, separators=(",", ":")).encode()


def finite(content: Any) -> Any:
    """Return plain *content* with nothing for each number that JSON cannot write."""
    match content:
        case float():
            return content if isfinite(content) else None
        case dict():
            return {str(name): finite(each) for name, each in content.items()}
        case list() | tuple():
            return [finite(each) for each in content]
        case _:
            return content


def problem(error: HTTPException) -> Response:
    """Return the answer that tells of *error*."""
    field = error.field if isinstance(error, Unprocessable) else None
    content = {"error": error.detail, "field": field}
    return PlainJSON(content, error.status_code, headers=error.headers)


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer a request that met with *error*."""
    del request
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls it for no other
    return problem(error)


async def answer_unavailable(request: Request, error: Exception) -> Response:
    """Answer a request that needs a store which is out of reach."""
    del request
    return problem(HTTPException(503, str(error), {"retry-after": "1"}))
