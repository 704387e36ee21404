"""Rows that are committed purge what they are in; others purge nothing."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import ForeignKey, create_engine, delete, event, insert, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    sessionmaker,
)
from sqlalchemy.pool import StaticPool

from asgi_cache import Cache, ConfigurationError
from asgi_cache.errors import PurgeNotAcknowledged
from asgi_cache.sqlalchemy import purge_on_commit


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    tasks: Mapped[list[Task]] = relationship(cascade="all, delete-orphan")


class Task(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(default="")
    rank: Mapped[int] = mapped_column(server_default="5")


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)


TEMPLATES = {
    Task: ["task:{id}", "tasks:{owner_id}", "rank:{rank}"],
    User: ["users/{id}"],
}


class Watched(Cache):
    """A cache that notes what it is asked to purge, and does it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.purged = []
        self.failing = False

    async def purge(self, **named):
        await super().purge(**named)
        self.purged.append("everything" if named.get("everything") else set(named["tags"]))
        if self.failing:
            raise PurgeNotAcknowledged("Redis does not answer")


@pytest.fixture
def engine():
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def leave_transactions_alone(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(id=1), User(id=2), User(id=3)])
        session.add_all([Task(id=7, owner_id=1), Task(id=8, owner_id=1)])
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def cache():
    cache = Watched()
    yield cache
    cache.sync.close()


@pytest.fixture
def sessions(engine, cache):
    sessions = sessionmaker(engine)
    purge_on_commit(sessions, cache, TEMPLATES)
    return sessions


def adds(session):
    session.add(Task(id=9, owner_id=2))


def adds_nobodys(session):
    session.add(Task(id=9))


def renames(session):
    session.get(Task, 7).title = "other"


def moves(session):
    session.get(Task, 7).owner_id = 2


def moves_what_is_not_loaded(session):
    task = session.get(Task, 7)
    session.expire(task)
    task.owner_id = 2


def moves_twice(session):
    task = session.get(Task, 7)
    task.owner_id = 2
    session.flush()
    task.owner_id = 3


def moves_by_relationship(session):
    session.add(User(id=4, tasks=[session.get(Task, 7)]))


def deletes(session):
    session.delete(session.get(Task, 7))


def orphans(session):
    user = session.get(User, 1)
    user.tasks.remove(session.get(Task, 7))


def cascades(session):
    session.delete(session.get(User, 1))


def changes_nothing(session):
    session.get(Task, 7)


def adds_a_note(session):
    session.add(Note(id=1))


def names_in_bulk(session):
    statement = update(Task).values(title="x")
    session.execute(statement.execution_options(purge_tags=["tasks"]))


CHANGES = [
    pytest.param(adds, [{"task:9", "tasks:2", "rank:5"}], id="insert"),
    pytest.param(adds_nobodys, [{"task:9", "rank:5"}], id="null-names-nothing"),
    pytest.param(renames, [{"task:7", "tasks:1", "rank:5"}], id="update"),
    pytest.param(moves, [{"task:7", "tasks:1", "tasks:2", "rank:5"}], id="move"),
    pytest.param(
        moves_what_is_not_loaded, [{"task:7", "tasks:1", "tasks:2", "rank:5"}], id="expired"
    ),
    pytest.param(
        moves_twice, [{"task:7", "tasks:1", "tasks:2", "tasks:3", "rank:5"}], id="two-flushes"
    ),
    pytest.param(
        moves_by_relationship,
        [{"users/4", "task:7", "tasks:1", "tasks:4", "rank:5"}],
        id="relationship",
    ),
    pytest.param(deletes, [{"task:7", "tasks:1", "rank:5"}], id="delete"),
    pytest.param(orphans, [{"users/1", "task:7", "tasks:1", "rank:5"}], id="orphan"),
    pytest.param(cascades, [{"users/1", "task:7", "task:8", "tasks:1", "rank:5"}], id="cascade"),
    pytest.param(changes_nothing, [], id="read"),
    pytest.param(adds_a_note, [], id="another-model"),
    pytest.param(names_in_bulk, [{"tasks"}], id="bulk-that-names"),
    pytest.param(lambda s: s.execute(delete(Task)), ["everything"], id="bulk-delete"),
    pytest.param(lambda s: s.execute(insert(Task), [{"id": 9}]), ["everything"], id="bulk-insert"),
    pytest.param(
        lambda s: s.execute(update(User.__table__).values(name="x")), [{"users"}], id="core"
    ),
    pytest.param(
        lambda s: s.execute(update(User).values(name="x")), [{"users"}], id="bulk-with-slash"
    ),
]


@pytest.mark.parametrize(("change", "purged"), CHANGES)
def test_a_commit_purges_what_was_changed(change, purged, sessions, cache):
    """What the rows were in before and what they are in now, once, after the commit."""
    with sessions() as session:
        change(session)
        session.flush()
        assert cache.purged == []
        session.commit()
    assert cache.purged == purged


@pytest.mark.parametrize(("change", "purged"), CHANGES)
def test_a_rollback_purges_nothing(change, purged, sessions, cache):
    """Nor does the next commit of the same session purge what was rolled back."""
    with sessions() as session:
        change(session)
        session.flush()
        session.rollback()
        session.add(Note(id=2))
        session.commit()
    assert cache.purged == []


