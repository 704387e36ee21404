"""Who is measured, what they are asked, and beside whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, Literal

from benchmarks.peers.candidates import CANDIDATES, Candidate
from benchmarks.speed.order import Pair

SIZES: Final = (1024, 16 * 1024)
"""Bytes of a body."""
MANY: Final = 256
TOKEN: Final = ("Authorization", "Bearer 5e1f0c8a7d6b4e2f9a3c1b0d8e7f6a5b")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One app and one kind of request."""

    name: str
    title: str
    build: str
    """The function that makes the app, as ``module:name``."""
    beside: str = "bare"
    """The contestant that its figures are divided by."""
    runs: Literal["never", "always"] = "never"
    """How often the app behind the cache runs once it is warm."""
    needs_redis: bool = False
    urls: Literal["one", "many", "new"] = "one"
    fields: tuple[Pair, ...] = ()
    """What is sent beside the fields of a browser."""
    validates: bool = False
    """Whether it sends the ETag that it was sent."""
    replays: str = ""
    """The contestant whose response it sends, if it is a bare app."""
    peer: Candidate | None = None
    """The other project that it shows."""
    option: str = ""
    """What that project's adapter is told."""

    def __str__(self) -> str:
        return self.name

    def targets(self, path: str) -> Iterator[str]:
        """Return what is asked for, one after another, without end."""
        for number in count():
            if self.urls == "one":
                yield path
            elif self.urls == "many":
                yield f"/items/{number % MANY}"
            else:
                yield f"{path}?page={number}"


def _bare(name: str, title: str, replays: str) -> Contestant:
    return Contestant(name, title, "benchmarks.speed.bare:replay", replays=replays)


def _ours(name: str, title: str, build: str) -> Contestant:
    return Contestant(name, title, f"benchmarks.speed.ours:{build}")


def _ours_on_redis(name: str, title: str, build: str) -> Contestant:
    return replace(_ours(name, title, build), needs_redis=True)


def _runs(contestant: Contestant, beside: str, urls: Literal["one", "new"] = "new") -> Contestant:
    return replace(contestant, runs="always", beside=beside, urls=urls)


_MEMORY: Final = _ours("memory-hit", "hit in memory", "memory")
_COPIES: Final = _ours_on_redis("local-hit", "hit in the local copies of Redis", "tiered")
_REDIS: Final = _ours_on_redis("redis-hit", "hit in Redis, without copies", "redis")

BARE: Final = (
    _bare("bare", "bare app, beside itself", "memory-hit"),
    replace(
        _bare("bare-redis-get", "bare app with one `redis.get()`", "memory-hit"),
        build="benchmarks.speed.bare:from_redis",
        needs_redis=True,
    ),
    _bare("bare-no-status", "bare app that sends no Cache-Status", "no-status-hit"),
    replace(_bare("bare-304", "bare app that sends 304", "not-modified"), validates=True),
    _bare("bare-varied", "bare app that sends Vary", "varied-hit"),
)
HITS: Final = (
    _MEMORY,
    _COPIES,
    _REDIS,
    replace(_COPIES, name="local-many", title=f"hit in the local copies, {MANY} URLs", urls="many"),
    replace(_REDIS, name="redis-many", title=f"hit in Redis, {MANY} URLs", urls="many"),
    replace(
        _ours("no-status-hit", "hit in memory, `cache_status=False`", "without_cache_status"),
        beside="bare-no-status",
    ),
    _ours("uncounted-hit", "hit in memory, `metrics=False`", "uncounted"),
    replace(
        _MEMORY,
        name="user-hit",
        title="hit in memory of a user, by `Authorization`",
        fields=(TOKEN,),
    ),
    replace(
        _MEMORY,
        name="not-modified",
        title="304 from memory, for `If-None-Match`",
        validates=True,
        beside="bare-304",
    ),
    replace(
        _ours("varied-hit", "hit in memory, `Vary: Accept-Encoding`", "varied"),
        beside="bare-varied",
    ),
    _ours("fastapi-around-hit", "hit in memory, around FastAPI", "around"),
    _ours("fastapi-added-hit", "hit in memory, `add_middleware` of FastAPI", "added"),
)
RUNS: Final = (
    _runs(_ours("fastapi", "FastAPI, no cache", "fastapi"), "bare", "one"),
    _runs(_ours("fastapi-new", "FastAPI, no cache, new URLs", "fastapi"), "bare"),
    _runs(_ours("miss", "miss, stored in memory", "around"), "fastapi-new"),
    _runs(_ours_on_redis("redis-miss", "miss, stored in Redis", "around_on_redis"), "fastapi-new"),
    _runs(_ours("not-eligible", "a rule that nothing is stored", "not_eligible"), "fastapi", "one"),
)


def _peers() -> Iterator[Contestant]:
    """Yield each peer with each of its stores."""
    for candidate in CANDIDATES:
        for store in candidate.stores if candidate.version else ():
            yield Contestant(
                f"{candidate.name}-{store}",
                f"{candidate.name} {candidate.version}, {store.replace('-', ' ')}",
                "benchmarks.speed.peer:adapted",
                needs_redis=candidate.needs_redis or store.startswith("redis"),
                peer=candidate,
                option="" if store == candidate.stores[0] else store,
            )


PEERS: Final = tuple(_peers())
CONTESTANTS: Final = {each.name: each for each in (*BARE, *HITS, *RUNS, *PEERS)}
