"""Small responses as an API sends them, each with a URL of its own."""

from __future__ import annotations

import os
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache.policy.cache_control import parse_request, parse_response
from asgi_cache.policy.keeping import stored_response
from asgi_cache.policy.message import Request, Response, StoredResponse
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.storing import Received
from tests.bare import no_body, scope_of

RULES: Final = {"/tasks/{task_id}": {"ttl": "1h", "tags": ["task:{task_id}"]}}
FIRST: Final = 1_000_000
"""The number of the first one, so that all numbers have as many digits."""
LARGER: Final = 5_000_000
"""The number of the first whose note is larger, so that most have no room among small objects."""
NOTES: Final = 300
"""Characters of the longest note."""
LARGER_NOTES: Final = 1_200

FIELDS: Final = [
    (b"host", b"example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
]


def response(number: int) -> JSONResponse:
    """Make the response of one URL; its body has 70 to 370 bytes, all lengths alike."""
    note = "x" * (number * 7919 % (NOTES if number < LARGER else LARGER_NOTES))
    task = {"id": number, "title": f"Task number {number}", "done": False, "note": note}
    return JSONResponse(task)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for a task."""
    number = int(scope["path"].rpartition("/")[2])
    await response(number)(scope, receive, send)


async def ask(asked: ASGIApp, number: int) -> None:
    """Ask for one of them, and read the answer."""
    scope = scope_of("GET", f"/tasks/{number}", (), headers=list(FIELDS))
    await asked(scope, no_body, _send)


async def _send(message: Message) -> None:
    del message


def record(number: int) -> StoredResponse:
    """Make what is kept of such a response, as a run of the app does, but for the run."""
    sent = response(number)
    fields = tuple(sent.raw_headers)
    now = 1.7e9 + number / 1000
    head = Response(sent.status_code, fields, parse_response(fields))
    received = Received.at(now, _REQUEST, head, _RULE, now - 0.001)
    tags = (f"tag:task:{number}",)
    cost = 0.002 + number * 1e-9
    key, url = os.urandom(16), f"http://example.com/tasks/{number}"
    return stored_response(
        received, key, bytes(sent.body), b"identity", 1, tags, cost=cost, url=url
    )


_REQUEST: Final = Request("GET", FIELDS, parse_request(FIELDS), partitioned=True)
_RULE: Final = Rule(ttl=3600.0)
