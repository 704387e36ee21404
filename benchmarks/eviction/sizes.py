"""How large the bodies are: Barford and Crovella (SIGMETRICS 1998), and an API's that are alike."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, TypeAlias

Draw: TypeAlias = Callable[[Random], int]

HEAD: Final = 2_000
"""Bytes that each object takes besides its body; the memory store counts a response so, about."""
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of the largest body; a rule stores none that is larger, by default."""
BODY_MU: Final = 9.357
BODY_SIGMA: Final = 1.318
TAIL_FROM: Final = 133_000
TAIL_ALPHA: Final = 1.1


def page(random: Random) -> int:
    """Draw from the lognormal body of the distribution, up to where the tail begins."""
    return _drawn_below(TAIL_FROM, lambda: random.lognormvariate(BODY_MU, BODY_SIGMA))


def page_or_download(random: Random) -> int:
    """Draw from the whole distribution: what falls beyond the body is drawn from the tail."""
    size = random.lognormvariate(BODY_MU, BODY_SIGMA)
    if size < TAIL_FROM:
        return int(size)
    return _drawn_below(LARGEST, lambda: TAIL_FROM * random.paretovariate(TAIL_ALPHA))


def alike(random: Random) -> int:
    """Draw five kilobytes, with little difference."""
    return int(random.lognormvariate(8.5, 0.3))


def _drawn_below(limit: int, draw: Callable[[], float]) -> int:
    while (size := draw()) >= limit:
        pass
    return int(size)
