"""One fault after another, each for a while, with pauses in which all is well."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Final

from benchmarks.faults.places import ON_ONE_SERVER, Fault, Place, heal, on_replies
from tests.proxy import crumbled, swallow

LASTS: Final = (0.3, 4.0)
"""Seconds, at least and at most."""
PAUSES: Final = (1.0, 6.0)
PIECES, PAUSE = 4, 0.005
"""In how many a reply arrives, and the seconds that may be between two of them."""


TROUBLES: Final = ON_ONE_SERVER | {
    "in-pieces": Fault(
        "replies in pieces",
        on_replies(crumbled(Random(1), PIECES, PAUSE)),  # noqa: S311 - nobody gains by guessing it
        heal,
    ),
    "swallowed": Fault("no replies", on_replies(swallow), heal),
}


class Trouble:
    """Faults at random, some of them or all, of which there is one at a time."""

    def __init__(self, place: Place, random: Random, names: Iterable[str] = TROUBLES) -> None:
        self.begun: Counter[str] = Counter()
        self.now = ""
        """The fault that there is."""
        self._place = place
        self._random = random
        self._names = tuple(names)

    async def run(self, seconds: float) -> None:
        """Go on for so long, and leave all well."""
        ends_at = time.monotonic() + seconds
        while True:
            pause, lasts = (self._random.uniform(*each) for each in (PAUSES, LASTS))
            name = self._random.choice(self._names)
            fault = TROUBLES[name]
            if time.monotonic() + pause + lasts > ends_at:
                return
            await asyncio.sleep(pause)
            self.begun[name] += 1
            self.now = name
            await fault.begin(self._place)
            await asyncio.sleep(lasts)
            if fault.end is not None:
                await fault.end(self._place)
            self.now = ""
