"""What the tests of counts and logs share: a clock that stands still, and a cache on it."""

from __future__ import annotations

from tests.middleware.conftest import cached, clock

__all__ = ["cached", "clock"]
