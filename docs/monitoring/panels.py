"""What the dashboard shows, and how it is asked of Prometheus."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One panel: queries, each with the legend of its lines."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    about: str = ""
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


OF = 'cache=~"$cache"'
EVERY = "$__rate_interval"


def rate(name: str, *by: str, where: str = "", over: str = EVERY) -> str:
    """Ask how fast a counter grows, in all processes together."""
    labels = ", ".join(filter(None, (OF, where)))
    grouped = f" by ({', '.join(by)}) " if by else ""
    return f"sum{grouped}(rate(asgi_cache_{name}{{{labels}}}[{over}]))"


def now(name: str, *by: str, how: str = "sum", where: str = "") -> str:
    """Ask for a gauge, in all processes together."""
    labels = ", ".join(filter(None, (OF, where)))
    grouped = f" by ({', '.join(by)}) " if by else ""
    return f"{how}{grouped}(asgi_cache_{name}{{{labels}}})"


def quantile(part: float, name: str) -> str:
    """Ask how long it takes at most in that part of the cases."""
    return f"histogram_quantile({part}, {rate(f'{name}_seconds_bucket', 'le')})"


def ratio(*by: str) -> str:
    """Ask which part of the requests is answered from the store."""
    here = rate("requests_total", *by, where='result=~"hit|stale"')
    asked = rate("requests_total", *by, where='result!="passed"')
    return f"{here} / {asked}"


def saved(*by: str) -> str:
    """Ask how many seconds a second clients would wait longer without the cache.

    What the app takes is what it took in the last hour: it may not have run meanwhile.
    """
    own = ("cache", "route")
    hits = rate("cached_response_seconds_count", *own)
    took = rate("cached_response_seconds_sum", *own)
    app = rate("app_response_seconds_sum", *own, over="1h")
    runs = rate("app_response_seconds_count", *own, over="1h")
    grouped = f" by ({', '.join(by)}) " if by else ""
    return f"sum{grouped}({hits} * ({app} / {runs}) - {took})"


ROWS = (
    Row(
        "What it does for the app",
        (
            Panel("Hit ratio", {"": ratio()}, "percentunit", "stat", 4),
            Panel("Requests a second", {"": rate("requests_total")}, "reqps", "stat", 4),
            Panel(
                "Seconds saved a second",
                {"": saved()},
                "s",
                "stat",
                4,
                about="How much longer clients would wait, in all, if the app made each answer.",
            ),
            Panel("Version", {"{{version}}": now("info", "version")}, "short", "stat", 4),
            Panel("In memory", {"": now("memory_bytes")}, "bytes", "stat", 4),
            Panel("Breakers open", {"": now("breakers", where='state="open"')}, "short", "stat", 4),
            Panel(
                "Requests by result",
                {"{{result}}": rate("requests_total", "result")},
                "reqps",
                width=12,
                stacked=True,
            ),
            Panel("Hit ratio by rule", {"{{route}}": ratio("route")}, "percentunit", width=12),
            Panel("Seconds saved a second, by rule", {"{{route}}": saved("route")}, "s", width=12),
            Panel("Statuses", {"{{status}}": rate("requests_total", "status")}, "reqps", width=12),
        ),
    ),
    Row(
        "How long it takes",
        tuple(
            Panel(
                title,
                {f"p{100 * part:g}": quantile(part, name) for part in (0.5, 0.9, 0.99)},
                "s",
            )
            for title, name in (
                ("Answered without the app", "cached_response"),
                ("Forwarded to the app", "forwarded_response"),
                ("The app itself", "app_response"),
            )
        ),
    ),
    Row(
        "What is stored",
        (
            Panel(
                "Bytes a second",
                {"served": rate("served_bytes_total"), "stored": rate("stored_bytes_total")},
                "Bps",
            ),
            Panel(
                "Responses a second",
                {"stored": rate("stores_total"), "renewed": rate("renewals_total")},
                "ops",
            ),
            Panel("Values, by result", {"{{result}}": rate("values_total", "result")}, "ops"),
            Panel(
                "Memory of the processes",
                {"in use": now("memory_bytes"), "budget": now("memory_budget_bytes")},
                "bytes",
            ),
            Panel("Records in memory", {"{{cache}}": now("memory_entries", "cache")}),
            Panel(
                "Records that left memory, by reason",
                {"{{reason}}": rate("evictions_total", "reason")},
                "ops",
            ),
        ),
    ),
    Row(
        "Runs of the app",
        (
            Panel(
                "Runs that others may join",
                {"runs": rate("flights_total"), "followers": rate("followers_total")},
                "ops",
            ),
            Panel("Runs under way", {"{{cache}}": now("flights_under_way", "cache")}),
            Panel("Turns among processes", {"{{outcome}}": rate("leases_total", "outcome")}, "ops"),
            Panel(
                "Limits reached",
                {
                    "fills refused": rate("fills_refused_total"),
                    "max_flights": rate("flights_refused_total"),
                },
                "ops",
                width=12,
            ),
            Panel(
                "Responses for all that differ by user",
                {"{{route}}": rate("public_conflicts_total", "route")},
                "ops",
                width=12,
            ),
        ),
    ),
    Row(
        "Purging",
        (
            Panel(
                "Ordered",
                {
                    "purges": rate("purges_total"),
                    "invalidations": rate("invalidations_total"),
                    "deletes": rate("deletes_total"),
                    "known here": rate("log_changes_total"),
                },
                "ops",
            ),
            Panel(
                "Lag of the purge log",
                {
                    "lag": now("log_lag_seconds", how="max"),
                    "bound": now("log_lag_bound_seconds", how="max"),
                },
                "s",
                about="A process without requests does not read the log.",
            ),
            Panel(
                "Purges that wait",
                {
                    "unacknowledged": now("unacknowledged_purges"),
                    "withheld": now("withheld_purges"),
                },
            ),
            Panel(
                "Position in the purge log", {"{{cache}}": now("log_position", "cache", how="max")}
            ),
        ),
    ),
    Row(
        "Redis",
        (
            Panel(
                "Round trips",
                {
                    "p50": quantile(0.5, "store_operation"),
                    "p99": quantile(0.99, "store_operation"),
                },
                "s",
            ),
            Panel(
                "Operations a second",
                {
                    "tried": rate("store_operations_total"),
                    "failed: {{kind}}": rate("store_failures_total", "kind"),
                },
                "ops",
            ),
            Panel(
                "Circuit breakers",
                {
                    "{{state}}": now("breakers", "state"),
                    "openings a second": rate("breaker_openings_total"),
                },
            ),
            Panel(
                "Memory of the server",
                {
                    "in use": now("redis_memory_bytes", how="max"),
                    "limit": now("redis_memory_limit_bytes", how="max"),
                },
                "bytes",
            ),
            Panel("Keys that the server evicted", {"": now("redis_evicted_keys", how="max")}),
            Panel(
                "Records that are not ours",
                {"{{reason}}": rate("undecodable_records_total", "reason")},
                "ops",
            ),
        ),
    ),
)
