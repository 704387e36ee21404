"""What FastAPI apps use: decorators and dependencies, and the words for their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from asgi_cache.cache import SCOPE_KEY, Cache
from asgi_cache.decorators import cached, invalidates
from asgi_cache.routes import storing_operations
from asgi_cache.tags import cache_tags

__all__ = ["cache_tags", "cached", "describe_caching", "get_cache", "invalidates"]

NOT_MODIFIED: Final = "Not Modified: the client has this already, as its `If-None-Match` says."

RESPONSE_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ETag": "Names this state of the response, for `If-None-Match` (RFC 9110, 8.8.3).",
        "Cache-Status": "What the cache did, and why (RFC 9211).",
    }
)

REQUEST_FIELD: Final = MappingProxyType(
    {
        "name": "Cache-Control",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "`no-cache` has the response made anew; also `no-store`, `max-age`, "
        "`min-fresh`, `max-stale` and `only-if-cached` (RFC 9111, 5.2.1).",
    }
)


def get_cache(connection: HTTPConnection) -> Cache:
    """Return the cache in front of the app: ``cache: Annotated[Cache, Depends(get_cache)]``.

    Raises:
        RuntimeError: There is none. A test of the app without it overrides this dependency.
    """
    cache = connection.scope.get(SCOPE_KEY)
    if not isinstance(cache, Cache):
        raise RuntimeError("no CacheMiddleware is in front of this app: there is no cache to get")  # noqa: TRY004
    return cache


def describe_caching(app: FastAPI) -> None:
    """Have the OpenAPI document of *app* say what clients can make of its `cached` routes.

    Those are the responses' ``ETag`` and ``Cache-Status``, the 304, and what a request's
    ``Cache-Control`` does.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = app.openapi_schema or generate()
        for path, method in storing_operations(app):
            operation = document.get("paths", {}).get(path, {}).get(method.lower())
            if operation is not None:  # else it is not in the schema
                _describe(operation)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI has it extended


def _describe(operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    if all(each.get("name") != REQUEST_FIELD["name"] for each in parameters):
        parameters.append(dict(REQUEST_FIELD))
    responses = operation.setdefault("responses", {})
    responses.setdefault("304", {"description": NOT_MODIFIED})
    for code, response in responses.items():
        if code.startswith("2") or code == "304":
            fields = response.setdefault("headers", {})
            for name, meaning in RESPONSE_FIELDS.items():
                text = {"description": meaning, "schema": {"type": "string"}}
                fields.setdefault(name, text)
