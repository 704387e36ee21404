"""Metrics and steps of requests for OpenTelemetry: ``pip install asgi-cache[opentelemetry]``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias, TypeVar

from opentelemetry.metrics import (
    CallbackOptions,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)
from opentelemetry.trace import Tracer, TracerProvider, get_tracer_provider

from asgi_cache.observe.histogram import BOUNDS, Histogram
from asgi_cache.observe.metric import Metric, by_name
from asgi_cache.observe.metrics import METRICS, VERSION
from asgi_cache.observe.source import Source
from asgi_cache.observe.stats import Stats

__all__ = ["instrument"]

T = TypeVar("T")

SCOPE: Final = "asgi_cache"

UNITS: Final = {"seconds": "s", "bytes": "By"}
"""How OpenTelemetry writes units (UCUM)."""

BUCKETS: Final = (*map(str, BOUNDS), "+Inf")

Observe: TypeAlias = Callable[[CallbackOptions], Iterator[Observation]]


def instrument(
    *caches: Source,
    metrics: bool = True,
    spans: bool = True,
    meter_provider: MeterProvider | None = None,
    tracer_provider: TracerProvider | None = None,
) -> None:
    """Have OpenTelemetry read the metrics of *caches*, and their requests make spans.

    To be called once, with all caches of the process. Without providers it is the global ones.

    Raises:
        ValueError: Two caches have the same namespace, by which their metrics are told apart.
    """
    named = by_name(caches)
    if metrics:
        meter = (meter_provider or get_meter_provider()).get_meter(SCOPE, VERSION)
        _measure(meter, named)
    if spans:
        tracer = (tracer_provider or get_tracer_provider()).get_tracer(SCOPE, VERSION)
        for name, cache in named.items():
            cache.observer.trace = Spans(tracer, name)


class Spans:
    """Makes a span of each step that it is given."""

    def __init__(self, tracer: Tracer, cache: str) -> None:
        self._tracer = tracer
        self._cache = cache

    async def __call__(self, step: str, route: str, work: Coroutine[Any, Any, T], /) -> T:
        """Do *work* within a span."""
        attributes = {"asgi_cache.cache": self._cache, "asgi_cache.route": route}
        with self._tracer.start_as_current_span(f"asgi_cache.{step}", attributes=attributes):
            return await work


class Reading:
    """The counts at one moment, for all instruments that are read together.

    Whoever is read for a second time begins another reading.
    """

    def __init__(self, caches: dict[str, Source]) -> None:
        self._caches = caches
        self._counted: dict[str, Stats] = {}
        self._readers: set[str] = set()

    def by(self, reader: str) -> dict[str, Stats]:
        """Return the counts of each cache, for what is called *reader*."""
        if not self._readers or reader in self._readers:
            self._counted = {name: cache.stats() for name, cache in self._caches.items()}
            self._readers.clear()
        self._readers.add(reader)
        return self._counted


def _measure(meter: Meter, caches: dict[str, Source]) -> None:
    reading = Reading(caches)
    for metric in METRICS:
        unit = UNITS.get(metric.unit, "")
        if metric.kind == "histogram":
            for part, read, of in _PARTS:
                name = f"{metric.dotted}.{part}"
                observe = _observing(reading, name, metric, read)
                meter.create_observable_counter(name, [observe], unit if of else "", metric.help)
            continue
        observe = _observing(reading, metric.dotted, metric, _whole)
        if metric.kind == "counter":
            meter.create_observable_counter(metric.dotted, [observe], unit, metric.help)
        elif metric.several == "sum":
            meter.create_observable_up_down_counter(metric.dotted, [observe], unit, metric.help)
        else:
            meter.create_observable_gauge(metric.dotted, [observe], unit, metric.help)


Parts: TypeAlias = Callable[[float | Histogram], Sequence[tuple[float, dict[str, str]]]]
"""What is told of a value, each with the attributes that it has beside the labels."""


def _observing(reading: Reading, name: str, metric: Metric, parts: Parts) -> Observe:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        for cache, stats in reading.by(name).items():
            for labels, value in metric.read(stats):
                attributes = {"cache": cache, **dict(zip(metric.labels, labels, strict=True))}
                for part, more in parts(value):
                    yield Observation(part, {**attributes, **more})

    return observe


def _whole(value: float | Histogram) -> list[tuple[float, dict[str, str]]]:
    return [] if isinstance(value, Histogram) else [(value, {})]


def _count(value: float | Histogram) -> list[tuple[float, dict[str, str]]]:
    return [(value.count, {})] if isinstance(value, Histogram) else []


def _sum(value: float | Histogram) -> list[tuple[float, dict[str, str]]]:
    return [(value.total, {})] if isinstance(value, Histogram) else []


def _buckets(value: float | Histogram) -> list[tuple[float, dict[str, str]]]:
    if not isinstance(value, Histogram):
        return []
    upto = zip(BUCKETS, accumulate(value.counts), strict=True)
    return [(count, {"le": bound}) for bound, count in upto]


_PARTS: Final[tuple[tuple[str, Parts, bool], ...]] = (
    ("count", _count, False),
    ("sum", _sum, True),
    ("bucket", _buckets, False),
)
"""What a histogram is told as, and whether that has its unit.

There is no instrument to which a histogram could be handed that has been counted already.
"""
