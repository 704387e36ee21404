"""The figures at the end: what a route costs with and without the cache."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final

from asgi_cache.demo.client import Client
from asgi_cache.demo.database import User
from asgi_cache.demo.walk import Tour, expect_hit, expect_miss

RUNS: Final = 5
"""Runs of the app that are measured for each route."""

HITS: Final = 50
"""Hits that are measured for each route."""

HEADING: Final = (
    f"   {'route':<20}{'app, ms':>9}{'hit, ms':>9}{'faster':>9}{'requests':>12}{'handler runs':>15}"
)

FOOT: Final = f"   Medians of {RUNS} runs of the app and of {HITS} hits, by the client's clock."


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one route."""

    route: str
    app_ms: float
    hit_ms: float
    requests: int
    """All GET and HEAD requests since the server's start."""
    runs: int

    def __str__(self) -> str:
        faster = f"{self.app_ms / self.hit_ms:,.0f} ×"
        return (
            f"   {self.route:<20}{self.app_ms:>9.1f}{self.hit_ms:>9.2f}{faster:>9}"
            f"{self.requests:>12}{self.runs:>15}"
        )


def measure(tour: Tour) -> list[Row]:
    """Measure the routes that are cached: what the app takes, and what the store takes."""
    asked = (
        ("/tasks", "/tasks", tour.bob),
        ("/tasks/{task_id}", tour.task, tour.alice),
        ("/stats", "/stats", None),
    )
    return [_measure(tour.client, route, path, user) for route, path, user in asked]


def _measure(client: Client, route: str, path: str, user: User | None) -> Row:
    forced = [client.ask("GET", path, user, {"cache_control": "no-cache"}) for _ in range(RUNS)]
    hits = [client.ask("GET", path, user) for _ in range(HITS)]
    for answer in forced[1:]:  # before the first one, perhaps nothing was stored
        expect_miss(answer, reason="request")
    for answer in hits:
        expect_hit(answer)
    return Row(
        route,
        median(answer.ms for answer in forced),
        median(answer.ms for answer in hits),
        sum(answer.method in {"GET", "HEAD"} for answer in client.answers[route]),
        client.handler_runs()[f"GET {route}"],
    )
