"""The projects whose tests are run, and what is known to differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Project:
    """A release whose source distribution holds its tests."""

    name: str
    version: str
    group: str
    """The dependency group of its own that its tests need."""
    extras: str
    pytest_arguments: tuple[str, ...] = ()
    explained: Mapping[str, str] = field(default_factory=dict)
    """Tests that end otherwise behind the cache, each with the reason why that is right."""


PROJECTS = (
    Project("starlette", "1.10.0", group="dev", extras="full"),
    Project(
        "fastapi",
        "0.165.0",
        group="tests",
        extras="all",
        pytest_arguments=("--ignore=tests/benchmarks", "--ignore=tests/memory_benchmarks"),
    ),
)
