"""Whether a response may be stored, and what is kept of it (RFC 9111, section 3).

`CLAUSES` is the whole decision. A response is stored if no clause forbids it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import TypeAlias

from asgi_cache.policy.fields import combined, is_field_value, is_token, lines, members
from asgi_cache.policy.freshness import (
    HEURISTICALLY_CACHEABLE,
    Freshness,
    freshness,
    initial_age,
    rule_lifetime,
)
from asgi_cache.policy.invalidation import same_origin
from asgi_cache.policy.message import Fields, Request, Response, StoredResponse
from asgi_cache.policy.ranges import parse_content_range
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.validation import has_validator

UNDERSTOOD = frozenset(int(status) for status in HTTPStatus)
"""Statuses whose meaning for caching is known here (``must-understand``, section 5.2.2.3)."""

NEVER_STORED = frozenset(
    {
        b"age",
        b"cache-status",
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that speak of one connection or one hop (section 3.1), or that are made anew."""

UNRULED = Rule()
"""What holds where no rule says anything."""

VALIDATION_GRACE = 3600.0
"""Seconds that a stale response is kept so that the app can say it is still good."""

STALE_GRACE = 60.0
"""Seconds that one without validators is kept, for clients that accept stale ones."""

LAST_STATUS = 599


@dataclass(frozen=True, slots=True)
class Received:
    """A response's head as it arrived, with all that decides whether it may be stored."""

    request: Request
    response: Response
    rule: Rule
    requested_at: float
    arrived_at: float
    freshness: Freshness

    @property
    def lifetime(self) -> float:
        """Its freshness lifetime in seconds."""
        return self.freshness.lifetime

    @classmethod
    def at(
        cls,
        arrived_at: float,
        request: Request,
        response: Response,
        rule: Rule,
        requested_at: float,
    ) -> Received:
        """Note a response to *request* whose head arrived at *arrived_at*."""
        found = freshness(response, rule, arrived_at)
        return cls(request, response, rule, requested_at, arrived_at, found)


Forbids: TypeAlias = Callable[[Received], bool]


@dataclass(frozen=True, slots=True)
class Clause:
    """One reason not to store a response."""

    detail: str
    """What ``Cache-Status`` says of it."""
    source: str
    forbids: Forbids


def forbidding_clause(received: Received) -> Clause | None:
    """Return the first clause that forbids storing the response; nothing if it may be stored."""
    for clause in CLAUSES:
        if clause.forbids(received):
            return clause
    return None


def _is_not_final(received: Received) -> bool:
    """Interim, or not a status at all (RFC 9110, section 15)."""
    return not HTTPStatus.OK <= received.response.status <= LAST_STATUS


def _is_part_of_a_response(received: Received) -> bool:
    """A 304; a 206, unless it says which part it is and does not vary."""
    response = received.response
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        part = parse_content_range(combined(response.fields, b"content-range"))
        return part is None or bool(vary_names(response.fields))
    return response.status == HTTPStatus.NOT_MODIFIED


def _is_of_another_method(received: Received) -> bool:
    """GET; POST too, where the rule says so or the response is what GET would return."""
    request = received.request
    if request.method == "POST":
        return not ("POST" in received.rule.methods or answers_get(received))
    return request.method != "GET"


def _says_no_store(received: Received) -> bool:
    """``must-understand`` lifts ``no-store`` for a status that is understood (5.2.2.3)."""
    directives = received.response.directives
    if directives.must_understand and received.response.status in UNDERSTOOD:
        return False
    return directives.no_store


def _is_not_understood(received: Received) -> bool:
    directives = received.response.directives
    return directives.must_understand and received.response.status not in UNDERSTOOD


def _request_says_no_store(received: Received) -> bool:
    return received.request.directives.no_store


def _is_private(received: Received) -> bool:
    """A partition is a user's own only if the request says who that is: all others share one."""
    request = received.request
    if received.rule.store_private and request.partitioned and request.has_credentials:
        return False
    return received.response.directives.private


def _is_of_a_user(received: Received) -> bool:
    """Credentials came with the request, and nothing says that the answer is for everyone."""
    request = received.request
    if not request.has_credentials or request.partitioned or received.rule.public:
        return False
    return not is_shareable(received)


def _sets_a_cookie(received: Received) -> bool:
    return received.rule.cookies == "safe" and any(
        name == b"set-cookie" for name, _ in received.response.fields
    )


def _varies_on_everything(received: Received) -> bool:
    """It varies on ``*``, or on what is no field's name and so might be anything."""
    names = vary_names(received.response.fields)
    return b"*" in names or not all(map(is_token, names))


