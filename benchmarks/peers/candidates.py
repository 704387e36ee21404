"""The projects that are compared, and what pip is asked for."""

from __future__ import annotations

from dataclasses import dataclass

BESIDE = "starlette>=1.10"
"""A peer that cannot be installed beside a current Starlette is not compared."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A project, named as on PyPI, with the release that was read for its adapter."""

    name: str
    version: str = ""
    extras: str = ""
    needs: tuple[str, ...] = (BESIDE,)
    needs_redis: bool = False

    @property
    def adapter(self) -> str:
        """The module that puts it in front of an app."""
        return "benchmarks.peers.adapters." + self.name.replace("-", "_")

    @property
    def requirements(self) -> tuple[str, ...]:
        """What is installed; nothing for this project itself, which runs from its sources."""
        return (f"{self.name}{self.extras}=={self.version}", *self.needs) if self.version else ()


CANDIDATES = (
    Candidate("asgi-cache"),
    Candidate("fastapi-cache2", "0.2.2", needs=(BESIDE, "jinja2")),
    Candidate("fastapi-cachex", "0.5.1"),
    Candidate("fastapi-redis-sdk", "0.9.1", needs_redis=True),
    Candidate("cashews", "7.6.0", needs=(BESIDE, "fastapi")),
    Candidate("hishel", "2.0.0", extras="[async]"),
    Candidate("litestar", "2.25.0", needs=()),
    Candidate("starlette-caches", "0.4.1"),
    Candidate("asgi-caches", "0.3.1"),
)
