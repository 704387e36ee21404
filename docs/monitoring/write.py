"""Writes the dashboard and the alert rules: ``python docs/monitoring/write.py``.

The tests fail where they are not what the code says, or name a metric that does not exist.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from alerts import ALERTS, Alert  # noqa: E402 - which are beside this file
from panels import ROWS, Panel, Row  # noqa: E402

HEIGHT = {"stat": 4, "timeseries": 8}
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def written() -> dict[str, str]:
    """Return every file by its name."""
    return {
        "dashboard.json": json.dumps(dashboard(), indent=1) + "\n",
        "alerts.yml": rules(),
    }


def dashboard() -> dict[str, Any]:
    """Lay out the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        laid_out, top = laid(row, top, len(panels) + 1)
        panels += laid_out
    return {
        "uid": "asgi-cache",
        "title": "asgi_cache",
        "tags": ["asgi-cache"],
        "editable": True,
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": variables()},
        "panels": panels,
    }


def variables() -> list[dict[str, Any]]:
    """Return what is chosen above the panels."""
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "cache",
            "label": "Cache",
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": "label_values(asgi_cache_info, cache)", "refId": "cache"},
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def laid(row: Row, top: int, number: int) -> tuple[list[dict[str, Any]], int]:
    """Lay out a row from *top* on, its panels numbered from *number*; and where it ends."""
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    made: list[dict[str, Any]] = [
        {"id": number, "type": "row", "title": row.title, "gridPos": place, "panels": []}
    ]
    left, top, height = 0, top + 1, 0
    for panel in row.panels:
        if left + panel.width > COLUMNS:
            left, top, height = 0, top + height, 0
        height = max(height, HEIGHT[panel.kind])
        place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT[panel.kind]}
        made.append({"id": number + len(made), "gridPos": place, **described(panel)})
        left += panel.width
    return made, top + height


def described(panel: Panel) -> dict[str, Any]:
    """Return what a panel shows."""
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none"}
        defaults["custom"] = {"stacking": stacking, "fillOpacity": 20 if panel.stacked else 0}
    names = panel.title == "Version"
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"textMode": "name" if names else "auto"} if panel.kind == "stat" else {},
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend or panel.title,
            }
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def rules() -> str:
    """Lay out the alert rules as Prometheus loads them."""
    return "groups:\n- name: asgi_cache\n  rules:\n" + "".join(map(rule, ALERTS))


def rule(alert: Alert) -> str:
    """Lay out one alert; text in quotes is written as JSON has it, which YAML reads, too."""
    expression = "\n".join(f"      {line}" for line in alert.when.splitlines())
    return (
        f"  - alert: {alert.name}\n"
        f"    expr: |-\n{expression}\n"
        f"    for: {alert.lasts}\n"
        f"    labels:\n      severity: {alert.severity}\n"
        f"    annotations:\n"
        f"      summary: {json.dumps(alert.summary, ensure_ascii=False)}\n"
        f"      description: {json.dumps(alert.what_to_do, ensure_ascii=False)}\n"
    )


if __name__ == "__main__":
    for name, text in written().items():
        (HERE / name).write_text(text, encoding="utf-8")
