"""OpenTelemetry is told the same as Prometheus, and sees the steps of a request."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import generate_latest

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.observe.metrics import METRICS
from asgi_cache.observe.opentelemetry import instrument
from tests.bare import App, Response, ask
from tests.observe.test_prometheus import FULL, Counted, registry, samples

RULES = {"/a": 60, "/never": None}
NO_CACHE = [("Cache-Control", "no-cache")]


def points(reader):
    """Return what was read, by the name and attributes that Prometheus would have."""
    by_name = {metric.dotted: metric for metric in METRICS}
    found, units = {}, {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                units[metric.name] = metric.unit
                listed = by_name.get(metric.name)
                base, _, part = metric.name.rpartition(".")
                name = listed.exposed if listed else f"{by_name[base].exposed}_{part}"
                for point in metric.data.data_points:
                    labels = dict(point.attributes)
                    if "le" in labels:
                        labels["le"] = float(labels["le"])
                    found[(name, *sorted(labels.items()))] = point.value
    return found, units


def as_scraped(*caches):
    """Return what Prometheus reads of the same."""
    scraped = samples(generate_latest(registry(*caches)).decode())
    return {
        (name, *((n, float(v) if n == "le" else v) for n, v in labels)): value
        for (name, *labels), value in scraped.items()
    }


def test_the_metrics_are_those_of_prometheus():
    """Each metric of each cache is there, with the same labels and the same value."""
    reader = InMemoryMetricReader()
    caches = Counted(FULL), Counted(FULL, "other")
    instrument(*caches, spans=False, meter_provider=MeterProvider([reader]))
    found, units = points(reader)
    assert found == as_scraped(*caches)
    assert units["asgi_cache.memory"] == "By"
    assert units["asgi_cache.app_response.sum"] == "s"
    assert units["asgi_cache.app_response.count"] == units["asgi_cache.requests"] == ""


def test_each_export_reads_the_counts_once_and_anew():
    """All that is exported together is of one moment, and the next time of a later one."""
    moments = []

    class Noting(Counted):
        def stats(self):
            moments.append(1)
            return super().stats()

    reader = InMemoryMetricReader()
    instrument(Noting(FULL), spans=False, meter_provider=MeterProvider([reader]))
    for expected in (1, 2, 3):
        points(reader)
        assert len(moments) == expected


@pytest.mark.anyio
async def test_requests_are_exported():
    """What becomes of requests is told to whoever reads, in a thread of its own."""
    reader, cache = InMemoryMetricReader(), Cache(rules=RULES)
    instrument(cache, spans=False, meter_provider=MeterProvider([reader]))
    app = CacheMiddleware(App(), cache=cache)
    for _ in range(3):
        await ask(app, "/a")
    found, _ = await asyncio.to_thread(points, reader)
    requests = {
        (dict(labels)["result"], value)
        for (name, *labels), value in found.items()
        if name == "asgi_cache_requests_total"
    }
    assert requests == {("miss", 1), ("hit", 2)}


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def traced(tracing, answer):
    cache = Cache(rules=RULES)
    instrument(cache, metrics=False, tracer_provider=tracing)
    return CacheMiddleware(App(answer), cache=cache)


def names(exporter):
    return [span.name.removeprefix("asgi_cache.") for span in exporter.get_finished_spans()]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("requests", "steps"),
    [
        pytest.param([("/a", ())], ["lookup", "store", "fill"], id="miss"),
        pytest.param([("/a", ())] * 2, ["lookup", "store", "fill"], id="hit"),
        pytest.param(
            [("/a", [("Range", "bytes=0-1")])], ["lookup", "store", "fill"], id="run-alone"
        ),
        pytest.param(
            [("/a", ()), ("/a", NO_CACHE)], ["lookup", "store", "fill"] * 2, id="refreshed"
        ),
        pytest.param([("/never", ())], [], id="passed"),
    ],
)
async def test_steps_are_spans(tracing, exporter, requests, steps):
    """Looking up, filling and storing each are a span; a hit from memory takes none of them."""
    app = traced(tracing, Response())
    for path, fields in requests:
        await ask(app, path, fields)
    assert names(exporter) == steps
    for span in exporter.get_finished_spans():
        assert dict(span.attributes) == {
            "asgi_cache.cache": "asgi-cache",
            "asgi_cache.route": "/a",
        }


@pytest.mark.anyio
async def test_spans_have_their_place_in_the_trace(tracing, exporter):
    """The steps belong to the request's span, what is stored to the fill, and the app's to that."""
    tracer = tracing.get_tracer("test")

    async def app(scope, receive, send):
        with tracer.start_as_current_span("app"):
            await Response().send_to(scope, send)

    cache = Cache(rules=RULES)
    instrument(cache, metrics=False, tracer_provider=tracing)
    with tracer.start_as_current_span("request"):
        await ask(CacheMiddleware(app, cache=cache), "/a")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    parents = {
        name: next((n for n, s in spans.items() if span.parent == s.context), None)
        for name, span in spans.items()
    }
    assert parents["asgi_cache.lookup"] == parents["asgi_cache.fill"] == "request"
    assert parents["app"] == "asgi_cache.fill"
    assert parents["asgi_cache.store"] == "app"


@pytest.mark.anyio
async def test_a_failed_fill_is_seen(tracing, exporter):
    """A span says that the app raised."""
    app = traced(tracing, ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await ask(app, "/a")
    (fill,) = [span for span in exporter.get_finished_spans() if span.name == "asgi_cache.fill"]
    assert fill.status.status_code is StatusCode.ERROR


def test_nothing_is_traced_unless_asked_for():
    """Who does not ask for spans has none, and pays for none."""
    assert Cache().observer.trace is None
