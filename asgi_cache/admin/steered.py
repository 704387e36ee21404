"""What the admin API needs of the cache that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from asgi_cache.advisor.advice import Advice
from asgi_cache.config import Settings
from asgi_cache.explaining import Explanation
from asgi_cache.observe.stats import Stats
from asgi_cache.outcome import Outcome
from asgi_cache.stores.base import Store


class Steered(Protocol):
    """A cache, as far as it is steered here; see `Cache`."""

    store: Store
    settings: Settings

    def stats(self) -> Stats:
        """Return what it has counted."""
        ...

    def advise(self) -> Advice:
        """Say what to store, and for how long."""
        ...

    async def explain(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        user: str | int | None = None,
        status: int = 200,
        answered: Mapping[str, str] | None = None,
    ) -> Explanation:
        """Say what would become of a request."""
        ...

    async def warm(
        self,
        url: str,
        *,
        user: str | int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Have a response made and stored."""
        ...
