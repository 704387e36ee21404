"""Gathers what the parts of a cache have counted."""

from __future__ import annotations

import os
import socket

from asgi_cache.observe.stats import LogStats, RouteStats, Stats
from asgi_cache.services import Services


def stats_of(services: Services) -> Stats:
    """Return what the parts of a cache have counted by now."""
    holdings, observer = services.holdings, services.observer
    store, log = holdings.store, holdings.log
    values = RouteStats.of(observer.values)
    return Stats(
        at=services.clock(),
        uptime=observer.uptime,
        process=this_process(),
        routes=tuple(RouteStats.of(tally) for tally in observer.tallies.values() if tally.is_used),
        values=values.results,
        store=store.stats(),
        log=LogStats(
            position=log.position,
            changes=log.changes,
            behind=store.behind(),
            bound=store.lag,
            withheld=log.withheld,
        ),
        flights=services.flights.stats(),
        purges=holdings.purges,
        invalidations=observer.invalidations,
        deletes=holdings.deletes,
        fills_refused=services.fill_rate.refused,
        public_conflicts=dict(services.conflicts.by_route),
    )


def this_process() -> str:
    """Return by what operators know this process: its host's name, and its number there."""
    return f"{socket.gethostname()}:{os.getpid()}"
