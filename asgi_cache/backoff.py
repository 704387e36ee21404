"""Pauses between tries, spread at random: those who failed together must not come back together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import uniform
from typing import TypeAlias

Draw: TypeAlias = Callable[[float, float], float]
"""Draws a number from the first to the second."""


def doubling(first: float, longest: float, draw: Draw = uniform) -> Iterator[float]:
    """Yield pauses in seconds for ever: twice as long each time, up to the longest.

    Each is drawn from its upper half, so that none is over at once.
    """
    pause = first
    while True:
        yield draw(pause / 2, pause)
        pause = min(2 * pause, longest)


def full_jitter(first: float, times: int) -> Iterator[float]:
    """Yield so many pauses in seconds: from 0 to *first*, from 0 to twice that, and so on."""
    for number in range(times):
        yield uniform(0.0, first * 2**number)  # noqa: S311 - nobody gains by guessing it
