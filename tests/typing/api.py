"""What users write, for the type checkers to read; it is never run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from starlette.applications import Starlette
from starlette.requests import Request

from asgi_cache import (
    Cache,
    CacheMiddleware,
    DataType,
    Explanation,
    Rule,
    Settings,
    Stats,
    Write,
    WriteBehind,
    __version__,
    cache_tags,
    cached,
    invalidates,
)
from asgi_cache.fastapi import describe_caching, get_cache
from asgi_cache.observe.opentelemetry import instrument
from asgi_cache.observe.prometheus import PrometheusCollector
from asgi_cache.sqlalchemy import purge_on_commit
from asgi_cache.testing import Answered, Clock, Kit, assert_hit, assert_stored, controlled


async def whose(request: Request) -> str | None:
    """Tell whose request it is."""
    return request.headers.get("x-user")


async def may(request: Request) -> bool:
    """Tell whether a user may see what is stored for them."""
    return await whose(request) is not None


async def write(app: FastAPI, other: Starlette) -> None:
    """Configure a cache in every way there is."""
    cache = Cache(
        store="redis://localhost",
        rules={
            "/a": 60,
            "/b": "2m",
            "/c": timedelta(minutes=1),
            "/d": {"ttl": 60, "tags": ["a"]},
            "/e": Rule(ttl=60.0, tags=("a",)),
            "/f": None,
        },
        user_id=whose,
        credentials=["authorization"],
        max_body="8mb",
    )
    app.add_middleware(CacheMiddleware, cache=cache)
    other.add_middleware(CacheMiddleware, store="memory://", rules={"/": 60})
    CacheMiddleware(app, store=Redis(), user_id=lambda request: request.user.id, authorize=may)
    CacheMiddleware(app)
    Cache(settings=Settings(namespace="a"))
    Cache.from_config("asgi-cache.toml", environ={})
    cache_tags("a", "b")
    __version__.split(".")
    await cache.purge(tags=["a"], user=7)
    await cache.close()


@cached("5m", tags=["task:{task_id}"], stale_while_revalidate=60)
async def read(task_id: int) -> dict[str, int]:
    """Read something."""
    return {"task": task_id}


@invalidates("task:{task_id}", "tasks")
def replace(task_id: int, cache: Annotated[Cache, Depends(get_cache)]) -> int:
    """Write something."""
    return task_id


async def decorate(app: FastAPI) -> None:
    """Decorate handlers, which keep their signatures."""
    router = APIRouter(dependencies=[Depends(cached(60))])
    router.put("/tasks", dependencies=[Depends(invalidates("a"))])(replace)
    app.include_router(router)
    describe_caching(app)
    task: dict[str, int] = await read(task_id=7)
    number: int = replace(7, Cache())
    assert task, number


@dataclass
class Task:
    """What values are made of."""

    number: int


CACHE = Cache(types=[Task, DataType(bytearray, bytes, bytearray)])


@CACHE.memoize("5m", key="task:{number}", tags=["task:{number}"], stale_if_error="1h")
async def load(number: int) -> Task:
    """Load something."""
    return Task(number)


@CACHE.memoize(60, ignore=["session"])
def count(session: object, *, done: bool = False) -> int:
    """Count something."""
    return int(done)


@CACHE.writes("task:{number}", ttl="5m", tags=["task:{number}"], purge=["tasks"])
async def save(number: int, title: str) -> Task:
    """Write something."""
    return Task(number + len(title))


class Base(DeclarativeBase):
    """What rows are made of."""


class Row(Base):
    """A row of a table."""

    __tablename__ = "rows"
    number: Mapped[int] = mapped_column(primary_key=True)


def commit(plain: sessionmaker[Session], other: async_sessionmaker[AsyncSession]) -> None:
    """Purge on commit."""
    purge_on_commit(plain, CACHE, {Row: ["row:{number}"]})
    purge_on_commit(other, CACHE, {Row: ("row:{number}", "rows")})


def stats() -> None:
    """Read what was counted."""
    said: Stats = CACHE.stats()
    ratio: float | None = said.routes[0].hit_ratio
    plain: dict[str, Any] = said.to_plain()
    del ratio, plain


def measured(cache: Cache) -> None:
    """Have what was counted exported."""
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(cache, CACHE))
    instrument(cache, CACHE, spans=False)


async def explain() -> None:
    """Ask what would become of a request."""
    said: Explanation = await CACHE.explain("GET", "/a", user=7, answered={"Vary": "*"})
    stored: bool = said.stored
    assert stored, str(said)


async def keep_values() -> None:
    """Use values; what is stored has the type of what was made."""
    task: Task = await load(7)
    task = await save(number=7, title="a")
    number: int = count(None, done=True) + task.number
    key: str = load.key(7)
    task = await CACHE.get_or_set(key, lambda: load(7), ttl="5m")
    number = await CACHE.get_or_set("a", lambda: 7, ttl=60, tags=["b"], early_refresh=1.0)
    await CACHE.put(key, task, ttl=60, tags=["a"], purge=["b"])
    await CACHE.purge(key=[key], tags=count.name)
    CACHE.sync.purge(tags="a", wait=True)
    number = CACHE.sync.get_or_set("a", lambda: 7, ttl=60)
    CACHE.sync.put("a", number, ttl=60)


async def persist(batch: Sequence[Write]) -> None:
    """Take writes to where they belong."""
    dict.fromkeys((write.key, write.id) for write in batch)


async def write_behind() -> None:
    """Write now, and have it persisted later."""
    behind = WriteBehind(CACHE, persist, stream="tasks", store=Redis(), wait="2s", coalesce=True)
    async with behind as same:
        await same.write("a", Task(7), ttl="5m", tags=["a"], purge=["b"])
    task: Task = await behind.get_or_set("a", lambda: load(7), ttl="5m", tags=["a"])
    number: int = (await behind.backlog()).writes + task.number
    for letter in await behind.dead_letters(number):
        await behind.discard(letter)
    behind.stop()
    await behind.run()
    await behind.close()


def mistakes(app: FastAPI) -> None:
    """Each line is an error to a type checker; one that is not is an error of this file's."""
    Cache(tll=60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Cache(cookies="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cached(tll=60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    read("7")  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]
    load("7")  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]
    count()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CACHE.sync.purge(tag="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CacheMiddleware(app, cache="a.toml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test(cache: Cache, response: Answered) -> float:
    """Test an app."""
    with controlled(cache, now=0) as kit, kit.disabled():
        kit.advance(61)
    async with controlled(cache, store="redis://localhost") as kit:
        kit.assert_purged(tags=["a"], path="/a", user=7)
    assert_hit(response)
    assert_stored(response, name="mine")
    held: Kit = kit
    clock: Clock = held.clock
    return clock()
