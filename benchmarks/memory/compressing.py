"""What it costs to compress a body for Redis, and what it saves there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final, NamedTuple
from unittest.mock import patch

from asgi_cache.stores import compression
from asgi_cache.stores.compression import Coding, CompressedResponse, compress, expand
from benchmarks.memory.responses import FIRST, record

SIZES: Final = (4, 16, 64, 256, 1024)
"""Kilobytes of a body."""
REPEATS: Final = 15
WORDS: Final = 400
"""Different words in what the bodies tell."""


class Cost(NamedTuple):
    """Of one size and one means; milliseconds are the best of the repeats."""

    kilobytes: int
    coding: str
    part: float
    """Its size when it is compressed, as a part of what it was."""
    compress: float
    expand: float


def measure() -> list[Cost]:
    """Compress lists of tasks by each means."""
    found = [_cost(size, Coding.ZSTD) for size in SIZES]
    with patch.object(compression, "_zstd", None):
        return found + [_cost(size, Coding.ZLIB) for size in SIZES]


def _cost(kilobytes: int, coding: Coding) -> Cost:
    stored = replace(record(FIRST), body=tasks(kilobytes * 1024))
    small = compress(stored)
    if not isinstance(small, CompressedResponse) or small.coding is not coding:
        raise SystemExit(f"It was not compressed with {coding.name.lower()}: nothing was measured.")
    return Cost(
        kilobytes,
        coding.name.lower(),
        len(small.body) / len(stored.body),
        _best(lambda: compress(stored)),
        _best(lambda: expand(coding, small.body, small.length)),
    )


def tasks(size: int) -> bytes:
    """Make a list of tasks of *size* bytes, with words that occur more or less often."""
    random = Random(1)  # noqa: S311 - the same list in every run
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(random.choices(letters, k=random.randint(2, 9))) for _ in range(WORDS)]
    weights = [1 / rank for rank in range(1, WORDS + 1)]
    found: list[dict[str, object]] = []
    length = 0
    while length < size:
        title = " ".join(random.choices(words, weights, k=random.randint(3, 12)))
        due = f"2026-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
        done = random.random() < 0.5
        found.append({"id": random.randrange(10**6), "title": title, "done": done, "due": due})
        length += len(json.dumps(found[-1])) + 2
    return json.dumps(found).encode()[:size]


def _best(work: Callable[[], object]) -> float:
    return min(_timed(work) for _ in range(REPEATS)) * 1e3


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
