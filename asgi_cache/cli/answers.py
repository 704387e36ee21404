"""What an answer's ``Cache-Status`` says of it, in the words of `Outcome`."""

from __future__ import annotations

from typing import Any, cast

from http_sf import StructuredFieldError, parse

from asgi_cache.outcome import Outcome


def outcome_of(status: int, field: str | None) -> Outcome:
    """Return what the cache that is nearest to the app says of its answer (RFC 9211, section 2).

    Caches between it and us come after it in the field.
    """
    try:
        members = cast("list[Any]", parse(field.encode(), tltype="list")) if field else []
    except (StructuredFieldError, UnicodeEncodeError):
        members = []
    if not members or not isinstance(members[0], tuple):
        return Outcome(status)
    said = cast("dict[str, Any]", members[0][1])
    forwarded, detail = said.get("fwd"), said.get("detail")
    return Outcome(
        status,
        hit="hit" in said,
        ttl=said.get("ttl"),
        forwarded=None if forwarded is None else str(forwarded),
        forward_status=said.get("fwd-status"),
        stored="stored" in said,
        collapsed="collapsed" in said,
        detail=None if detail is None else str(detail),
    )
