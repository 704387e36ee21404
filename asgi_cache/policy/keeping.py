"""What is kept of a response that may be stored, and for how long (RFC 9111, section 3.1).

The record holds all that later decisions need, so that serving it only reads and compares:
the app's fields without those of one connection, the fields that the cache adds, the age that
the response had when it came, and its windows. That it may be stored is decided in `storing`.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from asgi_cache.policy import status
from asgi_cache.policy.fields import Field, combined
from asgi_cache.policy.freshness import initial_age
from asgi_cache.policy.judging import Judgement, judge
from asgi_cache.policy.message import Response, StoredResponse
from asgi_cache.policy.ranges import parse_content_range
from asgi_cache.policy.received import Received
from asgi_cache.policy.sharing import all_shared
from asgi_cache.policy.validation import has_validator

VALIDATION_GRACE = 3600.0
"""Seconds that a stale response is kept so that the app can say it is still good."""

STALE_GRACE = 60.0
"""Seconds that one without validators is kept, for clients that accept stale ones."""


def stored_response(  # noqa: PLR0913 - what a record is made of
    received: Received,
    key: bytes,
    body: bytes,
    log: bytes = b"",
    birth: int = 0,
    tags: tuple[str, ...] = (),
    *,
    cost: float = 0.0,
    url: str = "",
    owner: bytes = b"",
) -> StoredResponse:
    """Make the record that is kept of a complete response."""
    response, judgement = received.response, judge(received)
    kept = [field for field in response.fields if field[0] not in judgement.dropped]
    etag = judgement.etag
    made = entity_tag(body) if etag is None and response.status == status.OK else None
    added = added_fields(response, judgement, made, len(body))
    return StoredResponse(
        key=key,
        status=response.status,
        fields=all_shared(kept + added),
        added=len(added),
        body=body,
        stored_at=received.arrived_at,
        initial_age=initial_age(response.fields, received.requested_at, received.arrived_at),
        lifetime=received.lifetime,
        stale_while_revalidate=judgement.stale_while_revalidate,
        stale_if_error=judgement.stale_if_error,
        must_validate=response.directives.no_cache,
        must_revalidate=judgement.must_revalidate,
        shareable=judgement.shareable,
        etag=made or etag,
        etag_is_ours=made is not None,
        last_modified=judgement.last_modified,
        cost=cost,
        tags=tags,
        log=log,
        birth=birth,
        url=url,
        owner=owner,
    )


def added_fields(
    response: Response, judgement: Judgement, etag: bytes | None, length: int
) -> list[Field]:
    """Make the fields that the cache adds: an entity tag, a length, what clients are told."""
    added = [(b"etag", etag)] if etag else []
    if not judgement.is_measured and response.status != status.NO_CONTENT:
        added.append((b"content-length", b"%d" % length))
    return [*added, *judgement.told]


def is_whole(received: Received, body: bytes) -> bool:
    """Whether *body* is all that the response's head says it is (section 3.3)."""
    if received.response.status != status.PARTIAL_CONTENT:
        return True
    part = parse_content_range(combined(received.response.fields, b"content-range"))
    return part is not None and part[1] - part[0] == len(body)


def stale_since(stored: StoredResponse, instant: float) -> StoredResponse:
    """Return *stored* as if its lifetime had ended at *instant*, unless it did before."""
    return replace(stored, lifetime=min(stored.lifetime, stored.age_at(instant)))


def keep_for(stored: StoredResponse) -> float:
    """Seconds for which a stored response can be of use: fresh, stale, or to be validated."""
    remaining = max(0.0, stored.lifetime - stored.initial_age)
    grace = VALIDATION_GRACE if has_validator(stored) else STALE_GRACE
    return remaining + max(grace, stored.stale_while_revalidate, stored.stale_if_error)


def entity_tag(body: bytes) -> bytes:
    """Make a strong entity tag, the same in every process (RFC 9110, section 8.8.3)."""
    return b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
