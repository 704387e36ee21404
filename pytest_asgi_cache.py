"""The fixtures of `asgi_cache` for pytest, which loads this module in every run.

It is no part of the package: nothing of that is imported unless a test asks for a fixture, so
that other runs do not wait for it, and coverage of the package itself is measured from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asgi_cache import Cache
    from asgi_cache.testing import Kit


@pytest.fixture
def cache_under_test() -> Cache:
    """Return the cache that `cache_kit` controls: which one, a fixture of the app's tests says."""
    pytest.fail(
        "cache_kit controls your app's Cache: write a fixture cache_under_test that returns it",
        pytrace=False,
    )


@pytest.fixture
def cache_kit(cache_under_test: Cache) -> Iterator[Kit]:
    """Control the cache of the app: empty, in memory, by a clock that this test moves."""
    from asgi_cache.testing import controlled  # noqa: PLC0415 - see above

    with controlled(cache_under_test) as kit:
        yield kit