def _varies_on_credentials(received: Received) -> bool:
    """In ``safe`` mode what varies by user is stored only where the key holds the user."""
    if received.rule.cookies != "safe" or received.request.partitioned:
        return False
    return not {b"authorization", b"cookie"}.isdisjoint(vary_names(received.response.fields))


def _reflects_origin(received: Received) -> bool:
    """``Access-Control-Allow-Origin`` repeats this client's ``Origin``, which no key holds."""
    allowed = combined(received.response.fields, b"access-control-allow-origin")
    if allowed is None or allowed != combined(received.request.fields, b"origin"):
        return False
    in_key = {name.lower() for name in received.rule.vary}
    return b"origin" not in vary_names(received.response.fields) and "origin" not in in_key


def _has_a_broken_field(received: Received) -> bool:
    fields = received.response.fields
    return not all(is_token(name) and is_field_value(value) for name, value in fields)


def _could_never_be_used(received: Received) -> bool:
    """It may not be reused as it is for any time, and is not worth validating (section 3)."""
    return not (is_reusable(received) or is_validatable(received))


CLAUSES = (
    Clause("method", "RFC 9111, section 3", _is_of_another_method),
    Clause("status", "RFC 9111, section 3", _is_not_final),
    Clause("partial", "RFC 9111, section 3.3", _is_part_of_a_response),
    Clause("must-understand", "RFC 9111, section 5.2.2.3", _is_not_understood),
    Clause("no-store", "RFC 9111, section 5.2.2.5", _says_no_store),
    Clause("request-no-store", "RFC 9111, section 5.2.1.5", _request_says_no_store),
    Clause("private", "RFC 9111, section 5.2.2.7", _is_private),
    Clause("credentials", "RFC 9111, section 3.5", _is_of_a_user),
    Clause("set-cookie", "setting cookies", _sets_a_cookie),
    Clause("vary-all", "RFC 9111, section 4.1", _varies_on_everything),
    Clause("vary-credentials", "setting cookies", _varies_on_credentials),
    Clause("reflected-origin", "Fetch, section 3.2.3", _reflects_origin),
    Clause("broken-field", "RFC 9110, section 5.5", _has_a_broken_field),
    Clause("no-freshness", "RFC 9111, section 3", _could_never_be_used),
)


def answers_get(received: Received) -> bool:
    """Whether a response to POST is one to GET of the same URL too (RFC 9110, section 9.3.3).

    It says so by naming that URL as its own and by stating how long it is fresh.
    """
    location = combined(received.response.fields, b"content-location")
    url = received.request.url
    if location is None or same_origin(url, location) != url:
        return False
    return freshness(received.response, UNRULED, received.arrived_at).explicit


def is_reusable(received: Received) -> bool:
    """Whether it can be served for some time without asking the app: fresh, or stale by leave."""
    if received.response.directives.no_cache:
        return False
    stale_for = while_revalidate(received) if received.freshness.explicit else 0.0
    return received.lifetime > 0 or stale_for > 0


def is_validatable(received: Received) -> bool:
    """Whether it has a validator, and what it takes to be stored for that alone.

    RFC 9111 asks for a status that is cacheable by itself or for explicit permission. Here
    the app or a rule must have spoken of caching, too: an app that says nothing gains
    nothing from it, and its handler runs all the same.
    """
    response = received.response
    if not (combined(response.fields, b"etag") or combined(response.fields, b"last-modified")):
        return False
    if response.status not in HEURISTICALLY_CACHEABLE:
        return received.freshness.explicit or response.directives.public
    return response.directives.stated or received.freshness.explicit


def is_shareable(received: Received) -> bool:
    """Whether the app lets the response answer requests of other users (section 3.5).

    ``must-revalidate`` permits it for ``Authorization``; where cookies are credentials
    too it says too little about them.
    """
    directives = received.response.directives
    if directives.public or directives.s_maxage is not None:
        return True
    return directives.must_revalidate and received.rule.cookies == "rfc9111"


def vary_names(fields: Fields) -> tuple[bytes, ...]:
    """Return the names in ``Vary``, in lower case, sorted, each once (RFC 9110, 12.5.5)."""
    value = combined(fields, b"vary")
    return tuple(sorted({name.lower() for name in members(value)})) if value else ()


