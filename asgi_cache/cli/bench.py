"""``asgi-cache bench``: a URL's response times with the cache, and without it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from rich.table import Table

from asgi_cache.cli.addresses import check_address, unusable
from asgi_cache.cli.answers import outcome_of
from asgi_cache.cli.crowd import crowd
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, percent, said, seconds, table
from asgi_cache.observe.stats import hit_ratio
from asgi_cache.stores.urls import shown

_TIMEOUT: Final = 30.0


@dataclass
class _Measured:
    """What came of the requests of one kind."""

    requests: int
    took: list[float] = field(default_factory=list[float])
    """Seconds of each, from its first byte sent to its last byte received."""
    statuses: Counter[int] = field(default_factory=Counter[int])
    results: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        self.took.sort()
        return {
            "requests": self.requests,
            "answered": len(self.took),
            "seconds": self.seconds,
            "per_second": len(self.took) / self.seconds,
            "p50_ms": self._milliseconds(0.5),
            "p99_ms": self._milliseconds(0.99),
            "hit_ratio": hit_ratio(self.results),
            "results": dict(self.results),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "errors": dict(self.errors),
        }

    def _milliseconds(self, part: float) -> float | None:
        if not self.took:
            return None
        return 1000 * self.took[min(len(self.took) - 1, int(part * len(self.took)))]


def bench(given: Given, screen: Screen) -> int:
    """Measure a URL both ways."""
    check_address(given.address)
    cached, bypassed = asyncio.run(_both(given))
    plain = {"url": given.address, "with": cached.plain(), "without": bypassed.plain()}
    screen.answer(
        plain, _table(plain), *(said(note, "yellow") for note in _notes(cached, bypassed))
    )
    return Exit.NO if cached.errors or bypassed.errors else Exit.DONE


def _notes(cached: _Measured, bypassed: _Measured) -> Iterator[str]:
    """Yield what makes the figures mean less than it seems."""
    statuses = cached.statuses + bypassed.statuses
    errors = sorted(status for status in statuses if status >= 400)
    if errors:
        count, which = sum(statuses[status] for status in errors), ", ".join(map(str, errors))
        yield f"{count:,} of {statuses.total():,} answers were errors ({which})."
    # An error may be made outside the cache, such as that of an app which has raised.
    if set(cached.results) == {"passed"} and any(status < 400 for status in cached.statuses):
        yield "No answer had a Cache-Status: no cache was at work here."


async def _both(given: Given) -> tuple[_Measured, _Measured]:
    """Measure with the cache first, which a request that is not measured may have to fill."""
    limits = httpx.Limits(max_connections=given.concurrency)
    async with httpx.AsyncClient(limits=limits, timeout=_TIMEOUT, headers=given.header) as client:
        first = _Measured(1)
        await _ask(client, given.address, {}, first)
        if first.errors:
            (why,) = first.errors
            raise Failure(Exit.UNREACHABLE, f"nothing answers at {shown(given.address)} ({why})")
        cached = await _measure(client, given, {})
        return cached, await _measure(client, given, {"Cache-Control": "no-cache"})


async def _measure(client: httpx.AsyncClient, given: Given, fields: dict[str, str]) -> _Measured:
    measured, numbers = _Measured(given.requests), iter(range(given.requests))

    async def one_client() -> None:
        for _ in numbers:
            await _ask(client, given.address, fields, measured)

    began_at = time.perf_counter()
    await crowd(given.concurrency, one_client)
    measured.seconds = time.perf_counter() - began_at
    return measured


async def _ask(
    client: httpx.AsyncClient, url: str, fields: dict[str, str], measured: _Measured
) -> None:
    began_at = time.perf_counter()
    try:
        answer = await client.get(url, headers=fields)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise unusable(url, error) from error
    except httpx.HTTPError as error:
        measured.errors[str(error) or type(error).__name__] += 1
        return
    measured.took.append(time.perf_counter() - began_at)
    measured.statuses[answer.status_code] += 1
    measured.results[outcome_of(answer.status_code, answer.headers.get("cache-status")).result] += 1


def _table(plain: dict[str, Any]) -> Table:
    numbers = ("requests/s", "p50", "p99", "hit ratio")
    made = table("", *numbers, "results", right=numbers)
    for name, way in (("with the cache", plain["with"]), ("without it", plain["without"])):
        results = ", ".join(f"{result} {n:,}" for result, n in sorted(way["results"].items()))
        errors = "".join(f"; {n:,} × {error}" for error, n in way["errors"].items())
        made.add_row(
            said(name, "bold"),
            f"{way['per_second']:,.0f}",
            *(_milliseconds(way[part]) for part in ("p50_ms", "p99_ms")),
            percent(way["hit_ratio"]),
            said(results + errors),
        )
    return made


def _milliseconds(value: float | None) -> str:
    return seconds(None if value is None else value / 1000)
