"""Requests as they may come: each trace is a list of keys and sizes, the same for the same seed.

Popularity is that of Breslau, Cao, Fan, Phillips and Shenker, "Web Caching and Zipf-like
Distributions: Evidence and Implications" (INFOCOM 1999), who found an alpha of 0.64 to 0.83 at
proxies. Sizes, and how soon a request is repeated, are those of Barford and Crovella, "Generating
Representative Web Workloads for Network and Server Performance Evaluation" (SIGMETRICS 1998).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, count, islice
from random import Random
from typing import Final, TypeAlias

from benchmarks.eviction.queues import Key
from benchmarks.eviction.sizes import HEAD, TAIL_ALPHA, Draw, alike, page, page_or_download

Trace: TypeAlias = list[tuple[Key, int]]

REQUESTS: Final = 100_000
CATALOGUE: Final = 50_000
"""How many objects there are to ask for, in all traces but the web's."""

WEB_ALPHA: Final = 0.75
WEB_CATALOGUE: Final = 200_000
DISTANCE_MU: Final = 1.5
DISTANCE_SIGMA: Final = 0.80
REPEATED: Final = 0.2
"""The share of requests that repeat a recent one. No publication gives it: it is assumed."""

WEB: Final = (
    f"alpha {WEB_ALPHA}, {WEB_CATALOGUE:,} objects, bodies with a Pareto tail (alpha {TAIL_ALPHA}) "
    f"from 133 kB to 8 MiB; {REPEATED:.0%} of the requests, a share that is assumed, repeat one "
    f"from a lognormal stack distance (mu {DISTANCE_MU}, sigma {DISTANCE_SIGMA:.2f})"
)

CRAWL_EVERY: Final = 10_000
CRAWL_LENGTH: Final = 3_000
ABREAST: Final = 10
"""Pages that a crawl asks for before it asks for them again."""
SMALL: Final = HEAD + 300
"""Bytes of a response that says that there is nothing, or that it is elsewhere."""
CHANGE_EVERY: Final = 5_000
CHANGED: Final = 0.1
NEWS: Final = 100


def zipf(seed: int, alpha: float = 0.8, draw: Draw = page) -> Trace:
    """Return requests that are independent of one another."""
    random = _seeded(seed)
    ranks = _ranks(random, CATALOGUE, alpha, REQUESTS)
    return _with_sizes(random, ranks, draw)


def crawled(seed: int, asks: int) -> Trace:
    """Return a Zipf trace with bursts in which a crawler asks for pages that nobody else wants.

    It asks for each page so many times, and never again.
    """
    random = _seeded(seed)
    unasked = count(CATALOGUE)
    ranks = _ranks(random, CATALOGUE, 0.8, REQUESTS)
    asked: list[int] = []
    for start in range(0, len(ranks), CRAWL_EVERY):
        asked += ranks[start : start + CRAWL_EVERY]
        for _ in range(0, CRAWL_LENGTH, ABREAST):
            asked += list(islice(unasked, ABREAST)) * asks
    return _with_sizes(random, asked, page)


def flooded(seed: int) -> Trace:
    """Return a Zipf trace, each other request of which is for a small response of its own."""
    trace: Trace = []
    for number, wanted in enumerate(zipf(seed), CATALOGUE):
        trace += [wanted, (_key(number), SMALL)]
    return trace


def changing(seed: int, replaced: Callable[[Random], Iterable[int]]) -> Trace:
    """Return a Zipf trace in which new objects take the ranks of others now and then."""
    random = _seeded(seed)
    unasked = count(CATALOGUE)
    numbers = list(range(CATALOGUE))
    asked: list[int] = []
    for _ in range(0, REQUESTS, CHANGE_EVERY):
        asked += [numbers[rank] for rank in _ranks(random, CATALOGUE, 0.8, CHANGE_EVERY)]
        for rank in replaced(random):
            numbers[rank] = next(unasked)
    return _with_sizes(random, asked, page)


def any_ranks(random: Random) -> list[int]:
    """Return a tenth of the ranks."""
    return random.sample(range(CATALOGUE), int(CATALOGUE * CHANGED))


def first_ranks(random: Random) -> range:
    """Return the ranks of what is asked for most."""
    return range(NEWS)


def web(seed: int) -> Trace:
    """Return requests as published distributions have them: popularity, sizes, repetition."""
    random = _seeded(seed)
    ranks = _ranks(random, WEB_CATALOGUE, WEB_ALPHA, REQUESTS)
    return _with_sizes(random, _with_repetitions(random, ranks), page_or_download)


def _with_repetitions(random: Random, ranks: Iterable[int]) -> Iterator[int]:
    """Repeat some requests, from depths of the LRU stack that are lognormal."""
    stack: dict[int, None] = {}
    for drawn in ranks:
        number = drawn
        if random.random() < REPEATED:
            depth = int(random.lognormvariate(DISTANCE_MU, DISTANCE_SIGMA))
            number = next(islice(reversed(stack), depth, None), drawn)
        stack.pop(number, None)
        stack[number] = None
        yield number


def _with_sizes(random: Random, asked: Iterable[int], draw: Draw) -> Trace:
    """Give each object a key and a size, when it is first asked for."""
    objects: dict[int, tuple[Key, int]] = {}
    trace: Trace = []
    for number in asked:
        if number not in objects:
            objects[number] = (_key(number), HEAD + draw(random))
        trace.append(objects[number])
    return trace


def _key(number: int) -> Key:
    return number.to_bytes(16, "big")


def _ranks(random: Random, objects: int, alpha: float, requests: int) -> list[int]:
    """Draw ranks, each with a probability that falls with its own power *alpha*."""
    weights = list(accumulate(rank**-alpha for rank in range(1, objects + 1)))
    return random.choices(range(objects), cum_weights=weights, k=requests)


def _seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same requests in every run


TRACES: Final[dict[str, tuple[Callable[[int], Trace], str]]] = {
    "Zipf 0.8": (zipf, "independent requests, alpha 0.8"),
    "Zipf 1.0": (lambda seed: zipf(seed, 1.0), "independent requests, alpha 1.0"),
    "alike": (lambda seed: zipf(seed, draw=alike), "as Zipf 0.8, with sizes near 7 kB"),
    "crawl": (
        lambda seed: crawled(seed, 1),
        f"as Zipf 0.8; after each {CRAWL_EVERY:,} requests {CRAWL_LENGTH:,} pages are crawled",
    ),
    "crawl, twice": (
        lambda seed: crawled(seed, 2),
        f"as crawl; {ABREAST} pages are asked for and then the same {ABREAST} again, and so on",
    ),
    "flood": (
        flooded,
        f"as Zipf 0.8; each other request is for a response of its own of {SMALL:,} bytes",
    ),
    "turnover": (
        lambda seed: changing(seed, any_ranks),
        f"as Zipf 0.8; each {CHANGE_EVERY:,} requests {CHANGED:.0%} of all objects are replaced",
    ),
    "news": (
        lambda seed: changing(seed, first_ranks),
        f"as Zipf 0.8; each {CHANGE_EVERY:,} requests the {NEWS} most popular are replaced",
    ),
    "web": (web, WEB),
}
"""Each trace's maker, and what it is."""
