"""Purges after commits, on real databases."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from asgi_cache import Cache, CacheMiddleware, ConfigurationError
from asgi_cache.fastapi import cached
from asgi_cache.sqlalchemy import purge_on_commit
from tests.bare import ask
from tests.frameworks.conftest import Tagged
from tests.frameworks.models import PURGED, TAGS, Task
from tests.frameworks.writes import SAVEPOINTS, WRITES, insert_one, move, task


@pytest.mark.parametrize(("write", "expected"), WRITES, ids=[w.__name__ for w, _ in WRITES])
def test_a_commit_purges_what_it_makes_untrue(database, tagged, write, expected):
    """The tags of each row as it was and as it is; nothing of it before the commit."""
    purge_on_commit(database.sessions, tagged.cache, TAGS)
    assert database.transact(write, tagged) == set()
    assert tagged.purged_now() == expected


@pytest.mark.parametrize(("write", "expected"), SAVEPOINTS, ids=[w.__name__ for w, _ in SAVEPOINTS])
def test_what_was_rolled_back_purges_nothing(postgresql_or_sqlite, tagged, write, expected):
    """What a savepoint has written counts if it is released, and all around it is committed."""
    purge_on_commit(postgresql_or_sqlite.sessions, tagged.cache, TAGS)
    assert postgresql_or_sqlite.transact(write, tagged) == set()
    assert tagged.purged_now() == expected


@pytest.fixture
def postgresql_or_sqlite(database):
    """Return a database in which savepoints do what they should (SQLite's driver begins late)."""
    engine = getattr(database.engine, "sync_engine", database.engine)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def connect(connection, record):
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection):
            connection.exec_driver_sql("BEGIN")

    return database


def test_a_session_that_is_closed_uncommitted_purges_nothing(plain, tagged):
    """Neither does one whose flush fails, whatever else it has written."""
    purge_on_commit(plain.sessions, tagged.cache, TAGS)
    with plain.sessions() as session:
        move(session)
        session.flush()
    with plain.sessions() as session:
        move(session)
        session.flush()
        task(session, 2).title = None
        with pytest.raises(IntegrityError):
            session.commit()
    assert tagged.purged_now() == set()


def test_a_commit_ends_the_savepoints_that_are_open(plain, tagged):
    """They are released with the transaction that they are in."""
    purge_on_commit(plain.sessions, tagged.cache, TAGS)
    with plain.sessions.begin() as session:
        session.begin_nested()
        move(session)
    assert tagged.purged_now() == {"task:1", "tasks:1", "tasks:2"}


def test_one_session_after_another_transaction_begins_anew(plain, tagged):
    """Nothing of what was rolled back is left for the next commit."""
    purge_on_commit(plain.sessions, tagged.cache, TAGS)
    with plain.sessions() as session:
        move(session)
        session.flush()
        session.rollback()
        task(session, 3).title = "new"
        session.commit()
        assert tagged.purged_now() == {"task:3", "tasks:2"}
        task(session, 2).title = "new"
        session.commit()
    assert tagged.purged_now() == {"task:3", "tasks:2", "task:2", "tasks:1"}


def test_a_commit_of_which_nobody_heard_purges(database, tagged):
    """A connection that is lost during COMMIT leaves open whether the rows have changed."""
    purge_on_commit(database.sessions, tagged.cache, TAGS)
    engine = getattr(database.engine, "sync_engine", database.engine)

    @event.listens_for(engine, "commit")
    def commit(connection):
        connection.connection.dbapi_connection.commit()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        database.transact(move, tagged)
    assert tagged.purged_now() == {"task:1", "tasks:1", "tasks:2"}


def test_a_purge_is_acknowledged_when_the_commit_returns(database, redis_server):
    """Another process that asks Redis then knows of it."""
    redis_server.empty()
    own, other = (Tagged(*PURGED, store=f"{redis_server.url}?timeout=5s&local=0") for _ in range(2))
    own.fill()
    assert other.purged_now() == set()
    purge_on_commit(database.sessions, own.cache, TAGS)
    database.transact(move, own)
    assert other.purged_now() == {"task:1", "tasks:1", "tasks:2"}
    for each in (own, other):
        each.cache.sync.close()


def test_a_commit_holds_though_its_purge_is_not_acknowledged(database, redis_server, caplog):
    """It is logged; this process serves nothing that is untrue, and repeats the purge."""
    redis_server.empty()
    tagged = Tagged(*PURGED, store=redis_server.url + "?timeout=5s")
    tagged.fill()
    purge_on_commit(database.sessions, tagged.cache, TAGS)
    redis_server.stop()
    try:
        database.transact(move, tagged)
        assert {"task:1", "tasks:1", "tasks:2"} <= tagged.purged_now()
    finally:
        redis_server.start()
        tagged.cache.sync.close()
    logged = [each for each in caplog.records if each.name == "asgi_cache.sqlalchemy"]
    assert [each.levelno for each in logged] == [logging.WARNING]
    assert "the purge after a commit is not acknowledged" in logged[0].getMessage()


@pytest.mark.anyio
async def test_a_plain_session_in_an_event_loop_leaves_the_purge_to_it(plain):
    """The loop must not wait; it purges as soon as it can."""
    tagged = await Tagged(*PURGED).filled()
    purge_on_commit(plain.sessions, tagged.cache, TAGS)
    tasks = asyncio.all_tasks()
    with plain.sessions.begin() as session:
        move(session)
    await asyncio.wait(asyncio.all_tasks() - tasks)
    assert await tagged.purged() == {"task:1", "tasks:1", "tasks:2"}


