"""What people want to read of the counts: ratios, averages and what the cache saves."""

from __future__ import annotations

from typing import Any, Final

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.stats import RouteStats, Stats, hit_ratio
from asgi_cache.outcome import RESULTS

TIMES: Final = ("cached", "forwarded", "app")


def summary(stats: Stats) -> dict[str, Any]:
    """Return *stats* as JSON has it, with what follows from it in every route and in all."""
    plain = stats.to_plain()
    for route, described in zip(stats.routes, plain["routes"], strict=True):
        described.update(_derived(route))
    return {**plain, "totals": totals(stats)}


def totals(stats: Stats) -> dict[str, Any]:
    """Return what all routes come to."""
    counts = {name: sum(r.results.get(name, 0) for r in stats.routes) for name in RESULTS}
    results = {name: count for name, count in counts.items() if count}
    return {
        "requests": sum(results.values()),
        "results": results,
        "hit_ratio": hit_ratio(results),
        "bytes_served": sum(route.bytes_served for route in stats.routes),
        "bytes_stored": sum(route.bytes_stored for route in stats.routes),
        "seconds_saved": sum(route.seconds_saved for route in stats.routes),
    }


def _derived(route: RouteStats) -> dict[str, Any]:
    times = {f"{name}_ms": in_milliseconds(getattr(route, name)) for name in TIMES}
    return {"hit_ratio": route.hit_ratio, "seconds_saved": route.seconds_saved, **times}


def in_milliseconds(histogram: Histogram) -> dict[str, float] | None:
    """Return how many there were, their mean and their quantiles; nothing if there were none."""
    if histogram.mean is None:
        return None
    quantiles = {"p50": histogram.quantile(0.5) or 0.0, "p99": histogram.quantile(0.99) or 0.0}
    seconds = {"mean": histogram.mean, **quantiles}
    return {"count": histogram.count, **{name: 1000 * each for name, each in seconds.items()}}
