"""What the tests of the middleware share: a clock that stands still, and a cache on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asgi_cache import CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import App, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cached(clock: Clock) -> Callable[..., CacheMiddleware]:
    """Wrap an app in a cache whose time is the fixture's."""

    def wrap(app: Any = None, **options: Any) -> CacheMiddleware:
        options.setdefault("store", MemoryStore(clock=clock))
        return CacheMiddleware(app or App(), clock=clock, **options)

    return wrap