@pytest.mark.anyio
@pytest.mark.parametrize("moment", ["commit", "reset"])
async def test_a_commit_that_is_cancelled_purges_if_it_may_have_happened(plain, moment):
    """A client that has gone may leave a COMMIT behind that was sent, or that is done."""
    tagged = await Tagged(*PURGED).filled()
    engine = create_async_engine(str(plain.engine.url).replace("sqlite:", "sqlite+aiosqlite:"))
    sessions = async_sessionmaker(engine)
    purge_on_commit(sessions, tagged.cache, TAGS)

    async def write():
        async with sessions() as session:
            (await session.get_one(Task, 1)).owner_id = 2
            await session.commit()

    writing = asyncio.create_task(write())
    event.listen(engine.sync_engine, moment, lambda *_: writing.cancel())
    await asyncio.wait([writing])
    await engine.dispose()
    assert writing.cancelled()
    assert await tagged.purged() == {"task:1", "tasks:1", "tasks:2"}


@pytest.mark.anyio
async def test_a_plain_endpoint_reads_its_own_write(plain):
    """It runs in a thread, whose commit waits for the purge in the app's event loop."""
    app, cache = FastAPI(), Cache()
    app.add_middleware(CacheMiddleware, cache=cache)
    purge_on_commit(plain.sessions, cache, TAGS)

    def open_session():
        with plain.sessions() as session:
            yield session

    opened = Depends(open_session)

    @app.get("/users/{user_id}/tasks")
    @cached("5m", tags=["tasks:{user_id}"])
    def read(user_id: int, session=opened) -> list[int]:
        return list(session.scalars(select(Task.id).where(Task.owner_id == user_id)))

    @app.options("/tasks/{task_id}/{user_id}")
    def give(task_id: int, user_id: int, session=opened) -> None:
        session.get_one(Task, task_id).owner_id = user_id
        session.commit()

    async def tasks():
        return [(await ask(app, f"/users/{number}/tasks")).body for number in (1, 2)]

    assert await tasks() == await tasks() == [b"[1,2]", b"[3]"]
    assert (await ask(app, "/tasks/1/2", method="OPTIONS")).status == 200
    assert await tasks() == [b"[2]", b"[1,3]"]


class OwnSession(Session):
    pass


class OwnAsyncSession(AsyncSession):
    sync_session_class = type("Own", (Session,), {})


KINDS = {
    "sessionmaker": sessionmaker,
    "class": lambda: type("Own", (Session,), {}),
    "maker-of-a-class": lambda: sessionmaker(class_=OwnSession),
    "scoped": lambda: scoped_session(sessionmaker()),
    "async": async_sessionmaker,
    "async-class": lambda: OwnAsyncSession,
    "async-with-a-class": lambda: async_sessionmaker(sync_session_class=type("O", (Session,), {})),
    "async-with-a-maker": lambda: async_sessionmaker(sync_session_class=sessionmaker()),
    "async-scoped": lambda: async_scoped_session(async_sessionmaker(), asyncio.current_task),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_makes_sessions_will_do(plain, kind):
    """What is made in another way purges nothing, though it writes the same models."""
    tagged = await Tagged(*PURGED).filled()
    sessions = KINDS[kind]()
    purge_on_commit(sessions, tagged.cache, TAGS)
    with Session(plain.engine) as session:
        move(session)
        session.commit()
    await asyncio.sleep(0)
    assert await tagged.purged() == set()
    session = getattr(sessions, "registry", sessions)()
    url = str(plain.engine.url)
    if isinstance(session, AsyncSession):
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with session, engine.connect() as connection:
            session.sync_session.bind = connection.sync_connection
            await session.run_sync(insert_one)
            await session.commit()
        await engine.dispose()
    else:
        tasks = asyncio.all_tasks()
        with session:
            session.bind = plain.engine
            insert_one(session)
            session.commit()
        await asyncio.wait(asyncio.all_tasks() - tasks)
    assert await tagged.purged() == {"task:4", "tasks:1"}


@pytest.mark.parametrize(
    ("sessions", "tags", "message"),
    [
        pytest.param(
            OwnSession,
            {Task: ["tasks:{ownr_id}"]},
            "purge_on_commit: Task: 'tasks:{ownr_id}' has {ownr_id}, no column "
            "(did you mean 'owner_id'?)",
            id="name",
        ),
        pytest.param(
            OwnSession, {Task: "task:{owner}"}, "has {owner}, no column", id="relationship"
        ),
        pytest.param(
            OwnSession,
            {Task: "task:{owner.name}"},
            "is not a template such as 'task:{id}'",
            id="path",
        ),
        pytest.param(OwnSession, {Task: [""]}, "Task: '' is not a template", id="empty"),
        pytest.param(OwnSession, {Cache: "a"}, "Cache'> is no mapped class", id="model"),
        pytest.param(object(), {Task: "a"}, "makes no sessions: name a sessionmaker", id="object"),
        pytest.param(Session(), {Task: "a"}, "makes no sessions", id="session"),
    ],
)
def test_mistakes_are_named_at_set_up(sessions, tags, message):
    """A purge of what nothing is called by would be noticed by users only."""
    with pytest.raises(ConfigurationError) as caught:
        purge_on_commit(sessions, Cache(), tags)
    assert message in str(caught.value)