@pytest.mark.parametrize(
    ("ends", "purged"),
    [
        pytest.param(["commit"], [{"users/1", "users/2"}], id="released"),
        pytest.param(["rollback"], [{"users/1"}], id="rolled-back"),
        pytest.param(["commit", "commit"], [{"users/1", "users/2", "users/3"}], id="both"),
        pytest.param(["commit", "rollback"], [{"users/1"}], id="inner-in-outer-rolled-back"),
        pytest.param(["rollback", "commit"], [{"users/1", "users/2"}], id="inner-rolled-back"),
    ],
)
def test_a_savepoint_purges_with_its_transaction(ends, purged, sessions, cache):
    """Savepoints are begun one in another, and end as said, the innermost first."""
    with sessions() as session:
        session.get(User, 1).name = "changed"
        savepoints = []
        for user_id, _ in enumerate(ends, start=2):
            savepoints.append(session.begin_nested())
            session.get(User, user_id).name = "changed"
            session.flush()
        for savepoint, end in zip(reversed(savepoints), ends, strict=True):
            getattr(savepoint, end)()
            assert cache.purged == []
        session.commit()
    assert cache.purged == purged


def test_sessions_of_others_purge_nothing(engine, sessions, cache):
    """Mappers are the same for all sessions; only those that were named count."""
    with Session(engine) as session:
        session.get(Task, 7).title = "other"
        session.commit()
    assert cache.purged == []


def test_nothing_is_served_that_a_commit_changed(sessions, cache):
    """What was stored before the commit is void when it returns."""
    cache.sync.put("task", "old", ttl=60, tags=["task:7"])
    with sessions() as session:
        session.get(Task, 7).title = "new"
        session.flush()
        assert cache.sync.get("task") == "old"
        session.commit()
        assert cache.sync.get("task") is None


def test_a_purge_that_is_not_acknowledged_undoes_nothing(sessions, cache, caplog):
    """It is logged; the row stays as it was committed."""
    cache.failing = True
    with sessions() as session, caplog.at_level(logging.WARNING):
        session.get(Task, 7).title = "new"
        session.commit()
    assert "could not be purged elsewhere yet" in caplog.text
    with sessions() as session:
        assert session.get(Task, 7).title == "new"


@pytest.mark.anyio
async def test_a_session_in_a_worker_thread_purges_in_the_loop(sessions, cache):
    """The thread waits until the purge is done, as a ``def`` endpoint does."""
    cache._threads.note_loop()

    def write():
        with sessions() as session:
            session.get(Task, 7).title = "new"
            session.commit()
        return list(cache.purged)

    with ThreadPoolExecutor(1) as threads:
        purged = await asyncio.get_running_loop().run_in_executor(threads, write)
    assert purged == [{"task:7", "tasks:1", "rank:5"}]


@pytest.mark.anyio
async def test_a_session_in_the_event_loop_is_not_committed(sessions, cache):
    """It could not wait for the purge; nothing is committed, so that nothing is stale."""
    with sessions() as session:
        session.get(Task, 7).title = "new"
        with pytest.raises(RuntimeError, match="use an AsyncSession"):
            session.commit()
        session.rollback()
        assert session.get(Task, 7).title == ""
    assert cache.purged == []


@pytest.fixture
async def async_engine(tmp_path):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/tasks.db")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(User), [{"id": 1, "name": ""}, {"id": 2, "name": ""}])
        await connection.execute(insert(Task), [{"id": 7, "owner_id": 1, "title": ""}])
    yield engine
    await engine.dispose()


def of_a_maker(engine, cache):
    sessions = async_sessionmaker(engine)
    purge_on_commit(sessions, cache, TEMPLATES)
    return sessions()


def of_a_maker_of_sync_sessions(engine, cache):
    sessions = async_sessionmaker(engine, sync_session_class=sessionmaker())
    purge_on_commit(sessions, cache, TEMPLATES)
    return sessions()


def of_a_class(engine, cache):
    class Sessions(AsyncSession):
        pass

    purge_on_commit(Sessions, cache, TEMPLATES)
    return Sessions(engine)


def of_itself(engine, cache):
    session = AsyncSession(engine)
    purge_on_commit(session, cache, TEMPLATES)
    return session


@pytest.mark.anyio
@pytest.mark.parametrize("made", [of_a_maker, of_a_maker_of_sync_sessions, of_a_class, of_itself])
async def test_an_asynchronous_commit_purges_before_it_returns(made, async_engine):
    """Whatever its sessions were named by; what is not loaded is no trouble."""
    cache = Watched()
    async with made(async_engine, cache) as session:
        task = await session.get(Task, 7)
        task.title = "new"
        await session.flush()
        assert cache.purged == []
        await session.commit()
        task.owner_id = 2  # which the commit has expired
        await session.rollback()
        task.owner_id = 2
        await session.commit()
    assert cache.purged == [
        {"task:7", "tasks:1", "rank:5"},
        {"task:7", "tasks:1", "tasks:2", "rank:5"},
    ]
    async with AsyncSession(async_engine) as session:
        (await session.get(Task, 7)).title = "newer"
        await session.commit()
    assert len(cache.purged) == 2
    await cache.close()


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        pytest.param({Task: ["tasks:{owner}"]}, "did you mean 'owner_id'", id="no-such-column"),
        pytest.param({Task: "task:{id}"}, "a list of templates", id="no-list"),
        pytest.param({Task: ["task:{id"]}, "is not a template", id="not-closed"),
        pytest.param({Base: ["a"]}, "is no mapped class", id="no-model"),
        pytest.param({int: ["a"]}, "is no mapped class", id="no-class-of-sqlalchemys"),
    ],
)
def test_mistakes_come_out_when_it_is_set_up(templates, message, cache):
    """The message says what would do."""
    with pytest.raises(ConfigurationError, match=message):
        purge_on_commit(sessionmaker(), cache, templates)
