"""What was counted, written down, read back and added up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.merging import merged
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
    log=LogStats(position=7, bound=0.1),
    purges=3,
    public_conflicts={"/a": 1},
)


def test_they_can_be_written_and_read():
    """JSON brings back what was written."""
    text = json.dumps(STATS.to_plain())
    assert Stats.from_plain(json.loads(text)).to_plain() == STATS.to_plain()


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"bounds": [1, 2]}, id="other-bounds"),
        pytest.param({**STATS.to_plain(), "routes": [{}]}, id="a-route-of-nothing"),
        pytest.param({**STATS.to_plain(), "at": None}, id="no-time"),
    ],
)
def test_what_is_no_count_is_refused(plain):
    """Other JSON is refused, in words."""
    with pytest.raises(ValueError, match="no counts of a cache"):
        Stats.from_plain(plain)


def test_processes_add_up():
    """Counts add up, the latest time counts, and the worst state of a breaker."""
    other = replace(
        STATS,
        at=2000.0,
        process="b:2",
        routes=(ROUTE, RouteStats("/b", {"miss": {200: 1}})),
        store=replace(STATS.store, server=replace(SERVER, breaker="closed")),
    )
    both = merged([STATS, other])
    assert (both.at, both.process, both.processes) == (2000.0, "a:1, b:2", 2)
    assert [(each.route, each.total) for each in both.routes] == [("/a", 20), ("/b", 1)]
    assert both.routes[0].cached.counts[1] == 4
    assert (both.store.entries, both.store.kind) == (2, "tiered")
    assert both.store.server.breaker == "open"
    assert both.store.server.memory == MemoryStats(10, 0, 3)
    assert (both.purges, both.log.position, both.public_conflicts) == (6, 7, {"/a": 2})


def test_one_process_is_itself():
    """What nothing is added to stays as it is."""
    assert merged([STATS]) is STATS
    alone = replace(STATS, store=replace(STATS.store, server=None))
    assert merged([alone, STATS]).store.server == SERVER
    assert merged([STATS, alone]).store.server == SERVER


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
