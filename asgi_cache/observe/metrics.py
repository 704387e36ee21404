"""Every metric of a cache: one list, for Prometheus, OpenTelemetry, the dashboard and the docs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Final

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.metric import Metric, Read, Sample
from asgi_cache.observe.stats import MemoryStats, RouteStats, ServerStats, Stats

VERSION: Final = version("asgi-cache")

STATES: Final = ("closed", "half-open", "open")
"""Of a circuit breaker."""


def _one(read: Callable[[Stats], float]) -> Read:
    return lambda stats: [((), read(stats))]


def _by_route(read: Callable[[RouteStats], float]) -> Read:
    return lambda stats: [((route.route,), read(route)) for route in stats.routes]


def _times(read: Callable[[RouteStats], Histogram]) -> Read:
    """Read what there is of those routes that have any: each takes twenty lines at every scrape."""
    return lambda stats: [((r.route,), times) for r in stats.routes if (times := read(r)).count]


def _by_key(read: Callable[[Stats], Mapping[str, float]]) -> Read:
    return lambda stats: [((key,), value) for key, value in read(stats).items()]


def _of_server(read: Callable[[ServerStats], float | Histogram]) -> Read:
    """Read what there is only where the store is in a server."""
    return lambda stats: [] if stats.store.server is None else [((), read(stats.store.server))]


def _of_server_by_key(read: Callable[[ServerStats], Mapping[str, float]]) -> Read:
    def samples(stats: Stats) -> Iterable[Sample]:
        server = stats.store.server
        return [] if server is None else [((key,), each) for key, each in read(server).items()]

    return samples


def _of_memory(read: Callable[[MemoryStats], float]) -> Read:
    """Read what there is only where the server has said how it is."""

    def samples(stats: Stats) -> Iterable[Sample]:
        memory = None if stats.store.server is None else stats.store.server.memory
        return [] if memory is None else [((), read(memory))]

    return samples


def _requests(stats: Stats) -> Iterator[Sample]:
    for route in stats.routes:
        for result, counts in route.requests.items():
            for status, count in counts.items():
                yield (route.route, result, str(status)), count


METRICS: Final = (
    Metric(
        "info",
        "gauge",
        "Always 1; the label says which version of asgi_cache this is.",
        lambda _: [((VERSION,), 1.0)],
        ("version",),
        several="max",
    ),
    Metric(
        "requests",
        "counter",
        "Requests, by the rule's pattern, by what they came to, and by the status sent.",
        _requests,
        ("route", "result", "status"),
    ),
    Metric(
        "cached_response",
        "histogram",
        "Response times of what was answered without the app, until the last byte.",
        _times(lambda route: route.cached),
        ("route",),
        "seconds",
    ),
    Metric(
        "forwarded_response",
        "histogram",
        "Response times of what the app was asked for, until the last byte.",
        _times(lambda route: route.forwarded),
        ("route",),
        "seconds",
    ),
    Metric(
        "app_response",
        "histogram",
        "The app's own time for each response that it made.",
        _times(lambda route: route.app),
        ("route",),
        "seconds",
    ),
    Metric(
        "served",
        "counter",
        "Bytes of bodies that were sent to clients by the cache, or through it.",
        _by_route(lambda route: route.bytes_served),
        ("route",),
        "bytes",
    ),
    Metric(
        "stores",
        "counter",
        "Responses that were stored.",
        _by_route(lambda route: route.stored),
        ("route",),
    ),
    Metric(
        "stored",
        "counter",
        "Bytes of the bodies that were stored.",
        _by_route(lambda route: route.bytes_stored),
        ("route",),
        "bytes",
    ),
    Metric(
        "renewals",
        "counter",
        "Stored responses that the app has said are still good.",
        _by_route(lambda route: route.renewed),
        ("route",),
    ),
    Metric(
        "public_conflicts",
        "counter",
        "Responses for every user that turned out to differ by user.",
        _by_key(lambda stats: stats.public_conflicts),
        ("route",),
    ),
    Metric(
        "values",
        "counter",
        "Look-ups of values, by what they came to.",
        _by_key(lambda stats: stats.values),
        ("result",),
    ),
    Metric(
        "purges",
        "counter",
        "Purges that were ordered in this process, invalidations included.",
        _one(lambda stats: stats.purges),
    ),
    Metric(
        "invalidations",
        "counter",
        "Unsafe requests whose success has voided something.",
        _one(lambda stats: stats.invalidations),
    ),
    Metric(
        "deletes",
        "counter",
        "Stored responses that were forgotten one by one.",
        _one(lambda stats: stats.deletes),
    ),
    Metric(
        "fills_refused",
        "counter",
        "Requests that went past the store as a rule's limits of fills were used up.",
        _one(lambda stats: stats.fills_refused),
    ),
    Metric(
        "flights_under_way",
        "gauge",
        "Runs of the app under way that others may join.",
        _one(lambda stats: stats.flights.under_way),
    ),
    Metric(
        "flights",
        "counter",
        "Runs of the app that others could join.",
        _one(lambda stats: stats.flights.begun),
    ),
    Metric(
        "followers",
        "counter",
        "Requests that waited for a run which another request had begun.",
        _one(lambda stats: stats.flights.joined),
    ),
    Metric(
        "flights_refused",
        "counter",
        "Requests that had a run of their own, as max_flights were under way.",
        _one(lambda stats: stats.flights.too_many),
    ),
    Metric(
        "leases",
        "counter",
        "Turns among processes to make a response: taken here, or waited for.",
        _by_key(
            lambda stats: {
                "taken": stats.flights.leases_taken,
                "waited": stats.flights.leases_waited,
            }
        ),
        ("outcome",),
    ),
    Metric(
        "memory_entries",
        "gauge",
        "Records in the memory of this process.",
        _one(lambda stats: stats.store.entries),
    ),
    Metric(
        "memory",
        "gauge",
        "What the records in the memory of this process are counted as.",
        _one(lambda stats: stats.store.bytes),
        unit="bytes",
    ),
    Metric(
        "memory_budget",
        "gauge",
        "What the records in the memory of this process may take; 0: there are none.",
        _one(lambda stats: stats.store.budget),
        unit="bytes",
    ),
    Metric(
        "evictions",
        "counter",
        "Records that left the memory of this process, or were too large for it, by reason.",
        _by_key(
            lambda stats: {
                "evicted": stats.store.evicted,
                "expired": stats.store.expired,
                "too_large": stats.store.too_large,
            }
        ),
        ("reason",),
    ),
    Metric(
        "store_operations",
        "counter",
        "Round trips to the server that were tried.",
        _of_server(lambda server: server.operations),
    ),
    Metric(
        "store_operation",
        "histogram",
        "How long the round trips took that the server answered.",
        _of_server(lambda server: server.seconds),
        unit="seconds",
    ),
    Metric(
        "store_failures",
        "counter",
        "Operations on the server that failed, by kind; circuit-open: it was not tried.",
        _of_server_by_key(lambda server: server.failures),
        ("kind",),
    ),
    Metric(
        "breakers",
        "gauge",
        "Circuit breakers in this state: one for each process.",
        _of_server_by_key(lambda server: {each: float(server.breaker == each) for each in STATES}),
        ("state",),
    ),
    Metric(
        "breaker_openings",
        "counter",
        "How often a circuit breaker has opened.",
        _of_server(lambda server: server.opened),
    ),
    Metric(
        "undecodable_records",
        "counter",
        "Records that were there but were not what had been stored, or not sealed with our keys.",
        _of_server_by_key(
            lambda server: {"corrupt": server.corrupt - server.forged, "forged": server.forged}
        ),
        ("reason",),
    ),
    Metric(
        "unacknowledged_purges",
        "gauge",
        "Purges that wait for the log to take them.",
        _of_server(lambda server: server.unacknowledged),
    ),
    Metric(
        "redis_memory",
        "gauge",
        "Memory that the server uses, over all nodes, for this cache and all else.",
        _of_memory(lambda memory: memory.used),
        unit="bytes",
        several="mostrecent",
    ),
    Metric(
        "redis_memory_limit",
        "gauge",
        "Memory that the server may use, over all nodes; 0: there is no limit.",
        _of_memory(lambda memory: memory.limit),
        unit="bytes",
        several="mostrecent",
    ),
    Metric(
        "redis_evicted_keys",
        "gauge",
        "Keys that the server had to drop before their time since it was started.",
        _of_memory(lambda memory: memory.evicted_keys),
        several="mostrecent",
    ),
    Metric(
        "log_position",
        "gauge",
        "The last position in the purge log that was read.",
        _one(lambda stats: stats.log.position),
        several="max",
    ),
    Metric(
        "log_changes",
        "counter",
        "How often it has become known that something was purged.",
        _one(lambda stats: stats.log.changes),
    ),
    Metric(
        "log_lag",
        "gauge",
        "Time since the purge log was read to its end; a process without requests does not.",
        _one(lambda stats: stats.log.behind),
        unit="seconds",
        several="min",
    ),
    Metric(
        "log_lag_bound",
        "gauge",
        "Lag of the purge log beyond which copies in this process are not served unasked.",
        _one(lambda stats: stats.log.bound),
        unit="seconds",
        several="max",
    ),
    Metric(
        "withheld_purges",
        "gauge",
        "Purges that are heeded here, and that the log does not have yet.",
        _one(lambda stats: stats.log.withheld),
    ),
)
"""Every metric. Each has the label ``cache`` besides: the namespace of the cache."""
