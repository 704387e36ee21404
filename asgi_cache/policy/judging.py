"""All that the head of a response decides, once for all responses with such a head.

An endpoint sends the same head over and over, but for what belongs to one body. So what came
of judging it is remembered, as long as nothing else than the head and the rule had a part in it.
"""

from __future__ import annotations

from math import inf
from typing import Final, TypeAlias

from asgi_cache.policy.cache_control import ResponseDirectives
from asgi_cache.policy.fields import (
    Field,
    combined,
    has_any,
    lines,
    members,
    name_of,
)
from asgi_cache.policy.freshness import rule_lifetime
from asgi_cache.policy.received import Received
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.storing import (
    Clause,
    forbidding_clause,
    forbids_stale,
    is_reusable,
    is_shareable,
    stale_window,
    while_revalidate,
)
from asgi_cache.values import value

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

FRESHNESS_FIELDS = frozenset({b"cache-control", b"expires"})
"""Fields that tell clients for how long they may keep a response."""

TOLD_BY_MORE: Final = frozenset({b"access-control-allow-origin", b"expires"})
"""Fields whose meaning depends on the request, or on the time."""

LIMIT: Final = 1024
"""Heads that are remembered; beyond that all begin anew."""

LONGEST: Final = 2048
"""Bytes of a head beyond which it is not remembered."""


@value
class Judgement:
    """What is known of a response by its head, apart from when it came."""

    clause: Clause | None
    """What forbids storing it."""
    is_reusable: bool
    """It can be served for some time without asking the app."""
    stale_while_revalidate: float
    stale_if_error: float
    must_revalidate: bool
    shareable: bool
    dropped: frozenset[bytes]
    """The names of the fields that are not stored (section 3.1)."""
    told: tuple[Field, ...]
    """What clients are told of how to cache it."""
    etag: bytes | None
    last_modified: bytes | None
    is_measured: bool
    """It says how long its body is."""


_Common: TypeAlias = tuple[int, int, bool, bool, bool, tuple[Field | bytes, ...]]
"""The rule, the status, what matters of the request, and the fields but for the length."""

_known: Final[dict[_Common, tuple[Rule, ResponseDirectives, Judgement]]] = {}


def judge(received: Received) -> Judgement:
    """Return what the head of a response decides."""
    if _is_told_by_more(received):
        return _judge(received)
    request, response, rule = received.request, received.response, received.rule
    common = (
        id(rule),
        response.status,
        request.has_credentials,
        request.partitioned,
        request.directives.no_store,
        tuple(
            [
                b"" if field[0] == b"content-length" and field[1].isdigit() else field
                for field in response.fields
            ]
        ),
    )
    known = _known.get(common)
    # The rule is kept, so that no other has its number as long as that is in use.
    if known is not None and known[0] is rule and known[1] is response.directives:
        return known[2]
    judgement = _judge(received)
    if sum(map(len, map(b"".join, response.fields))) <= LONGEST:
        if len(_known) >= LIMIT:
            _known.clear()
        _known[common] = (rule, response.directives, judgement)
    return judgement


def _is_told_by_more(received: Received) -> bool:
    """Whether more than the head and the rule tells what becomes of a response."""
    request = received.request
    if request.method != "GET" or request.until < inf or received.rule.heuristic:
        return True
    return not TOLD_BY_MORE.isdisjoint(map(name_of, received.response.fields))


def _judge(received: Received) -> Judgement:
    response, rule = received.response, received.rule
    return Judgement(
        clause=forbidding_clause(received),
        is_reusable=is_reusable(received),
        stale_while_revalidate=while_revalidate(received),
        stale_if_error=stale_window(
            received, response.directives.stale_if_error, rule.stale_if_error
        ),
        must_revalidate=forbids_stale(received),
        shareable=rule.public or is_shareable(received),
        dropped=_dropped(received),
        told=client_fields(received),
        etag=combined(response.fields, b"etag"),
        last_modified=combined(response.fields, b"last-modified"),
        is_measured=has_any(response.fields, {b"content-length"}),
    )


def client_fields(received: Received) -> tuple[Field, ...]:
    """Tell clients how to cache what a rule made cacheable; what the app says stands.

    A lifetime of 0 lets them keep a copy that they validate each time, so that a purge
    here reaches them.
    """
    response, rule = received.response, received.rule
    if rule_lifetime(rule, response.status) is None:
        return ()
    if has_any(response.fields, FRESHNESS_FIELDS):
        return ()
    whose = b"private, " if received.request.partitioned else b""
    if rule.client_ttl:
        return ((b"cache-control", b"%smax-age=%d" % (whose, rule.client_ttl)),)
    return ((b"cache-control", whose + b"max-age=0, must-revalidate"),)


def _dropped(received: Received) -> frozenset[bytes]:
    """Return the names of the fields of the app that may not be stored (section 3.1)."""
    response = received.response
    named = [
        option.lower() for line in lines(response.fields, b"connection") for option in members(line)
    ]
    directives = response.directives
    return NEVER_STORED.union(directives.no_cache_fields, directives.private_fields, named)
