"""What a metric is, and how caches are told apart in metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from asgi_cache.observe.histogram import Histogram
from asgi_cache.observe.source import Source
from asgi_cache.observe.stats import Stats

PREFIX: Final = "asgi_cache_"

Labels: TypeAlias = tuple[str, ...]

Sample: TypeAlias = tuple[Labels, float | Histogram]
"""The values of the labels, and what was counted under them."""

Read: TypeAlias = Callable[[Stats], Iterable[Sample]]


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric: what it is called, and how it is read off the counts."""

    name: str
    """Without what Prometheus adds: the prefix, the unit and ``_total``."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Read
    labels: Labels = ()
    unit: Literal["", "seconds", "bytes"] = ""
    several: Literal["sum", "min", "max", "mostrecent"] = "sum"
    """What a gauge's values in several processes on one machine amount to."""

    @property
    def family(self) -> str:
        """Its name as ``HELP`` and ``TYPE`` have it."""
        return PREFIX + "_".join(filter(None, (self.name, self.unit)))

    @property
    def dotted(self) -> str:
        """Its name in OpenTelemetry, which has the unit elsewhere."""
        return f"asgi_cache.{self.name}"

    @property
    def exposed(self) -> str:
        """Its name in Prometheus; a histogram's is followed by ``_bucket`` and the like."""
        return self.family + "_total" if self.kind == "counter" else self.family


def by_name(caches: Iterable[Source]) -> dict[str, Source]:
    """Return *caches* by what they are called in metrics.

    Raises:
        ValueError: Two of them are called the same.
    """
    named: dict[str, Source] = {}
    for cache in caches:
        name = cache.settings.namespace
        if named.setdefault(name, cache) is not cache:
            raise ValueError(
                f"two caches are called {name!r}: their metrics could not be told apart; "
                "give each a namespace of its own"
            )
    return named
