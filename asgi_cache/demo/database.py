"""The tasks in SQLite, asked without any index: slow for the reasons that real ones are."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from asgi_cache.demo.sample import task_rows, user_rows

PAGE: Final = 20
"""Tasks on a page."""

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, token TEXT NOT NULL UNIQUE);
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    owner_id INTEGER NOT NULL REFERENCES users,
    project TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    created TEXT NOT NULL,
    due TEXT NOT NULL,
    done TEXT
);
"""

_LIST: Final = """
WITH rated AS (
    SELECT *, priority * 60.0 / minutes
        + min(30, max(0, julianday('now') - julianday(due))) / 10 AS urgency
    FROM tasks WHERE status = :status
), queue AS (
    SELECT *, rank() OVER (PARTITION BY project ORDER BY urgency DESC) AS place FROM rated
)
SELECT id, title, project, status, priority, minutes, due, place, :owner_name AS owner
FROM queue WHERE owner_id = :owner_id ORDER BY urgency DESC, id DESC LIMIT :limit OFFSET :offset
"""
"""A user's tasks, the most urgent first, each with its place in its project's queue.

The place is counted before the user's tasks are picked out, so every task is rated.
"""

_ONE: Final = """
SELECT id, title, project, status, priority, minutes, due, :owner_name AS owner, (
    SELECT count(*) FROM tasks AS other
    WHERE other.title LIKE '%' || substr(task.title, instr(task.title, ' the ')) || '%'
) AS alike
FROM tasks AS task WHERE id = :id AND owner_id = :owner_id
"""
"""One task of a user's, and how many in the company are about the same thing."""

_BY_PROJECT: Final = """
SELECT project, count(*) AS tasks, sum(status = 'open') AS open, sum(status = 'done') AS done,
    sum(status <> 'done' AND due < date('now')) AS overdue, sum(minutes) / 60 AS hours
FROM tasks GROUP BY project ORDER BY tasks DESC
"""

_MEDIAN: Final = """
WITH ranked AS (
    SELECT julianday(done) - julianday(created) AS days,
        row_number() OVER (ORDER BY julianday(done) - julianday(created)) AS place,
        count(*) OVER () AS number
    FROM tasks WHERE done > date('now', '-6 months')
)
SELECT avg(days) FROM ranked WHERE place IN ((number + 1) / 2, (number + 2) / 2)
"""
"""The median of days from a task's beginning to its end, of those ended lately."""


@dataclass(frozen=True, slots=True)
class User:
    """Someone who has tasks."""

    id: int
    name: str
    token: str


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is said of a task that is added."""

    title: str
    project: str
    priority: int
    minutes: int
    due: str


class Database:
    """The tasks in a file; each thread that asks has its own connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self.path)
        return connection

    def fill(self) -> None:
        """Make the file, with all its users and tasks."""
        with closing(_connect(self.path)) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO users VALUES (?, ?, ?)", user_rows())
            today = datetime.now(UTC).date()
            tasks = "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            connection.executemany(tasks, task_rows(today))
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close this thread's connection."""
        self._connection.close()
        self._local = threading.local()

    def user(self, token: str) -> User | None:
        """Find out whose *token* it is."""
        return self._user("SELECT id, name, token FROM users WHERE token = ?", token)

    def user_number(self, number: int) -> User:
        """Return the user with the id *number*, who is known to be there."""
        user = self._user("SELECT id, name, token FROM users WHERE id = ?", number)
        if user is None:
            raise LookupError(f"there is no user {number}")
        return user

    def _user(self, query: str, value: str | int) -> User | None:
        row = self._connection.execute(query, (value,)).fetchone()
        return None if row is None else User(**dict(row))

    def tasks(self, owner: User, status: str, page: int) -> list[dict[str, Any]]:
        """Return a page of *owner*'s tasks; the first page is 1."""
        values = {"owner_id": owner.id, "owner_name": owner.name, "status": status}
        window = {"limit": PAGE, "offset": PAGE * (page - 1)}
        return [dict(row) for row in self._connection.execute(_LIST, values | window)]

    def first_task(self, owner: User) -> str:
        """Return the path of *owner*'s most urgent task."""
        return f"/tasks/{self.tasks(owner, 'open', 1)[0]['id']}"

    def task(self, owner: User, number: int) -> dict[str, Any] | None:
        """Return one task, if it is *owner*'s."""
        values = {"id": number, "owner_id": owner.id, "owner_name": owner.name}
        row = self._connection.execute(_ONE, values).fetchone()
        return None if row is None else dict(row)

    def change(self, owner: User, number: int, **columns: str) -> bool:
        """Set title or status of a task, if it is *owner*'s; say whether it is."""
        values = {"title": None, "status": None, "id": number, "owner": owner.id} | columns
        query = """
            UPDATE tasks SET title = coalesce(:title, title), status = coalesce(:status, status)
            WHERE id = :id AND owner_id = :owner
        """
        return self._connection.execute(query, values).rowcount == 1

    def add(self, owner: User, task: NewTask) -> int:
        """Add an open task of *owner*'s, and return its id."""
        values = {"owner_id": owner.id} | asdict(task)
        query = """
            INSERT INTO tasks (owner_id, project, title, status, priority, minutes, created, due)
            VALUES (:owner_id, :project, :title, 'open', :priority, :minutes, date('now'), :due)
        """
        number = self._connection.execute(query, values).lastrowid
        if number is None:
            raise LookupError("the new task has no id")
        return number

    def statistics(self) -> dict[str, Any]:
        """Count all tasks of all users."""
        projects = [dict(row) for row in self._connection.execute(_BY_PROJECT)]
        (median,) = self._connection.execute(_MEDIAN).fetchone()
        total = sum(project["tasks"] for project in projects)
        return {"tasks": total, "median_days": median, "projects": projects}


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    connection.row_factory = sqlite3.Row
    return connection
