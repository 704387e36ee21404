"""The dashboard and the alerts are written from code, and ask for what there is."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from asgi_cache.observe.metrics import METRICS

HERE = Path(__file__).parents[1] / "docs" / "monitoring"
NAMES = {metric.exposed: metric for metric in METRICS}
NAMES |= {
    metric.exposed + ending: metric
    for metric in METRICS
    for ending in ("_bucket", "_count", "_sum")
    if metric.kind == "histogram"
}
BESIDE = {"cache", "le", "job", "instance"}
"""Labels that each metric has, or that Prometheus adds."""


@pytest.fixture(scope="module")
def written():
    """Import what writes them, which is part of no package."""
    spec = importlib.util.spec_from_file_location("write", HERE / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def queries():
    panels = json.loads((HERE / "dashboard.json").read_text())["panels"]
    shown = {
        f"{panel['title']}: {target['legendFormat']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", ())
    }
    rules = (HERE / "alerts.yml").read_text()
    found = re.findall(r"alert: (\w+)\n    expr: \|-\n((?:      .*\n)+)", rules)
    return {**shown, **dict(found)}


def test_they_are_what_the_code_says(written):
    """The files are not changed by hand: ``python docs/monitoring/write.py`` writes them."""
    for name, text in written.written().items():
        assert (HERE / name).read_text() == text


@pytest.mark.parametrize("name", sorted(queries()))
def test_they_ask_for_what_there_is(name):
    """Each query names metrics of the list only, and labels that these have."""
    query = queries()[name]
    named = {*re.findall(r"asgi_cache_\w+", query)}
    assert named
    assert named <= NAMES.keys()
    labels = {label for each in named for label in NAMES[each].labels} | BESIDE
    matched = {*re.findall(r"[{,] ?(\w+)(?:=|!=|=~)", query)}
    grouped = {
        label for names in re.findall(r"by \(([^)]*)\)", query) for label in names.split(", ")
    }
    assert matched | grouped <= labels


def test_every_metric_is_shown():
    """What is counted can be seen."""
    shown = " ".join(queries().values())
    missing = [metric.exposed for metric in METRICS if metric.exposed not in shown]
    assert missing == []


def test_rates_are_of_counters_and_nothing_else_is():
    """A counter says something only by its growth, and a gauge has no rate."""
    for query in queries().values():
        for name in re.findall(r"(?:rate|increase)\((\w+)", query):
            assert NAMES[name].kind != "gauge"
        for name in re.findall(r"delta\((\w+)", query):
            assert NAMES[name].kind == "gauge"


def test_every_alert_is_tried():
    """``make monitoring`` has each alert fire once, at least."""
    rules, tried = ((HERE / name).read_text() for name in ("alerts.yml", "alerts-test.yml"))
    names = {*re.findall(r"alert: (\w+)", rules)}
    assert names == {*re.findall(r"alertname: (\w+)\n\s+exp_alerts", tried)}


def test_panels_do_not_overlap():
    """Each panel has a place and a number of its own."""
    panels = json.loads((HERE / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
