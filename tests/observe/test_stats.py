"""What was counted, written down, and what follows from it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from asgi_cache.observe.histogram import BOUNDS, Histogram
from asgi_cache.observe.stats import (
    LogStats,
    MemoryStats,
    RouteStats,
    ServerStats,
    Stats,
    StoreStats,
)
from asgi_cache.observe.summary import summary

TIMES = Histogram([0, 2, 1] + [0] * 15, 0.004)
ROUTE = RouteStats(
    "/a", {"hit": {200: 6, 304: 1}, "miss": {200: 1}, "passed": {0: 2}}, 700, 1, 0, 100, TIMES
)
SERVER = ServerStats(operations=5, breaker="open", opened=1, memory=MemoryStats(10, 0, 3))
STATS = Stats(
    at=1000.0,
    uptime=60.0,
    process="a:1",
    routes=(ROUTE,),
    values={"hit": 2},
    store=StoreStats("tiered", 1, 100, 1000, server=SERVER),
    log=LogStats(position=2**64, bound=0.1),
    purges=3,
    public_conflicts={"/a": 1},
)


def test_they_can_be_written_as_json():
    """Names and numbers are JSON, with the bounds that the counts of histograms belong to."""
    written = json.loads(json.dumps(STATS.to_plain()))
    assert written["bounds"] == list(BOUNDS)
    (route,) = written["routes"]
    assert route["requests"]["hit"] == {"200": 6, "304": 1}
    assert written["log"]["position"] == "18446744073709551616"
    assert route["cached"] == {"counts": TIMES.counts, "sum": TIMES.total}
    assert written["store"]["server"]["memory"] == {"used": 10, "limit": 0, "evicted_keys": 3}


def test_ratios_and_times():
    """The ratio is of the requests that were the cache's business; times are milliseconds."""
    said = summary(STATS)
    assert said["totals"] == {
        "requests": 10,
        "results": {"hit": 7, "miss": 1, "passed": 2},
        "hit_ratio": 7 / 8,
        "bytes_served": 700,
        "bytes_stored": 100,
        "seconds_saved": 0.0,
    }
    (route,) = said["routes"]
    assert route["cached_ms"]["count"] == 3
    assert route["cached_ms"]["mean"] == pytest.approx(4 / 3)
    assert route["app_ms"] is None


def test_what_is_saved():
    """Each answer from the store saves the app's average time, less what it took itself."""
    app = Histogram([0] * 8 + [2] + [0] * 9, 0.04)
    assert replace(ROUTE, app=app).seconds_saved == pytest.approx(3 * 0.02 - 0.004)
    assert ROUTE.seconds_saved == 0.0


def test_nothing_counted_has_no_ratio():
    """Where no request was the cache's business, there is no part of them."""
    assert RouteStats("/a", {"passed": {0: 3}}).hit_ratio is None
