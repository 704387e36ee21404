"""The real server that the simulated one is compared with."""

from __future__ import annotations

from tests.redis_server import redis_server

__all__ = ["redis_server"]
