"""Whether a response may be stored, as its head tells (RFC 9111, section 3).

A response is recorded if none of `CLAUSES` forbids it. They decide by the head, before there
is a body; what else keeps a response out is seen where it shows. That its body is whole is
seen by `recorder.py` and by `is_whole` in `keeping`; its size (`max_body`), trailers and tags
by `run.py`.

For how long a response may be served stale is found here, as it can be what makes it worth
storing. What is kept of it is made in `keeping`.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from math import inf
from typing import TypeAlias

from asgi_cache.policy import status
from asgi_cache.policy.fields import combined, has_any, is_field_value, is_token, vary_names
from asgi_cache.policy.freshness import HEURISTICALLY_CACHEABLE, freshness
from asgi_cache.policy.invalidation import same_origin
from asgi_cache.policy.ranges import parse_content_range
from asgi_cache.policy.received import Received
from asgi_cache.policy.rule import Rule
from asgi_cache.values import value

UNDERSTOOD = frozenset(int(status) for status in HTTPStatus)
"""Statuses whose meaning for caching is known here (``must-understand``, section 5.2.2.3)."""

UNRULED = Rule()
"""What holds where no rule says anything."""

LAST_STATUS = 599


Forbids: TypeAlias = Callable[[Received], bool]


@value
class Clause:
    """One reason not to store a response."""

    detail: str
    """What ``Cache-Status`` says of it."""
    meaning: str
    """What completes "the response is not stored because …", in Markdown."""
    source: str
    forbids: Forbids


ABOUT_THE_REQUEST = frozenset(
    {
        status.PRECONDITION_FAILED,
        status.REQUESTED_RANGE_NOT_SATISFIABLE,
        status.EXPECTATION_FAILED,
    }
)
"""Statuses that another request to the same URL, without such a field, would not get."""

KNOWN_CAUSES = HEURISTICALLY_CACHEABLE | ABOUT_THE_REQUEST
"""Of the errors those that are about the method and the URL, and those that are about neither."""


def forbidding_clause(received: Received) -> Clause | None:
    """Return the first clause that forbids storing the response; ``None`` if none does."""
    for clause in CLAUSES:
        if clause.forbids(received):
            return clause
    return None


def _is_not_final(received: Received) -> bool:
    """An interim response is not the answer, and other numbers mean nothing (RFC 9110, 15)."""
    return not status.OK <= received.response.status <= LAST_STATUS


def _is_about_the_request(received: Received) -> bool:
    """A condition, range or expectation of this request failed, which is no other's concern."""
    return received.response.status in ABOUT_THE_REQUEST


def _may_be_the_requests_fault(received: Received) -> bool:
    """An error that a client provoked by what the key does not hold would hit everybody.

    Those that may be reused without explicit freshness are about the method and the URL.
    """
    code, rule = received.response.status, received.rule
    if code < status.BAD_REQUEST or code in KNOWN_CAUSES:
        return False
    return rule.errors == "safe" and code not in rule.status_ttl


def _is_part_of_a_response(received: Received) -> bool:
    """A 304 has no body, and a 206 is of use only if its place in one whole is known (3.3)."""
    response = received.response
    if response.status == status.PARTIAL_CONTENT:
        part = parse_content_range(combined(response.fields, b"content-range"))
        return part is None or bool(vary_names(response.fields))
    return response.status == status.NOT_MODIFIED


def _is_of_another_method(received: Received) -> bool:
    """What another method returns answers no GET, but for POST if a rule or the app says so."""
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
    """``must-understand`` leaves storing to caches that know the status's own demands."""
    directives = received.response.directives
    return directives.must_understand and received.response.status not in UNDERSTOOD


def _request_says_no_store(received: Received) -> bool:
    """A client may ask that nothing of its exchange be kept."""
    return received.request.directives.no_store


def _is_private(received: Received) -> bool:
    """It is one user's, so it needs that user's own partition; the anonymous all share one."""
    request = received.request
    if received.rule.store_private and request.partitioned and request.has_credentials:
        return False
    return received.response.directives.private


def _is_of_a_user(received: Received) -> bool:
    """An answer to credentials may be meant for their owner alone, unless somebody vouches."""
    request = received.request
    if not request.has_credentials or request.partitioned or received.rule.public:
        return False
    return not is_shareable(received)


def _sets_a_cookie(received: Received) -> bool:
    """Served to others, a cookie that was set for one client would make them that client."""
    return received.rule.cookies == "safe" and has_any(received.response.fields, {b"set-cookie"})


def _varies_on_everything(received: Received) -> bool:
    """No later request selects what varies on ``*``; what is no field name could mean as much."""
    names = vary_names(received.response.fields)
    return b"*" in names or not all(map(is_token, names))


def _varies_on_credentials(received: Received) -> bool:
    """It differs from user to user, which is safe only where the key holds the user."""
    if received.rule.cookies != "safe" or received.request.partitioned:
        return False
    return not {b"authorization", b"cookie"}.isdisjoint(vary_names(received.response.fields))