def stored_response(
    received: Received,
    key: bytes,
    body: bytes,
    log: bytes = b"",
    birth: int = 0,
    tags: tuple[str, ...] = (),
) -> StoredResponse:
    """Make the record that is kept of a complete response."""
    response = received.response
    kept = stored_fields(received)
    etag = combined(response.fields, b"etag")
    made = entity_tag(body) if etag is None and response.status == HTTPStatus.OK else None
    added = added_fields(received, made, len(body))
    directives = response.directives
    return StoredResponse(
        key=key,
        status=response.status,
        fields=kept + added,
        added=len(added),
        body=body,
        stored_at=received.arrived_at,
        initial_age=initial_age(response.fields, received.requested_at, received.arrived_at),
        lifetime=received.lifetime,
        stale_while_revalidate=while_revalidate(received),
        stale_if_error=stale_window(
            received, directives.stale_if_error, received.rule.stale_if_error
        ),
        must_validate=directives.no_cache,
        must_revalidate=forbids_stale(received),
        shareable=received.rule.public or is_shareable(received),
        etag=made or etag,
        etag_is_ours=made is not None,
        last_modified=combined(response.fields, b"last-modified"),
        tags=tags,
        log=log,
        birth=birth,
    )


def stored_fields(received: Received) -> tuple[tuple[bytes, bytes], ...]:
    """Keep the fields of the app that may be stored (section 3.1)."""
    response = received.response
    dropped = NEVER_STORED.union(
        response.directives.no_cache_fields,
        response.directives.private_fields,
        *(
            [option.lower() for option in members(value)]
            for value in lines(response.fields, b"connection")
        ),
    )
    return tuple((name, value) for name, value in response.fields if name not in dropped)


def added_fields(
    received: Received, etag: bytes | None, length: int
) -> tuple[tuple[bytes, bytes], ...]:
    """Make the fields that the cache adds: an entity tag, a length, what clients are told."""
    tagged = ((b"etag", etag),) if etag else ()
    unmeasured = combined(received.response.fields, b"content-length") is None
    has_content = received.response.status != HTTPStatus.NO_CONTENT
    measured = ((b"content-length", b"%d" % length),) if unmeasured and has_content else ()
    return tagged + measured + client_fields(received)


def client_fields(received: Received) -> tuple[tuple[bytes, bytes], ...]:
    """Tell clients how to cache what a rule made cacheable; what the app says stands.

    A lifetime of 0 lets them keep a copy that they validate each time, so that a purge
    here reaches them.
    """
    response, rule = received.response, received.rule
    if rule_lifetime(rule, response.status) is None:
        return ()
    if {b"cache-control", b"expires"}.intersection(name for name, _ in response.fields):
        return ()
    whose = b"private, " if received.request.partitioned else b""
    if rule.client_ttl:
        return ((b"cache-control", b"%smax-age=%d" % (whose, rule.client_ttl)),)
    return ((b"cache-control", whose + b"max-age=0, must-revalidate"),)


def forbids_stale(received: Received) -> bool:
    """Whether the app forbids that the response be served stale (section 4.2.4).

    ``s-maxage`` forbids it, unless the same response states a window for it.
    """
    directives = received.response.directives
    if directives.must_revalidate or directives.proxy_revalidate or directives.no_cache:
        return True
    windows = directives.stale_while_revalidate or directives.stale_if_error
    return directives.s_maxage is not None and not windows


def while_revalidate(received: Received) -> float:
    """Seconds past its lifetime in which it may be served while it is refreshed (RFC 5861).

    A rule prolongs what has been fresh. What the app calls stale from the start, or does
    not call fresh, is not made fresh in effect.
    """
    has_been_fresh = received.lifetime > 0 or received.freshness.source == "rule"
    supplied = received.rule.stale_while_revalidate if has_been_fresh else 0.0
    return stale_window(received, received.response.directives.stale_while_revalidate, supplied)


def stale_window(received: Received, stated: int | None, supplied: float) -> float:
    """Seconds past its lifetime in which a response may be served stale (RFC 5861).

    Where the app says ``s-maxage`` only the windows that it states itself count.
    """
    if forbids_stale(received):
        return 0.0
    if stated is not None:
        return stated
    return supplied if received.response.directives.s_maxage is None else 0.0


def is_whole(received: Received, body: bytes) -> bool:
    """Whether *body* is all that the response's head says it is (section 3.3)."""
    if received.response.status != HTTPStatus.PARTIAL_CONTENT:
        return True
    part = parse_content_range(combined(received.response.fields, b"content-range"))
    return part is not None and part[1] - part[0] == len(body)


def keep_for(stored: StoredResponse) -> float:
    """Seconds for which a stored response can be of use: fresh, stale, or to be validated."""
    remaining = max(0.0, stored.lifetime - stored.initial_age)
    grace = VALIDATION_GRACE if has_validator(stored) else STALE_GRACE
    return remaining + max(grace, stored.stale_while_revalidate, stored.stale_if_error)


def entity_tag(body: bytes) -> bytes:
    """Make a strong entity tag, the same in every process (RFC 9110, section 8.8.3)."""
    return b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
