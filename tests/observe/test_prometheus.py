"""What Prometheus reads of a cache is what was counted."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest, make_asgi_app
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strictly
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.observe.metrics import METRICS
from asgi_cache.observe.prometheus import PrometheusCollector
from asgi_cache.observe.stats import MemoryStats, ServerStats, StoreStats
from tests.bare import App, Response, ask
from tests.observe.load import LOAD, after_the_load
from tests.observe.test_stats import ROUTE, STATS, TIMES

RULES = {"/a": 60, "/b/{id}": 60}


def registry(*caches):
    registry = CollectorRegistry(auto_describe=True)
    registry.register(PrometheusCollector(*caches))
    return registry


def samples(text):
    """Return every sample by its name and labels."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found, name, cache="asgi-cache", **labels):
    return found[(name, *sorted({"cache": cache, **labels}.items()))]


def test_what_is_scraped_is_what_was_answered():
    """Of 10,000 requests over 20 routes each is in the text that is scraped, and none is lost."""
    cache, asked, said = after_the_load()
    found = samples(generate_latest(registry(cache)).decode())
    counted = {
        tuple(dict(labels)[name] for name in ("route", "result", "status")): count
        for (name, *labels), count in found.items()
        if name == "asgi_cache_requests_total"
    }
    assert counted == {
        (pattern, result, "0" if result == "passed" else str(status)): count
        for (pattern, result, status), count in said.items()
    }
    assert sum(counted.values()) == LOAD
    for route in asked:
        mine = {result: n for (pattern, result, _), n in said.items() if pattern == route}
        answered_here = sum(
            n for (p, result, _), n in said.items() if p == route and result in {"hit", "stale"}
        )
        if answered_here:
            name = "asgi_cache_cached_response_seconds_count"
            assert value(found, name, route=route) == answered_here
        if "miss" in mine:
            stored = sum(n for (p, r, _), n in said.items() if (p, r) == (route, "miss"))
            name = "asgi_cache_forwarded_response_seconds_count"
            assert value(found, name, route=route) == stored
            assert value(found, name.replace("_count", "_bucket"), route=route, le="+Inf") == stored


class Counted:
    """A cache that has counted what a test says."""

    def __init__(self, stats, namespace="asgi-cache"):
        self.settings = Cache(namespace=namespace).settings
        self.observer = Cache().observer
        self._stats = stats

    def stats(self):
        return self._stats


FULL = replace(
    STATS,
    routes=(replace(ROUTE, app=TIMES, forwarded=TIMES),),
    store=StoreStats(
        "tiered",
        entries=2,
        bytes=300,
        budget=1000,
        evicted=3,
        expired=4,
        too_large=5,
        server=ServerStats(
            operations=7,
            failures={"timeout": 1, "lost": 2},
            breaker="open",
            opened=1,
            corrupt=5,
            forged=2,
            unacknowledged=6,
            memory=MemoryStats(10, 20, 30),
        ),
    ),
)


def test_every_metric_is_exposed():
    """Each metric of the list is there, by its name and with its labels, and nothing else."""
    found = samples(generate_latest(registry(Counted(FULL))).decode())
    endings = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
    expected = {m.exposed + ending for m in METRICS for ending in endings[m.kind]}
    assert {name for name, *_ in found} == expected
    for metric in METRICS:
        for name, *labels in found:
            if name == metric.exposed:
                assert {n for n, _ in labels} == {"cache", *metric.labels}


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        pytest.param("evictions_total", {"reason": "evicted"}, 3, id="evicted"),
        pytest.param("evictions_total", {"reason": "expired"}, 4, id="expired"),
        pytest.param("evictions_total", {"reason": "too_large"}, 5, id="too-large"),
        pytest.param("memory_entries", {}, 2, id="entries"),
        pytest.param("memory_bytes", {}, 300, id="bytes"),
        pytest.param("memory_budget_bytes", {}, 1000, id="budget"),
        pytest.param("store_operations_total", {}, 7, id="operations"),
        pytest.param("store_failures_total", {"kind": "lost"}, 2, id="failures"),
        pytest.param("breakers", {"state": "open"}, 1, id="open"),
        pytest.param("breakers", {"state": "closed"}, 0, id="closed"),
        pytest.param("undecodable_records_total", {"reason": "corrupt"}, 3, id="corrupt"),
        pytest.param("undecodable_records_total", {"reason": "forged"}, 2, id="forged"),
        pytest.param("unacknowledged_purges", {}, 6, id="unacknowledged"),
        pytest.param("redis_memory_bytes", {}, 10, id="redis-memory"),
        pytest.param("redis_memory_limit_bytes", {}, 20, id="redis-limit"),
        pytest.param("redis_evicted_keys", {}, 30, id="redis-evicted"),
        pytest.param("values_total", {"result": "hit"}, 2, id="values"),
        pytest.param("public_conflicts_total", {"route": "/a"}, 1, id="conflicts"),
        pytest.param("served_bytes_total", {"route": "/a"}, 700, id="served"),
        pytest.param("stored_bytes_total", {"route": "/a"}, 100, id="stored"),
        pytest.param("cached_response_seconds_sum", {"route": "/a"}, 0.004, id="sum"),
        pytest.param("cached_response_seconds_bucket", {"route": "/a", "le": "5e-05"}, 0, id="0"),
        pytest.param("cached_response_seconds_bucket", {"route": "/a", "le": "0.00025"}, 3, id="3"),
    ],
)
def test_what_is_counted_where(name, labels, expected):
    """Each count is under the name and the labels that the list gives it."""
    found = samples(generate_latest(registry(Counted(FULL))).decode())
    assert value(found, f"asgi_cache_{name}", **labels) == expected


