"""The projects that are compared, and what pip is asked for."""

from __future__ import annotations

from dataclasses import dataclass

BESIDE = "starlette>=1.10"
"""A peer that cannot be installed beside a current Starlette is not compared."""
SERVED_BY = ("httptools>=0.9", "uvicorn>=0.54", "uvloop>=0.23")
"""What its speed is measured with."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A project, named as on PyPI, with the release that was read for its adapter."""

    name: str
    version: str = ""
    extras: str = ""
    needs: tuple[str, ...] = (BESIDE,)
    needs_redis: bool = False
    stores: tuple[str, ...] = ("memory",)
    """What it can store in, and has an adapter for; the first is its own choice.

    The others are given to the adapter as its option.
    """

    @property
    def adapter(self) -> str:
        """The module that puts it in front of an app."""
        return "benchmarks.peers.adapters." + self.name.replace("-", "_")

    @property
    def requirements(self) -> tuple[str, ...]:
        """What is installed; nothing for this project itself, which runs from its sources."""
        if not self.version:
            return ()
        return (f"{self.name}{self.extras}=={self.version}", *self.needs, *SERVED_BY)


CANDIDATES = (
    Candidate("asgi-cache"),
    Candidate(
        "fastapi-cache2",
        "0.2.2",
        extras="[redis]",
        needs=(BESIDE, "jinja2"),
        stores=("memory", "redis"),
    ),
    Candidate("fastapi-cachex", "0.5.1", extras="[redis]", stores=("memory", "redis")),
    Candidate("fastapi-redis-sdk", "0.9.1", needs_redis=True, stores=("redis",)),
    Candidate(
        "cashews",
        "7.6.0",
        extras="[redis,speedup]",
        needs=(BESIDE, "fastapi"),
        stores=("memory", "redis", "redis-with-copies"),
    ),
    Candidate("hishel", "2.0.0", extras="[async,redis]", stores=("sqlite", "redis")),
    Candidate("litestar", "2.25.0", extras="[redis]", needs=(), stores=("memory", "redis")),
    Candidate("starlette-caches", "0.4.1"),
    Candidate("asgi-caches", "0.3.1"),
)
