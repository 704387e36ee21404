"""Counts that outlive their process, in the files that prometheus_client's collector adds up.

prometheus_client has no place for collectors there, so each count is one of its own values,
which is memory shared with a file: what was written survives the process, whatever ends it.
"""

from __future__ import annotations

import asyncio
import os
import re
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import time
from typing import Any, Final, cast
from weakref import WeakMethod

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.utils import floatToGoString

from asgi_cache.observe.histogram import BOUNDS, Histogram
from asgi_cache.observe.metric import Labels, Metric
from asgi_cache.observe.metrics import METRICS
from asgi_cache.observe.source import Source
from asgi_cache.observe.stats import Stats

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus_client reads when it is imported."""

INTERVAL: Final = 0.2
"""Seconds between two looks at the counts: what a process that is killed may lose."""

BUCKETS: Final = (*map(floatToGoString, BOUNDS), "+Inf")
"""The bounds of a histogram's buckets, as Prometheus writes them."""

_LIVE: Final = re.compile(r"gauge_live[a-z]+_(\d+)\.db")


def are_shared() -> bool:
    """Whether processes put their metrics together in files.

    Raises:
        ValueError: They are to, but prometheus_client was imported before that was said.
    """
    if not os.environ.get(DIRECTORY):
        return False
    if values.ValueClass is values.MutexValue:
        raise ValueError(f"{DIRECTORY} has to be set before prometheus_client is imported")
    return True


class ProcessFiles:
    """Writes what the cache called *name* has counted, as long as an event loop runs."""

    def __init__(self, name: str, cache: Source) -> None:
        self._name = name
        self._cache = cache
        self._written: dict[tuple[Metric, Labels], float | Histogram] = {}
        self._values: dict[tuple[Metric, str, Labels, str], Any] = {}
        self._lock = Lock()
        self._read_at = 0.0
        """The cache's uptime when what was written last was read."""
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None
        cache.observer.accompany(self)
        begin_anew = WeakMethod(self._begin_anew)
        os.register_at_fork(after_in_child=lambda: (method := begin_anew()) and method())

    def begin(self) -> None:
        """Write what has changed from time to time, in the event loop that runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio's is none of asyncio's: it is written at each scrape there
            return
        if loop is not self._loop or self._timer is None:
            forget_dead_processes()
            self._loop, self._timer = loop, loop.call_later(INTERVAL, self._look, loop)

    def end(self) -> None:
        """Write what has changed, and look no more until it begins again."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def flush(self) -> None:
        """Write what has changed; a scrape in a thread may do it while the event loop does."""
        stats = self._cache.stats()  # for which the loop has to turn: it must not wait for the lock
        with self._lock:
            if stats.uptime < self._read_at:
                return  # another thread has written what is newer
            self._read_at = stats.uptime
            for metric, labels, value in _samples(stats):
                former = self._written.get((metric, labels))
                same = value.is_as(former) if isinstance(value, Histogram) else value == former
                if not same or metric.several == "mostrecent":
                    self._write(metric, labels, value, former)
                    self._written[metric, labels] = value

    def _look(self, loop: AbstractEventLoop) -> None:
        self._timer = loop.call_later(INTERVAL, self._look, loop)
        self.flush()

    def _begin_anew(self) -> None:
        """In a process that was forked: what has been counted by now is the parent's to write."""
        self._timer = None
        self._lock = Lock()  # which a thread of the parent may have held
        self._written = {
            (metric, labels): value
            for metric, labels, value in _samples(self._cache.stats())
            if metric.kind != "gauge"
        }

    def _write(
        self, metric: Metric, labels: Labels, value: float | Histogram, former: object
    ) -> None:
        """Write *value*; of what is counted, only what has come to it since it was *former*.

        A file may have the counts of another process, which is gone and had the same number.
        """
        if isinstance(value, Histogram):
            before = former if isinstance(former, Histogram) else Histogram()
            for bucket, count, had in zip(BUCKETS, value.counts, before.counts, strict=True):
                self._add(metric, "_bucket", labels, count - had, bucket)
            self._add(metric, "_sum", labels, value.total - before.total)
        elif metric.kind == "counter":
            self._add(metric, "_total", labels, value - cast("float", former or 0.0))
        else:
            self._value(metric, "", labels, "").set(value, time())

    def _add(
        self, metric: Metric, suffix: str, labels: Labels, more: float, bucket: str = ""
    ) -> None:
        shared = self._value(metric, suffix, labels, bucket)
        if more:
            shared.inc(more)

    def _value(self, metric: Metric, suffix: str, labels: Labels, bucket: str) -> Any:
        key = (metric, suffix, labels, bucket)
        if key not in self._values:
            self._values[key] = values.ValueClass(
                metric.kind,
                metric.family,
                metric.family + suffix,
                ("cache", *metric.labels, *(("le",) if bucket else ())),
                (self._name, *labels, *((bucket,) if bucket else ())),
                metric.help,
                multiprocess_mode="live" + metric.several,
            )
        return self._values[key]


def _samples(stats: Stats) -> Iterator[tuple[Metric, Labels, float | Histogram]]:
    for metric in METRICS:
        for labels, value in metric.read(stats):
            yield metric, labels, value


def forget_dead_processes() -> None:
    """Remove what processes that are gone have said of their present.

    Their counts stay. Servers that tell of a worker's end have prometheus_client do the same;
    with others, the next worker does it when it begins.
    """
    forget: Callable[[str], None] = mark_process_dead
    for path in Path(os.environ[DIRECTORY]).glob("gauge_live*.db"):
        match = _LIVE.fullmatch(path.name)
        if match is not None and not _is_alive(int(match[1])):
            with suppress(OSError):  # another worker may be doing the same
                forget(match[1])


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