def test_openmetrics_has_no_complaint():
    """The stricter of the two formats can be written and read."""
    assert len([*strictly(openmetrics(registry(Counted(FULL))).decode())]) == len(METRICS)


def test_several_caches_share_a_registry():
    """Caches are told apart by their namespaces."""
    caches = [Counted(FULL), Counted(replace(FULL, purges=9), "other")]
    found = samples(generate_latest(registry(*caches)).decode())
    assert value(found, "asgi_cache_purges_total") == 3
    assert value(found, "asgi_cache_purges_total", cache="other") == 9


def test_caches_of_one_name_are_refused():
    """Counts of two caches that nobody could tell apart are not exposed."""
    with pytest.raises(ValueError, match="two caches are called 'asgi-cache'"):
        PrometheusCollector(Counted(FULL), Counted(FULL))


def test_a_second_collector_in_a_registry_is_refused():
    """One collector has all caches of a registry, or each metric would be there twice."""
    both = registry(Counted(FULL))
    with pytest.raises(ValueError, match="Duplicated"):
        both.register(PrometheusCollector(Counted(FULL, "other")))


@pytest.mark.anyio
@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
async def test_it_is_mounted(framework):
    """Prometheus scrapes the app itself; a scrape is a request like any that is passed."""
    cache = Cache(rules=RULES)
    metrics = make_asgi_app(registry(cache))
    if framework == "fastapi":
        app = FastAPI()
        app.get("/a")(lambda: "a")
        app.mount("/metrics", metrics)
    else:
        app = Starlette(routes=[Mount("/metrics", metrics), Mount("/", App(Response()))])
    app.add_middleware(CacheMiddleware, cache=cache)
    for _ in range(3):
        await ask(app, "/a")
    found = samples((await ask(app, "/metrics/")).body.decode())
    name = "asgi_cache_requests_total"
    assert value(found, name, route="/a", result="miss", status="200") == 1
    assert value(found, name, route="/a", result="hit", status="200") == 2


@pytest.mark.anyio
async def test_a_scrape_in_another_thread_waits_for_a_turn_of_the_loop():
    """Counts are read between two turns, though the scrape is in a thread of its own."""
    cache = Cache(rules=RULES)
    threads = []

    class Noting:
        settings, observer = cache.settings, cache.observer

        def stats(self):
            return cache.stats()

    looked = cache._services.flights.stats
    cache._services.flights.stats = lambda: threads.append(threading.get_ident()) or looked()
    await ask(CacheMiddleware(App(), cache=cache), "/a")
    text = await asyncio.to_thread(generate_latest, registry(Noting()))
    assert b'route="/a"' in text
    assert {*threads} == {threading.get_ident()}


@pytest.mark.anyio
async def test_a_loop_that_stands_still_is_not_waited_for(monkeypatch):
    """A thread that the loop waits for gets its counts all the same."""
    monkeypatch.setattr("asgi_cache.threads.STANDSTILL", 0.01)
    cache, found = Cache(rules=RULES), []
    await ask(CacheMiddleware(App(), cache=cache), "/a")
    thread = threading.Thread(target=lambda: found.append(cache.stats()))
    thread.start()
    thread.join()
    assert found[0].routes[0].total == 1


@pytest.mark.anyio
async def test_what_fails_in_the_loop_is_raised_in_the_thread():
    """Who asks in another thread hears of an error."""
    cache = Cache(rules=RULES)
    await ask(CacheMiddleware(App(), cache=cache), "/a")

    def broken():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await asyncio.to_thread(cache._threads.look, broken)
