"""What a client is sent from a stored response (RFC 9111, section 4; RFC 9110, section 14)."""

from __future__ import annotations

from math import inf

from asgi_cache.policy import status
from asgi_cache.policy.fields import combined, has_any
from asgi_cache.policy.freshness import date_of
from asgi_cache.policy.message import Request, StoredResponse
from asgi_cache.policy.ranges import (
    boundary_for,
    if_range_permits,
    parse_content_range,
    parse_ranges,
    partial_response,
    subpart,
)
from asgi_cache.policy.validation import (
    CONDITIONALS,
    is_not_modified,
    modified_at,
    not_modified_fields,
)
from asgi_cache.values import value

_TAGS = frozenset({b"if-none-match"})

LESS_THAN_ALL = CONDITIONALS | {b"range"}
"""Fields by which a client asks for less than the whole response."""


@value
class Reply:
    """A whole response, ready to be sent."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def reply(request: Request, stored: StoredResponse, now: float) -> Reply:
    """Answer *request* from *stored*: in full, in part, or by saying that nothing changed.

    A condition or a range is about the content that a successful GET returns; otherwise
    it does not apply (RFC 9110, sections 13.2.1 and 14.2).
    """
    if stored.status != status.OK or request.method == "POST":
        return _full(request, stored)
    if not has_any(request.fields, LESS_THAN_ALL):
        return _full(request, stored)  # as most do, and no date need be read to know it
    return (
        _not_modified(request, stored, now)
        or _partial(request, stored, now)
        or _full(request, stored)
    )


def _full(request: Request, stored: StoredResponse) -> Reply:
    body = b"" if request.method == "HEAD" else stored.body
    return Reply(stored.status, stored.fields, body)


def reply_from_part(request: Request, stored: StoredResponse, now: float) -> Reply | None:
    """Answer a range request from a stored part; nothing if it does not hold what is wanted."""
    held = parse_content_range(combined(stored.fields, b"content-range"))
    ranges = None if held is None else _ranges(request, stored, held[2], now)
    if held is None or ranges is None:
        return None
    part = subpart(stored.fields, stored.body, held, ranges)
    if part is None:
        return None
    return _not_modified(request, stored, now) or Reply(part.status, part.fields, part.body)


def _not_modified(request: Request, stored: StoredResponse, now: float) -> Reply | None:
    """Say that the client has what is stored; nothing if it has not, or did not ask."""
    if has_any(request.fields, _TAGS):
        changed = inf  # what is known of the time does not count beside entity tags
    else:
        changed = modified_at(stored.fields, stored.stored_at)
    if not is_not_modified(request.fields, stored.etag, changed, now):
        return None
    return Reply(status.NOT_MODIFIED, not_modified_fields(stored.fields), b"")


def _partial(request: Request, stored: StoredResponse, now: float) -> Reply | None:
    """Answer a range request; nothing where the whole response is the right answer."""
    ranges = _ranges(request, stored, len(stored.body), now)
    if ranges is None:
        return None
    boundary = boundary_for(stored.body) if len(ranges) > 1 else b""
    part = partial_response(stored.fields, stored.body, ranges, boundary)
    return Reply(part.status, part.fields, part.body)


def _ranges(
    request: Request, stored: StoredResponse, length: int, now: float
) -> list[tuple[int, int]] | None:
    """Return the ranges that are wanted of a body of *length* bytes; nothing if it is all."""
    asked = combined(request.fields, b"range")
    if asked is None or request.method != "GET":
        return None
    condition = combined(request.fields, b"if-range")
    date = date_of(stored.fields, stored.stored_at)
    if not if_range_permits(condition, stored.etag, stored.last_modified, date, now):
        return None
    return parse_ranges(asked, length)
