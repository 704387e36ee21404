"""Transactions at random, held against what the database says has changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import StaticPool, create_engine, delete, event, select
from sqlalchemy.orm import sessionmaker

from asgi_cache.sqlalchemy import purge_on_commit
from tests.frameworks.conftest import Tagged
from tests.frameworks.models import Base, Task

KEYS, OWNERS = range(1, 5), range(1, 4)
TAGS = (*(f"task:{key}" for key in KEYS), *(f"tasks:{owner}" for owner in OWNERS))

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(KEYS), st.sampled_from(OWNERS)),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.sampled_from(["flush", "expire", "savepoint", "release", "undo"])),
    ),
    min_size=3,
    max_size=12,
)


def take(step, session, savepoints):
    """Take one step; those that are impossible now are left out."""
    match step:
        case "write", key, owner:
            task = session.get(Task, key)
            if task is None:
                session.add(Task(id=key, owner_id=owner))
            else:
                task.owner_id = owner
        case "delete", key:
            task = session.get(Task, key)
            if task is not None:
                session.delete(task)
        case ("flush",):
            session.flush()
        case ("expire",):
            session.flush()
            session.expire_all()
        case ("savepoint",):
            savepoints.append(session.begin_nested())
        case ("release",) if savepoints:
            savepoints.pop().commit()
        case ("undo",) if savepoints:
            savepoints.pop().rollback()


def rows(sessions):
    with sessions() as session:
        return {tuple(row) for row in session.execute(select(Task.id, Task.owner_id))}


def tags_of(changed):
    return {f"task:{key}" for key, _ in changed} | {f"tasks:{owner}" for _, owner in changed}


@pytest.fixture(scope="module")
def kit():
    """Return what makes sessions, what makes others of which nobody hears, and a cache."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    Base.metadata.create_all(engine)
    sessions, tagged = sessionmaker(engine), Tagged(*TAGS)
    purge_on_commit(sessions, tagged.cache, {Task: ["task:{id}", "tasks:{owner_id}"]})
    yield sessions, sessionmaker(engine), tagged
    tagged.cache.sync.close()
    engine.dispose()


TRANSACTIONS = st.lists(st.tuples(STEPS, st.sampled_from([True, True, False])), min_size=1)


@given(TRANSACTIONS)
@settings(max_examples=40, deadline=None)
def test_whatever_a_commit_has_changed_is_purged(kit, transactions):
    """Each row that is another, in the database, than before; and nothing by a rollback."""
    sessions, others, tagged = kit
    with others.begin() as session:
        session.execute(delete(Task))
    with sessions() as session:
        for steps, is_committed in transactions:
            tagged.fill()
            before, savepoints = rows(others), []
            for step in steps:
                take(step, session, savepoints)
            if is_committed:
                session.commit()
            elif session.in_transaction():
                session.get_transaction().rollback()
            purged = tagged.purged_now()
            assert purged >= tags_of(before ^ rows(others))
            assert is_committed or not purged
