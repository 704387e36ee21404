"""Databases to write to, and a cache in which it shows what was purged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from asgi_cache import Cache
from tests.frameworks.models import PURGED, Base, fill
from tests.postgresql_server import running_postgresql
from tests.redis_server import redis_server

__all__ = ["redis_server"]


class Tagged:
    """A cache with a value for each of some tags, so that one sees what was purged."""

    def __init__(self, *tags: str, **options) -> None:
        self.cache = Cache(**options)
        self.tags = tags

    def fill(self) -> None:
        for tag in self.tags:
            self.cache.sync.put(tag, tag, ttl=60, tags=[tag])

    async def filled(self) -> Tagged:
        for tag in self.tags:
            await self.cache.put(tag, tag, ttl=60, tags=[tag])
        return self

    async def purged(self) -> set[str]:
        return {tag for tag in self.tags if await self.cache.get(tag) is None}

    def purged_now(self) -> set[str]:
        return {tag for tag in self.tags if self.cache.sync.get(tag) is None}


@pytest.fixture
def tagged():
    tagged = Tagged(*PURGED)
    tagged.fill()
    yield tagged
    tagged.cache.sync.close()


class Plain:
    """Transactions of plain sessions, as in scripts and in threads."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, poolclass=NullPool)
        self.sessions = sessionmaker(self.engine)

    def transact(self, change: Callable[[Session], object], tagged: Tagged) -> set[str]:
        """Commit what *change* does; return what was purged before that."""
        with self.sessions() as session:
            change(session)
            session.flush()
            before = tagged.purged_now()
            session.commit()
        return before


class Async:
    """Transactions of asynchronous sessions, as in an app's event loop."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        self.sessions = async_sessionmaker(self.engine)

    def transact(self, change: Callable[[Session], object], tagged: Tagged) -> set[str]:
        """Commit what *change* does; return what was purged before that."""

        async def transact():
            try:
                async with self.sessions() as session:
                    await session.run_sync(change)
                    await session.flush()
                    before = await tagged.purged()
                    await session.commit()
                return before
            finally:
                await self.engine.dispose()

        return asyncio.run(transact())


@pytest.fixture(scope="session")
def postgresql():
    with running_postgresql() as where:
        yield f"postgresql+psycopg://{where}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Two users and three tasks, in each kind of database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/tasks.sqlite3"
    else:
        url = request.getfixturevalue("postgresql")
    engine = create_engine(url, poolclass=NullPool)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
        session.commit()
    return url


@pytest.fixture(params=[Plain, Async])
def database(request, url):
    return request.param(url)


@pytest.fixture
def plain(tmp_path):
    """Return the simplest of them, for what is the same in all."""
    database = Plain(f"sqlite:///{tmp_path}/plain.sqlite3")
    Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        fill(session)
        session.commit()
    return database
