"""What all exchanges of one cache share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asgi_cache.holdings import Holdings
from asgi_cache.identity import Identity
from asgi_cache.refresh import Refresher
from asgi_cache.targets import Targets


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a cache, put together."""

    holdings: Holdings
    identity: Identity
    targets: Targets
    refresher: Refresher
    clock: Callable[[], float]
    targeted: tuple[bytes, ...]
    """Names of the fields that are heard before ``Cache-Control`` (RFC 9213)."""
    name: bytes | None
    """What the cache calls itself in ``Cache-Status``; ``None``: it says nothing."""
