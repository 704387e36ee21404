"""What the admin API offers: one table, of which its routes and its OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

from asgi_cache.admin.answers import (
    BreakerState,
    Entries,
    Entry,
    Explained,
    PastPurges,
    Problem,
    Purged,
    Rules,
    WarmedAll,
    schema_of,
)
from asgi_cache.admin.forms import (
    FLAG,
    HEADERS,
    METHOD,
    NAME,
    NAMES,
    STATUS,
    USER,
    Form,
    Kind,
    choice,
    read_count_up_to,
    read_name,
    read_urls,
    schema_of_form,
)
from asgi_cache.observe.stats import Stats

MOST_ENTRIES: Final = 500

PROBLEMS: Final = {
    400: "The body is not JSON",
    403: "The request comes from a page of another site, or the guard refuses it",
    401: "The token is missing or wrong",
    404: "There is no such thing",
    405: "The method is not one of this path",
    409: "It cannot be done with this cache",
    413: "The body is too large",
    415: "The body is not said to be JSON",
    422: "A field is unknown, missing, or not what it may be",
    503: "The store is out of reach, or too many listen",
}

_OPTIONAL_TEXT: Final = Kind(read_name, {"type": "string", "minLength": 1})


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path."""

    name: str
    """That of the function which answers."""
    method: str
    path: str
    summary: str
    answer: Any
    """The dataclass of what is answered; or a media type."""
    query: Form = field(default_factory=dict[str, Kind])
    body: Form | None = None
    problems: tuple[int, ...] = ()
    """Those that the others do not have."""


PURGE: Final[Form] = {
    **dict.fromkeys(("tags", "key", "url", "path", "route"), NAMES),
    "user": USER,
    **dict.fromkeys(("everything", "all_of", "soft", "wait", "dry_run"), FLAG),
}

ENTRIES: Final[Form] = {
    "prefix": _OPTIONAL_TEXT,
    "tag": _OPTIONAL_TEXT,
    "limit": Kind(
        read_count_up_to(MOST_ENTRIES),
        {"type": "integer", "minimum": 1, "maximum": MOST_ENTRIES},
        50,
    ),
    "cursor": _OPTIONAL_TEXT,
}

EXPLAIN: Final[Form] = {
    "method": METHOD,
    "url": NAME,
    "headers": HEADERS,
    "user": USER,
    "status": STATUS,
    "answered": HEADERS,
}

WARM: Final[Form] = {
    "urls": Kind(
        read_urls,
        {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "minItems": 1,
            "maxItems": 100,
        },
        is_required=True,
    ),
    "user": USER,
    "headers": HEADERS,
}

BREAKER: Final[Form] = {
    "action": Kind(
        choice("open", "close"), {"type": "string", "enum": ["open", "close"]}, is_required=True
    )
}

ENTRY: Final[Form] = {
    "body": Kind(choice("0", "1"), {"type": "string", "enum": ["0", "1"]}, "0"),
}

OPERATIONS: Final = (
    Operation("stats", "GET", "/stats", "What was counted, and what follows from it", Stats),
    Operation("rules", "GET", "/rules", "The rules", Rules),
    Operation(
        "entries",
        "GET",
        "/entries",
        "What is stored: with this prefix of its URL or path, and this tag",
        Entries,
        query=ENTRIES,
        problems=(422, 503),
    ),
    Operation(
        "entry",
        "GET",
        "/entries/{key}",
        "One stored response, with its fields; with body=1 its body, too",
        Entry,
        query=ENTRY,
        problems=(404, 422, 503),
    ),
    Operation(
        "explain",
        "POST",
        "/explain",
        "What would become of a request, and of a response to it",
        Explained,
        body=EXPLAIN,
    ),
    Operation("purges", "GET", "/purges", "The latest purges ordered in this process", PastPurges),
    Operation(
        "purge",
        "POST",
        "/purge",
        "Void what any of these name; with all_of what all of them name",
        Purged,
        body=PURGE,
        problems=(503,),
    ),
    Operation(
        "warm",
        "POST",
        "/warm",
        "Have responses made and stored that are not there, or not fresh",
        WarmedAll,
        body=WARM,
        problems=(409,),
    ),
    Operation("breaker", "GET", "/breaker", "The circuit breaker before the store", BreakerState),
    Operation(
        "set_breaker",
        "POST",
        "/breaker",
        "Leave the store's server alone for ten minutes; or try it at once",
        BreakerState,
        body=BREAKER,
        problems=(409,),
    ),
    Operation(
        "events",
        "GET",
        "/events",
        "Statistics every second, and what happens, as server-sent events",
        "text/event-stream",
        problems=(503,),
    ),
    Operation("advice", "GET", "/advice", "What traffic says is worth storing", dict[str, Any]),
    Operation("document", "GET", "/openapi.json", "This document", dict[str, Any]),
)


def openapi(*, with_token: bool) -> dict[str, Any]:
    """Return what is offered as an OpenAPI document (version 3.1)."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        described = _described(operation, with_token=with_token)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    components: dict[str, Any] = {"schemas": {"Problem": schema_of(Problem)}}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "asgi_cache", "version": version("asgi-cache")},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": components,
    }
    if with_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _described(operation: Operation, *, with_token: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": _responses(operation, with_token=with_token),
    }
    if operation.body is not None:
        schema = schema_of_form(operation.body)
        content = {"application/json": {"schema": schema}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "required": kind.is_required, "schema": dict(kind.schema)}
        for name, kind in operation.query.items()
    ]
    if "{key}" in operation.path:
        schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
        parameters.append({"name": "key", "in": "path", "required": True, "schema": schema})
    return parameters


def _responses(operation: Operation, *, with_token: bool) -> dict[str, Any]:
    answer = operation.answer
    if isinstance(answer, str):
        content: Mapping[str, Any] = {answer: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": schema_of(answer)}}
    statuses = {403, 422, *operation.problems, *((401,) if with_token else ())}
    if operation.body is not None:
        statuses |= {400, 413, 415}
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    problems = {
        str(status): {"description": PROBLEMS[status], "content": problem}
        for status in sorted(statuses)
    }
    return {"200": {"description": operation.summary, "content": content}, **problems}
