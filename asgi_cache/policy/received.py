"""What arrives in answer to a request, as all that decides about it sees it."""

from __future__ import annotations

from asgi_cache.policy.freshness import Freshness, freshness
from asgi_cache.policy.message import Request, Response
from asgi_cache.policy.rule import Rule
from asgi_cache.values import value


@value
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
        """Its freshness lifetime in seconds, which the right to see it may cut short."""
        return min(self.freshness.lifetime, max(0.0, self.request.until - self.arrived_at))

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
