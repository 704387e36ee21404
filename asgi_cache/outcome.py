"""What became of one request: the one object that header, logs, metrics and tests read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from asgi_cache.policy.status import NOT_MODIFIED

PASSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request-body": "is a GET or HEAD with a body, or a POST with one too large to be part of "
        "a key",
        "precondition": "has `If-Match` or `If-Unmodified-Since`, which only the app can "
        "evaluate; or is a POST with any condition",
        "override-field": "has `X-HTTP-Method-Override`, `X-Original-URL` or the like",
        "user-id-error": "is of nobody knows whom: `user_id` failed, or a verified user has no "
        "identity; the log says more",
        "max-user-fills": "is for something that is not stored, and the `max_user_fills` of this "
        "second are used up for this user",
        "max-fills": "is for something that is not stored, and the rule's `max_fills` of this "
        "second are used up",
        "max-flights": "would have made the app run for all who ask meanwhile, but `max_flights` "
        "such runs are under way: it has one of its own, which is stored as any",
        "unauthorized": "is a user's who may not see what is stored for them: `authorize` said "
        "so, or failed",
        "no-store": "is marked `no-store` (RFC 9111, section 5.2.1.5)",
        "store-unavailable": "found the store out of reach",
        "store-open": "did not ask the store, which has failed several times in a row: its "
        "circuit breaker is open",
    }
)
"""What ``detail`` says of a request that goes past the store; it completes "the request …"."""


RESULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hit": "answered from the store, with a fresh response",
        "stale": "answered from the store, with a stale response",
        "revalidated": "answered from the store, after the app had said that it is still good",
        "collapsed": "answered by a run of the app that another request had begun",
        "miss": "answered by the app; the response is stored, unless it breaks off",
        "uncacheable": "answered by the app; the response is not stored",
        "bypass": "answered by the app, past what is stored, as the request or the store required",
        "refused": "answered with 504, as the client wants the app left alone",
        "failed": "not answered: the app raised, or the client left",
        "passed": "left to the app untouched: there is nothing to be stored or answered from here",
    }
)
"""What a request can come to, which is one of these; each completes "the request was …"."""

PAST: Final = frozenset({"bypass", "request"})
"""Reasons for asking the app that are not for the store to tell (RFC 9211, section 2.2)."""


@dataclass(slots=True)
class Outcome:
    """How a request was answered, in the words of ``Cache-Status`` (RFC 9211, section 2)."""

    status: int | None = None
    """What the client was sent."""
    hit: bool = False
    """It was answered from the store, the app was not asked."""
    ttl: float | None = None
    """Seconds that the response served remains fresh; negative if it is stale."""
    forwarded: str | None = None
    """Why the app was asked: one of the reasons of RFC 9211, section 2.2."""
    forward_status: int | None = None
    """What the app answered, where that is not what the client was sent."""
    stored: bool = False
    """The app's response is being stored."""
    collapsed: bool = False
    """It was answered by a run of the app that another request had begun."""
    detail: str | None = None
    """More about it, in one token."""

    @property
    def result(self) -> str:
        """What the request came to, in one word: one of `RESULTS`."""
        if self.forwarded is None and not self.hit:
            return "refused" if self.detail == "only-if-cached" else "passed"
        if self.status is None:
            return "failed"
        if self.hit:
            return "hit" if self.ttl is None or self.ttl > 0 else "stale"
        if self.detail == "stale-if-error" and self.ttl is not None:
            return "stale"
        if self.collapsed:
            return "collapsed"
        if self.forward_status == NOT_MODIFIED:
            return "revalidated"
        if self.forwarded in PAST and not self.stored:
            return "bypass"
        return "miss" if self.stored else "uncacheable"

    def cache_status(self, cache: bytes) -> bytes:
        """Render the field's value for a cache that goes by the name *cache*."""
        return b"; ".join([cache, *self._parameters()])

    def _parameters(self) -> list[bytes]:
        parameters = []
        if self.hit:
            parameters.append(b"hit")
        if self.forwarded is not None:
            parameters.append(b"fwd=" + self.forwarded.encode())
        if self.forward_status is not None:
            parameters.append(b"fwd-status=%d" % self.forward_status)
        if self.ttl is not None:
            parameters.append(b"ttl=%d" % int(self.ttl // 1))
        if self.stored:
            parameters.append(b"stored")
        if self.collapsed:
            parameters.append(b"collapsed")
        if self.detail is not None:
            parameters.append(b"detail=" + self.detail.encode())
        return parameters