def _reflects_origin(received: Received) -> bool:
    """It lets one origin read it, and would shut out the others that it is served to."""
    allowed = combined(received.response.fields, b"access-control-allow-origin")
    if allowed is None or allowed != combined(received.request.fields, b"origin"):
        return False
    in_key = {name.lower() for name in received.rule.vary}
    return b"origin" not in vary_names(received.response.fields) and "origin" not in in_key


def _has_a_broken_field(received: Received) -> bool:
    """A value with a line break in it could add fields of its own each time it is served."""
    fields = received.response.fields
    return not all(is_token(name) and is_field_value(value) for name, value in fields)


def _has_a_large_header(received: Received) -> bool:
    """Each of its fields is kept, and sent again with every hit."""
    fields = received.response.fields
    return sum(len(name) + len(value) for name, value in fields) > received.rule.max_header


def _has_no_end(received: Received) -> bool:
    """Events come as they happen; what has been sent is no answer to a later request."""
    media_type, _, _ = (combined(received.response.fields, b"content-type") or b"").partition(b";")
    return media_type.strip().lower() == b"text/event-stream"


def _could_never_be_used(received: Received) -> bool:
    """What is neither reused as it is nor validated would only take up room (section 3)."""
    return not (is_reusable(received) or is_validatable(received))


CLAUSES = (
    Clause(
        "method",
        "it answers neither GET nor a POST that a rule or the response itself lets be stored",
        "RFC 9111, section 3",
        _is_of_another_method,
    ),
    Clause(
        "status",
        "its status is not that of a final response (200 to 599)",
        "RFC 9111, section 3",
        _is_not_final,
    ),
    Clause(
        "request-failed",
        "its status says that a condition, range or expectation of this one request failed",
        "RFC 9110, section 15.5",
        _is_about_the_request,
    ),
    Clause(
        "error",
        "its status is that of an error which may be the fault of this one request, no rule lists "
        "it in `status_ttl`, and the setting `errors` is `safe`",
        "setting errors",
        _may_be_the_requests_fault,
    ),
    Clause(
        "partial",
        "it is a 304, or a 206 that varies or does not say exactly which part it is",
        "RFC 9111, section 3.3",
        _is_part_of_a_response,
    ),
    Clause(
        "must-understand",
        "it is marked `must-understand`, and the cache does not know its status",
        "RFC 9111, section 5.2.2.3",
        _is_not_understood,
    ),
    Clause(
        "no-store",
        "it is marked `no-store`, and no `must-understand` lifts that",
        "RFC 9111, section 5.2.2.5",
        _says_no_store,
    ),
    Clause(
        "request-no-store",
        "the request is marked `no-store`",
        "RFC 9111, section 5.2.1.5",
        _request_says_no_store,
    ),
    Clause(
        "private",
        "it is marked `private`, and is not stored in its user's own partition by a rule with "
        "`store_private`",
        "RFC 9111, section 5.2.2.7",
        _is_private,
    ),
    Clause(
        "credentials",
        "the request carried credentials, its key does not hold the user, and neither a rule "
        "nor the app says that the answer is for everyone",
        "RFC 9111, section 3.5",
        _is_of_a_user,
    ),
    Clause(
        "set-cookie",
        "it has `Set-Cookie`, and the setting `cookies` is `safe`",
        "setting cookies",
        _sets_a_cookie,
    ),
    Clause(
        "vary-all",
        "its `Vary` lists `*` or something that is not a field name",
        "RFC 9111, section 4.1",
        _varies_on_everything,
    ),
    Clause(
        "vary-credentials",
        "it varies on `Cookie` or `Authorization`, its key does not hold the user, and the "
        "setting `cookies` is `safe`",
        "setting cookies",
        _varies_on_credentials,
    ),
    Clause(
        "reflected-origin",
        "its `Access-Control-Allow-Origin` repeats the request's `Origin`, by which neither "
        "the response nor the rule varies",
        "Fetch, section 3.2.3",
        _reflects_origin,
    ),
    Clause(
        "broken-field",
        "one of its fields has an invalid name, or a line break or NUL in its value",
        "RFC 9110, section 5.5",
        _has_a_broken_field,
    ),
    Clause(
        "header-too-large",
        "its fields, names and values together, are longer than `max_header`",
        "setting max_header",
        _has_a_large_header,
    ),
    Clause(
        "event-stream",
        "it is a stream of server-sent events, which has no end",
        "HTML, section 9.2",
        _has_no_end,
    ),
    Clause(
        "no-freshness",
        "nothing lets it be reused without asking the app, and it is not worth keeping for "
        "validation",
        "RFC 9111, section 3",
        _could_never_be_used,
    ),
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

    Only a 200 can be validated, as that is what a 304 stands for (RFC 9110, section 15.4.5).
    The app or a rule must have spoken of caching, too: an app that says nothing gains
    nothing from it, and its handler runs all the same.
    """
    response = received.response
    if response.status != status.OK:
        return False
    if not (combined(response.fields, b"etag") or combined(response.fields, b"last-modified")):
        return False
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


def forbids_stale(received: Received) -> bool:
    """Whether the app forbids that the response be served stale (section 4.2.4).

    ``s-maxage`` forbids it, unless the same response states a window for it. What only some
    may see, and only for some time, is not shown later than that either.
    """
    if received.request.until < inf:
        return True
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
