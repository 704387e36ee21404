"""What transactions write, and the tags that this makes untrue."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tests.frameworks.models import Task, UrgentTask, User


def task(session, number=1):
    return session.get_one(Task, number)


def insert_one(session):
    session.add(Task(owner_id=1))


def insert_for_a_user(session):
    session.add(User(name="Cyd", tasks=[Task()]))


def change_title(session):
    task(session).title = "new"


def change_nothing(session):
    task(session).title = task(session).title


def only_read(session):
    session.scalars(select(Task)).all()


def move(session):
    task(session).owner_id = 2


def move_by_relationship(session):
    task(session).owner = session.get_one(User, 2)


def move_by_collection(session):
    """Which is changed by it, and so is the user whose it is."""
    user = session.get_one(User, 2)
    user.tasks.append(task(session))


def move_twice(session):
    move(session)
    session.flush()
    task(session).owner_id = None


def move_unread(session):
    """As after a commit, which leaves nothing of an instance but its key."""
    moved = task(session)
    session.expire(moved)
    moved.owner_id = 2


def move_by_expression(session):
    task(session).owner_id = Task.owner_id + 1


def renumber(session):
    task(session).id = 8


def delete_one(session):
    session.delete(task(session))


def delete_unread(session):
    deleted = task(session)
    session.expire(deleted)
    session.delete(deleted)


def delete_with_user(session):
    session.delete(session.get_one(User, 1))


def delete_orphan(session):
    user = session.get_one(User, 1)
    user.tasks.remove(task(session))


def replace(session):
    """Which SQLAlchemy makes an update of the row."""
    session.delete(task(session))
    session.add(Task(id=1, owner_id=2))


def add_and_remove(session):
    added = Task(owner_id=2)
    session.add(added)
    session.flush()
    session.delete(added)


def change_subclass(session):
    session.add(UrgentTask(owner_id=1))


WRITES = [
    (insert_one, {"task:4", "tasks:1"}),
    (insert_for_a_user, {"user:3", "task:4", "tasks:3"}),
    (change_title, {"task:1", "tasks:1"}),
    (change_nothing, set()),
    (only_read, set()),
    (move, {"task:1", "tasks:1", "tasks:2"}),
    (move_by_relationship, {"task:1", "tasks:1", "tasks:2"}),
    (move_by_collection, {"task:1", "tasks:1", "tasks:2", "user:2"}),
    (move_twice, {"task:1", "tasks:1", "tasks:2", "tasks:None"}),
    (move_unread, {"task:1", "tasks:1", "tasks:2"}),
    (move_by_expression, {"task:1", "tasks:1", "tasks:2"}),
    (renumber, {"task:1", "task:8", "tasks:1"}),
    (delete_one, {"task:1", "tasks:1"}),
    (delete_unread, {"task:1", "tasks:1"}),
    (delete_with_user, {"user:1", "task:1", "task:2", "tasks:1"}),
    (delete_orphan, {"user:1", "task:1", "tasks:1"}),
    (replace, {"task:1", "tasks:1", "tasks:2"}),
    (add_and_remove, {"task:4", "tasks:2"}),
    (change_subclass, {"task:4", "tasks:1"}),
]


def undo(session):
    move(session)
    session.rollback()


def undo_savepoint(session):
    with session.begin_nested() as savepoint:
        move(session)
        savepoint.rollback()
    insert_one(session)


def undo_savepoint_after_a_write(session):
    task(session).title = "new"
    savepoint = session.begin_nested()
    task(session, 3).title = "new"
    savepoint.rollback()


def release_savepoint(session):
    with session.begin_nested():
        move(session)


def release_in_one_undone(session):
    with session.begin_nested() as outer:
        with session.begin_nested():
            move(session)
        outer.rollback()


def undo_in_one_released(session):
    with session.begin_nested():
        change_title(session)
        with session.begin_nested() as inner:
            task(session, 3).title = "new"
            inner.rollback()


def fail_in_savepoint(session):
    change_title(session)
    savepoint = session.begin_nested()
    task(session, 3).title = "new"
    session.flush()
    task(session, 2).title = None
    with pytest.raises(IntegrityError):
        session.flush()
    savepoint.rollback()


def fail_to_flush_a_savepoint(session):
    change_title(session)
    with pytest.raises(IntegrityError), session.begin_nested():
        task(session, 3).title = None


def leave_savepoint_open(session):
    session.begin_nested()
    move(session)


SAVEPOINTS = [
    (undo, set()),
    (undo_savepoint, {"task:4", "tasks:1"}),
    (undo_savepoint_after_a_write, {"task:1", "tasks:1"}),
    (release_savepoint, {"task:1", "tasks:1", "tasks:2"}),
    (release_in_one_undone, set()),
    (undo_in_one_released, {"task:1", "tasks:1"}),
    (fail_in_savepoint, {"task:1", "tasks:1"}),
    (fail_to_flush_a_savepoint, {"task:1", "tasks:1"}),
    (leave_savepoint_open, {"task:1", "tasks:1", "tasks:2"}),
]
