"""When somebody is to be woken, and what to do then."""

from __future__ import annotations

from dataclasses import dataclass

from asgi_cache.observe.stats import NOT_TRIED

EACH = "job, instance, cache"

EVICTED = 'reason="evicted"'
ASKED = 'result!="passed"'
FAILED = 'result="failed"'
TRIED = f'kind!="{NOT_TRIED}"'


@dataclass(frozen=True)
class Alert:
    """One alert; *lasts* is how long it has to be so."""

    name: str
    when: str
    lasts: str
    severity: str
    summary: str
    what_to_do: str


def _rate(name: str, over: str, where: str = "", by: str = EACH) -> str:
    labels = f"{{{where}}}" if where else ""
    return f"sum by ({by}) (rate(asgi_cache_{name}{labels}[{over}]))"


def _ratio(over: str, before: str = "") -> str:
    offset = f" offset {before}" if before else ""
    here, asked = (
        f"sum by ({EACH}) (rate(asgi_cache_requests_total{{{where}}}[{over}]{offset}))"
        for where in ('result=~"hit|stale"', 'result!="passed"')
    )
    return f"({here} or 0 * {asked})\n  / {asked}"  # there may have been no hit yet


_BUSY = _rate("requests_total", "10m", ASKED) + " > 1"
"""More than one request a second: of fewer, no ratio says much."""

ALERTS = (
    Alert(
        "AsgiCacheBreakerOpen",
        f'sum by ({EACH}) (asgi_cache_breakers{{state="open"}}) > 0\n'
        f"and {_rate('requests_total', '5m', ASKED)} > 0",  # which have the server tried again
        "1m",
        "warning",
        "The store does not answer; every request goes to the app.",
        "Look at Redis and the way to it. The cache tries again by itself.",
    ),
    Alert(
        "AsgiCacheHitRatioDropped",
        f"(\n  {_ratio('10m')}\n)\n< 0.5 * (\n  {_ratio('1d', '10m')}\n)\nand {_BUSY}",
        "10m",
        "warning",
        "Half as much is answered from the store as in the day before.",
        "Was something deployed, or purged, or is the store too small? `cache.explain` says what "
        "becomes of a request.",
    ),
    Alert(
        "AsgiCacheEvicts",
        f"{_rate('evictions_total', '15m', EVICTED)}\n"
        f"> 0.5 * {_rate('stores_total', '15m')}\nand {_rate('stores_total', '15m')} > 0.1",
        "15m",
        "info",
        "The memory of the processes is too small for what is stored.",
        "Give the store more (`memory://?max=…`, or `?local=…` of Redis), or store less.",
    ),
    Alert(
        "AsgiCacheRedisEvicts",
        f"max by ({EACH}) (delta(asgi_cache_redis_evicted_keys[15m])) > 0",
        "0m",
        "warning",
        "Redis drops keys before their time, as its memory is full.",
        "Give it more memory, or store less. Lost keys are misses; a lost purge log empties the "
        "cache.",
    ),
    Alert(
        "AsgiCacheLogLags",
        f"min by ({EACH}) (asgi_cache_log_lag_seconds)\n"
        f"> max by ({EACH}) (asgi_cache_log_lag_bound_seconds)\nand {_BUSY}",
        "2m",
        "warning",
        "The purge log is not read; copies in the process are not served unasked.",
        "Look at Redis and the way to it, and at whether the event loop is blocked.",
    ),
    Alert(
        "AsgiCacheStoreFails",
        f"{_rate('store_failures_total', '5m', TRIED)}\n"
        f"> 0.01 * {_rate('store_operations_total', '5m')}",
        "5m",
        "warning",
        "More than one in a hundred operations on the store fails.",
        "The label `kind` of asgi_cache_store_failures_total says how.",
    ),
    Alert(
        "AsgiCacheRequestsFail",
        f"{_rate('requests_total', '5m', FAILED)}\n> 0.01 * {_rate('requests_total', '5m')}",
        "5m",
        "warning",
        "More than one in a hundred requests gets no answer.",
        "The app raises, or clients leave; the app's own log says more.",
    ),
    Alert(
        "AsgiCachePurgesWait",
        f"sum by ({EACH}) (asgi_cache_unacknowledged_purges) > 0",
        "1m",
        "critical",
        "Purges have not reached the log; other processes may serve what was purged.",
        "Look at Redis. They are repeated until it takes them, as long as this process lives.",
    ),
    Alert(
        "AsgiCacheRecordsForged",
        f'sum by ({EACH}) (increase(asgi_cache_undecodable_records_total{{reason="forged"}}[10m]))'
        " > 0",
        "0m",
        "critical",
        "There are records in the store that are not sealed with the cache's keys.",
        "Who else writes to Redis? After keys were changed, the old ones belong into "
        "`signing_keys` for a while.",
    ),
    Alert(
        "AsgiCachePublicConflict",
        f"sum by ({EACH}, route) (increase(asgi_cache_public_conflicts_total[1h])) > 0\n"
        f"or sum by ({EACH}, route) (\n"
        "  asgi_cache_public_conflicts_total unless asgi_cache_public_conflicts_total offset 1h\n"
        ") > 0",
        "0m",
        "critical",
        "A rule says that a response is for every user, but it differs by user.",
        "Take `public` out of the rule that the label `route` names, and purge that route.",
    ),
)
