"""What a request asks for: its key, its partition, and what stands in the way of an answer."""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import Final

from starlette.types import Receive, Scope

from asgi_cache.identity import NOBODY, user_name
from asgi_cache.policy.cache_control import parse_request
from asgi_cache.policy.fields import Fields, combined, name_of
from asgi_cache.policy.key import digest, selecting_value
from asgi_cache.policy.message import Request
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.validation import CONDITIONALS, PRECONDITIONS
from asgi_cache.request_body import BufferedReceive
from asgi_cache.services import Services
from asgi_cache.tags import rendered, with_user_tag
from asgi_cache.targets import Target
from asgi_cache.values import value

OWN: Final = "asgi_cache.own"
"""Where in its scope an app says that what it answers is the cache's own business."""

OVERRIDES = frozenset(
    {
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
    }
)
"""Fields that make some apps answer another request than the one its line names."""

FORWARDED = frozenset(
    {
        b"front-end-https",
        b"x-forwarded-host",
        b"x-forwarded-path",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-forwarded-uri",
        b"x-host",
        b"x-original-host",
        b"x-script-name",
        b"x-url-scheme",
    }
)
"""Fields that apps build URLs from; those that are present are part of the key."""

ALL_CONDITIONS = PRECONDITIONS | CONDITIONALS
"""Fields that can make a request of another method than GET and HEAD fail."""

UNUSUAL = OVERRIDES | PRECONDITIONS | {b"content-length", b"transfer-encoding"}
"""Fields that may make it unsafe, or of no use, to answer GET and HEAD from a store."""

ABOUT_BODY = (b"content-type", b"content-encoding")

BODY_LIMIT = 64 * 1024
"""Bytes of a POST request's body that can be part of a key."""


@value
class Asked:
    """A request that may be answered from the store."""

    request: Request
    rule: Rule
    target: Target
    key: bytes
    """Its primary key."""
    partition: bytes
    receive: BufferedReceive
    body: bytes

    def tags(self) -> tuple[str, ...]:
        """Return the tags that come free with the request."""
        return with_user_tag(self.target.tags, self.partition)

    def rule_tags(self) -> list[str]:
        """Return the names that the rule gives to the response."""
        if not self.rule.tags:
            return []
        target, user = self.target, user_name(self.partition)
        return rendered(self.rule.tags, target.params, target.query, user)


@value
class Unanswerable:
    """A request that only the app can answer, and why."""

    reason: str
    """As ``Cache-Status`` has it (RFC 9211, section 2.2)."""
    detail: str
    receive: Receive


async def ask(
    scope: Scope, receive: Receive, target: Target, rule: Rule, services: Services
) -> Asked | Unanswerable:
    """Find out what a request asks for, and in whose name."""
    fields, identity = scope["headers"], services.identity
    names = frozenset(map(name_of, fields))
    obstacle = _obstacle(scope["method"], fields, names)
    if obstacle is not None:
        return Unanswerable("bypass", obstacle, receive)
    directives = parse_request(fields)
    if directives.no_store and rule.client_bypass:
        return Unanswerable("request", "no-store", receive)
    method, body = scope["method"], b""
    receive = BufferedReceive(receive)
    if method == "POST":
        content = await receive.body(BODY_LIMIT)
        if content is None:
            return Unanswerable("bypass", "request-body", receive)
        body = content
    credentials = identity.credentials(fields, cookies=rule.cookies == "safe")
    partitioned = target.is_partitioned
    try:
        if identity.asks_the_app:
            whose = await identity.partition(scope, credentials)
        elif partitioned or identity.knows(scope):
            whose = identity.partition_at_hand(scope, credentials)
        else:
            whose = NOBODY
    except Exception as error:  # noqa: BLE001 - the app's own function may cost no request
        services.tell("user-id-failed", error, route=target.pattern)
        return Unanswerable("bypass", "user-id-error", receive)
    partition = whose if partitioned else NOBODY
    if partition and not await _may_see(services, scope, target):
        return Unanswerable("bypass", "unauthorized", receive)
    somebody = bool(credentials) or whose != NOBODY
    until = identity.until(fields) if partition else inf
    request = Request(method, fields, directives, somebody, partitioned, target.url, until)
    content = b"POST:" + _content_digest(fields, body) if method == "POST" else b"GET"
    if target.key is None or partition or rule.vary or not names.isdisjoint(FORWARDED):
        key = primary_key(target.state, rule, fields, content, partition)
    else:
        key = target.key
    return Asked(request, rule, target, key, partition, receive, body)


async def _may_see(services: Services, scope: Scope, target: Target) -> bool:
    try:
        return await services.identity.may_see(scope)
    except Exception as error:  # noqa: BLE001 - as above
        services.tell("authorize-failed", error, route=target.pattern)
        return False


def primary_key(
    line: blake2b, rule: Rule, fields: Fields, content: bytes, partition: bytes
) -> bytes:
    """Return the primary key: what the line asks for, *content*, some fields, and for whom."""
    forwarded = FORWARDED.intersection(map(name_of, fields))
    if not forwarded and not rule.vary:  # as is so for most
        return digest((content, partition), after=line)
    varying = names_in_key(rule, forwarded)
    selecting = [part for name in varying for part in (name, selecting_value(fields, name))]
    return digest([content, *selecting, partition], after=line)


def names_in_key(rule: Rule, forwarded: frozenset[bytes]) -> list[bytes]:
    """Return the names of the fields that are part of a key, of which *forwarded* are present."""
    return [*sorted(forwarded), *(name.lower().encode() for name in rule.vary)]


def _obstacle(method: str, fields: Fields, names: frozenset[bytes]) -> str | None:
    """Say what makes it unsafe, or of no use, to answer such a request from a store."""
    if not names.isdisjoint(OVERRIDES):
        return "override-field"
    if not names.isdisjoint(PRECONDITIONS if method != "POST" else ALL_CONDITIONS):
        return "precondition"
    if method != "POST" and _has_body(fields, names):
        return "request-body"
    return None


def _content_digest(fields: Fields, body: bytes) -> bytes:
    """Digest a body with the fields that say what its bytes mean."""
    return digest([body, *(selecting_value(fields, name) for name in ABOUT_BODY)])


def _has_body(fields: Fields, names: frozenset[bytes]) -> bool:
    """Whether a request of a method that needs none brings content all the same."""
    if b"transfer-encoding" in names:
        return True
    return b"content-length" in names and combined(fields, b"content-length") != b"0"
