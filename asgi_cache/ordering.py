"""Purges that somebody orders: from what they name to the log."""

from __future__ import annotations

from typing import Unpack

from asgi_cache.selecting import Named, Selected, Selection, Selectors
from asgi_cache.services import Services


class Orders:
    """Has purges recorded, and remembered with who ordered them."""

    def __init__(self, selectors: Selectors, services: Services) -> None:
        self._selectors = selectors
        self._services = services

    def selection(self, named: Named) -> Selection:
        """Return what is *named*.

        Raises:
            NamesNothing: Nothing is, or something that could not be there.
        """
        selectors = {*Selected.__annotations__, "everything"}
        return self._selectors.select(**{n: v for n, v in named.items() if n in selectors})  # type: ignore[arg-type]

    async def purge(self, by: str = "app", **named: Unpack[Named]) -> None:
        """Void what is *named*, in every process; see `Cache.purge`.

        Raises:
            PurgeNotAcknowledged: It could not be recorded in time.
            ValueError: Nothing was named, or something that could not be there.
        """
        selected, services = self.selection(named), self._services
        soft, all_of = named.get("soft", False), named.get("all_of", False)
        soft_at = services.clock() if soft else None
        with services.observer.purging(selected.words, soft=soft, all_of=all_of, by=by):
            await services.holdings.purge(
                selected.names, all_of=all_of, soft_at=soft_at, wait=named.get("wait", False)
            )
