"""What became of one request: the one object that header, logs, metrics and tests read."""

from __future__ import annotations

from dataclasses import dataclass


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
