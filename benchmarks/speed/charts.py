"""The figures as charts, which are the same files again where the figures are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.speed.contestants import HITS, PEERS, SIZES

INK: Final = "#7d8590"
"""Reads well on white and on black."""
COLOURS: Final = ("#2f81f7", "#db6d28")
WIDTH: Final = 8.0
"""Inches."""
HEIGHT_OF_BAR: Final = 0.22
ABOUT: Final = 1.1
"""Inches beside the bars."""
STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "asgi-cache",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
BESIDE_PEERS: Final = ("fastapi-around-hit", "fastapi-added-hit", "local-hit", "redis-hit")

Value = Callable[[Mapping[str, Any]], float | None]
Bars = Sequence[tuple[str, Sequence[float | None]]]
"""A label, and a value for each size."""


def draw(found: Mapping[str, Any], directory: Path) -> None:
    """Write all charts."""
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    hits, peers = [each.name for each in HITS], [each.name for each in PEERS]
    _chart(
        directory / "speed-hits.svg",
        _bars(rows, hits, _rate),
        "requests/s, as a part of a bare app's",
    )
    _chart(
        directory / "speed-instructions.svg",
        _bars(rows, hits, _instructions),
        "instructions, as a multiple of a bare app's",
    )
    ours = [(f"asgi-cache, {label}", values) for label, values in _bars(rows, BESIDE_PEERS, _rate)]
    _chart(
        directory / "speed-peers.svg",
        [*ours, *_bars(rows, peers, _rate)],
        "requests/s, as a part of a bare app's",
    )


def _rate(row: Mapping[str, Any]) -> float | None:
    return row["throughput"]["ratio"]["median"] if row["throughput"] else None


def _instructions(row: Mapping[str, Any]) -> float | None:
    ratio: float | None = row["instructions_ratio"]
    return ratio


def _bars(rows: Sequence[Mapping[str, Any]], names: Sequence[str], value: Value) -> Bars:
    """Return the values of those that were measured, by size."""
    sizes = sorted({row["size"] for row in rows})
    known = {(row["name"], row["size"]): row for row in rows if not row["failure"]}
    return [
        (
            known[name, sizes[0]]["title"].replace("`", ""),
            [value(known[name, size]) if (name, size) in known else None for size in sizes],
        )
        for name in names
        if (name, sizes[0]) in known
    ]


def _chart(path: Path, bars: Bars, title: str) -> None:
    with mpl.rc_context(STYLE):
        sizes = len(bars[0][1])
        figure = Figure(
            (WIDTH, ABOUT + HEIGHT_OF_BAR * sizes * len(bars) * 1.25), layout="constrained"
        )
        axes = figure.subplots()
        for place, size in enumerate(SIZES[:sizes]):
            _draw_bars(axes, bars, place, f"{size // 1024} KB")
        _label(axes, [label for label, _ in bars], title)
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _draw_bars(axes: Axes, bars: Bars, place: int, label: str) -> None:
    height = 0.8 / len(bars[0][1])
    places = [number + height * (place + 0.5) - 0.4 for number in range(len(bars))]
    values = [values[place] or 0.0 for _, values in bars]
    drawn = axes.barh(places, values, height, color=COLOURS[place], label=label)
    axes.bar_label(drawn, [f"{value:.2f}" for value in values], padding=3, fontsize=8)


def _label(axes: Axes, labels: Sequence[str], title: str) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.axvline(1.0, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlabel(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(SIZES))
