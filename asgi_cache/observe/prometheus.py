"""The metrics for Prometheus: read at each scrape, or shared by the processes of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.metric import Metric, by_name
from asgi_cache.observe.metrics import METRICS
from asgi_cache.observe.process_files import BUCKETS, ProcessFiles, are_shared
from asgi_cache.observe.source import Source
from asgi_cache.observe.stats import Stats

__all__ = ["PrometheusCollector"]


class PrometheusCollector(Collector):
    """The metrics of one or several caches, for a registry; nothing is registered by itself.

    At each scrape the counts are read as they are. Where ``PROMETHEUS_MULTIPROC_DIR`` names a
    directory, all processes write theirs there, and prometheus_client's own
    `MultiProcessCollector` in the same registry adds them up; this one has to be registered
    before it, and then has the latest counts written.

    Raises:
        ValueError: Two caches have the same namespace, by which their metrics are told apart.
    """

    def __init__(self, *caches: Source) -> None:
        self._caches = by_name(caches)
        self._files: list[ProcessFiles] = []
        if are_shared():
            self._files = [ProcessFiles(name, cache) for name, cache in self._caches.items()]

    def collect(self) -> Iterator[Family]:
        """Return every metric; nothing, where the processes' are added up by another collector."""
        if self._files:
            for files in self._files:
                files.flush()
            return
        counted = {name: cache.stats() for name, cache in self._caches.items()}
        for metric in METRICS:
            yield _family(metric, counted)


def _family(metric: Metric, counted: dict[str, Stats]) -> Family:
    labels = ("cache", *metric.labels)
    histogram = HistogramMetricFamily(metric.family, metric.help, labels=labels)
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    plain = kind(metric.family, metric.help, labels=labels)
    for name, stats in counted.items():
        for values, value in metric.read(stats):
            if isinstance(value, Histogram):
                buckets = zip(BUCKETS, accumulate(value.counts), strict=True)
                histogram.add_metric((name, *values), [*buckets], value.total)
            else:
                plain.add_metric((name, *values), value)
    return histogram if metric.kind == "histogram" else plain
