"""What those who pass counts on need of a cache."""

from __future__ import annotations

from typing import Protocol

from asgi_cache.observe.observer import Observer
from asgi_cache.observe.stats import Stats


class Named(Protocol):
    """The settings by which a cache is told from others."""

    @property
    def namespace(self) -> str:
        """What keeps it apart from others in one store."""
        ...


class Source(Protocol):
    """What is measured: a `Cache`."""

    @property
    def settings(self) -> Named:
        """How it was made."""
        ...

    @property
    def observer(self) -> Observer:
        """What counts in it, and knows when it is in use."""
        ...

    def stats(self) -> Stats:
        """Return what it has counted, in whatever thread this is."""
        ...
