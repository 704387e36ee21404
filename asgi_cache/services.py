"""What all exchanges of one cache share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Message

from asgi_cache.advisor.watching import Watcher
from asgi_cache.conflicts import Conflicts
from asgi_cache.fill_rate import FillRate
from asgi_cache.flights import Flights
from asgi_cache.holdings import Holdings
from asgi_cache.identity import Identity
from asgi_cache.lease import Unreleased
from asgi_cache.observe.events import Tell
from asgi_cache.observe.observer import Observer
from asgi_cache.targets import Targets
from asgi_cache.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a cache, put together."""

    holdings: Holdings
    identity: Identity
    targets: Targets
    flights: Flights
    unreleased: Unreleased
    fill_rate: FillRate
    throttle: Throttle
    observer: Observer
    watcher: Watcher
    conflicts: Conflicts
    clock: Callable[[], float]
    targeted: tuple[bytes, ...]
    """Names of the fields that are heard before ``Cache-Control`` (RFC 9213)."""
    name: bytes | None
    """What the cache calls itself in ``Cache-Status``; ``None``: it says nothing."""
    hidden: frozenset[bytes]
    """Names of the fields that are for caches and that clients do not see."""

    @property
    def tell(self) -> Tell:
        """Tells of what happens."""
        return self.observer.tell

    def shown(self, message: Message) -> Message:
        """Return a response's head as clients may see it."""
        fields = message.get("headers", ())
        if self.hidden.isdisjoint(name.lower() for name, _ in fields):
            return message
        kept = [(name, value) for name, value in fields if name.lower() not in self.hidden]
        return {**message, "headers": kept}
