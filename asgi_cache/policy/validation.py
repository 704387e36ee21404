"""Conditional requests, to the app and from clients (RFC 9111, section 4.3; RFC 9110, 13)."""

from __future__ import annotations

from asgi_cache.policy import status
from asgi_cache.policy.fields import Fields, combined, has_any, members, parse_date
from asgi_cache.policy.freshness import date_of
from asgi_cache.policy.message import StoredResponse

CONDITIONALS = frozenset({b"if-none-match", b"if-modified-since"})
"""What a client asks about its own copy; the cache can answer it after a full response."""

VALIDATORS = frozenset({b"etag", b"last-modified"})
"""What tells one version of a response from another (RFC 9110, section 8.8)."""

PRECONDITIONS = frozenset({b"if-match", b"if-unmodified-since"})
"""What only the app can evaluate (RFC 9110, section 13.2.1)."""

NOT_IN_304 = frozenset(
    {
        b"content-digest",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"content-type",
    }
)
"""Fields about the body, which a 304 does not have (RFC 9110, section 15.4.5)."""

NOT_UPDATED = frozenset(
    {
        b"content-digest",
        b"content-encoding",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"etag",
    }
)
"""Fields that belong to the stored body and that a 304 must not change (section 3.2)."""


def is_not_modified(fields: Fields, etag: bytes | None, modified_at: float, now: float) -> bool:
    """Whether a client that sent *fields* already has what it would be sent.

    ``If-None-Match`` takes precedence over ``If-Modified-Since`` (RFC 9110, section 13.2.2).
    *modified_at* is when the response changed last, as far as the cache knows: its
    ``Last-Modified``, else its ``Date``, else its arrival (RFC 9111, section 4.3.2).
    """
    candidates = combined(fields, b"if-none-match")
    if candidates is not None:
        return _matches(candidates, etag)
    since = combined(fields, b"if-modified-since")
    instant = None if since is None else parse_date(since, now)
    return instant is not None and modified_at < instant + 1  # dates are in whole seconds


def _matches(candidates: bytes, etag: bytes | None) -> bool:
    """Compare weakly, as ``If-None-Match`` does (RFC 9110, sections 8.8.3.2 and 13.1.2)."""
    if candidates.strip() == b"*":
        return True
    if etag is None:
        return False
    opaque = etag.removeprefix(b"W/")
    return any(candidate.removeprefix(b"W/") == opaque for candidate in members(candidates))


def modified_at(fields: Fields, arrived_at: float) -> float:
    """When the response changed last, as far as the cache knows (RFC 9111, section 4.3.2)."""
    value = combined(fields, b"last-modified")
    instant = None if value is None else parse_date(value, arrived_at)
    return date_of(fields, arrived_at) if instant is None else instant


def not_modified_fields(fields: Fields) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields of a 304 in place of a response with *fields*."""
    return tuple([field for field in fields if field[0] not in NOT_IN_304])


def unconditional_fields(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Return a request's fields without what would let the app leave out the content."""
    if not has_any(fields, CONDITIONALS):
        return list(fields)
    return [(name, value) for name, value in fields if name not in CONDITIONALS]


def validating_fields(fields: Fields, stored: StoredResponse) -> list[tuple[bytes, bytes]]:
    """Make a request conditional on *stored* (RFC 9111, section 4.3.1).

    An entity tag that the cache made itself means nothing to the app.
    """
    conditional = unconditional_fields(fields)
    if stored.etag is not None and not stored.etag_is_ours:
        conditional.append((b"if-none-match", stored.etag))
    if stored.last_modified is not None:
        conditional.append((b"if-modified-since", stored.last_modified))
    return conditional


def has_validator(stored: StoredResponse) -> bool:
    """Whether the app could say that *stored* is still good.

    A 304 stands for a 200 (RFC 9110, section 15.4.5), so it could not say so of an error.
    """
    if stored.status != status.OK:
        return False
    own_etag = stored.etag is not None and not stored.etag_is_ours
    return own_etag or stored.last_modified is not None


def is_same_representation(stored: StoredResponse, fields: Fields) -> bool:
    """Whether a 304 or HEAD response with *fields* speaks of *stored* (section 4.3.4).

    A strong entity tag speaks only of what carries the same one; a weak one also of what
    carries its strong form.
    """
    etag = combined(fields, b"etag")
    if etag is not None:
        own = None if stored.etag_is_ours else stored.etag
        return own is not None and etag in {own, b"W/" + own}
    modified = combined(fields, b"last-modified")
    return modified is None or modified == stored.last_modified


def head_agrees(stored: StoredResponse, status: int, fields: Fields) -> bool:
    """Whether a response to HEAD shows that *stored* is still what GET returns (4.3.5)."""
    length = combined(fields, b"content-length")
    same_length = length is None or length == b"%d" % len(stored.body)
    return status == stored.status and same_length and is_same_representation(stored, fields)


def merged_fields(stored: Fields, update: Fields) -> tuple[tuple[bytes, bytes], ...]:
    """Replace stored fields by those of a later response about the same body (section 3.2).

    The old ``Date`` goes even if no new one came: the response has just been said to be good.
    """
    newer = [(name, value) for name, value in update if name not in NOT_UPDATED]
    replaced = {b"date", *(name for name, _ in newer)}
    return (*((name, value) for name, value in stored if name not in replaced), *newer)
