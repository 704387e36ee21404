"""Purges after statements whose rows no session sees."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.orm import aliased

from asgi_cache.sqlalchemy import MOST_TAGS, purge_on_commit
from tests.frameworks.models import PURGED, TAGS, Note, Task, UrgentTask

ALL = set(PURGED)

BULK = [
    pytest.param(update(Task).values(title="new"), {}, ALL, id="update"),
    pytest.param(delete(Task).where(Task.id == 1), {}, ALL, id="delete"),
    pytest.param(insert(Task), {"params": [{"owner_id": 1}, {"owner_id": 2}]}, ALL, id="insert"),
    pytest.param(update(Task), {"params": [{"id": 1, "title": "new"}]}, ALL, id="by-key"),
    pytest.param(update(Task.__table__).values(title="new"), {}, ALL, id="table"),
    pytest.param(update(UrgentTask).values(title="new"), {}, ALL, id="subclass"),
    pytest.param(update(aliased(Task)).values(title="new"), {}, ALL, id="alias"),
    pytest.param(insert(Note), {}, set(), id="other-model"),
    pytest.param(
        update(Task).values(title="new"),
        {"execution_options": {"purge_tags": ["tasks:1", "kinds/plain"]}},
        {"tasks:1", "kinds/plain/1", "kinds/plain/2"},
        id="tags-stated",
    ),
    pytest.param(
        update(Task).values(title="new"),
        {"execution_options": {"purge_tags": []}},
        set(),
        id="nothing-stated",
    ),
    pytest.param(
        text("UPDATE tasks SET title = 'new'"),
        {"execution_options": {"purge_tags": "tasks:1"}},
        {"tasks:1"},
        id="text",
    ),
]


@pytest.mark.parametrize(("statement", "options", "expected"), BULK)
def test_a_statement_for_many_rows_purges_all_that_it_may_concern(
    database, tagged, statement, options, expected
):
    """Or what it says itself: nobody has seen its rows."""
    purge_on_commit(database.sessions, tagged.cache, TAGS)
    before = database.transact(lambda session: session.execute(statement, **options), tagged)
    assert (before, tagged.purged_now()) == (set(), expected)


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        pytest.param(
            ["kinds/{kind}/{owner_id}"],
            {"kinds/plain/1", "kinds/plain/2", "kinds/urgent/1"},
            id="nested",
        ),
        pytest.param(["unrelated"], {"unrelated"}, id="no-placeholder"),
        pytest.param(
            ["unrelated", "kinds/plain/{owner_id}"],
            {"unrelated", "kinds/plain/1", "kinds/plain/2"},
            id="each",
        ),
        pytest.param(["unrelated", "tasks:{id}"], ALL, id="one-that-is-not-nested"),
    ],
)
def test_a_statement_purges_what_its_tags_are_nested_in(plain, tagged, templates, expected):
    """Up to the last slash before what is not known, if there is one for each template."""
    purge_on_commit(plain.sessions, tagged.cache, {Task: templates})
    plain.transact(lambda session: session.query(Task).update({"title": "new"}), tagged)
    assert tagged.purged_now() == expected


def test_a_statement_that_is_rolled_back_purges_nothing(plain, tagged):
    """As with instances."""
    purge_on_commit(plain.sessions, tagged.cache, TAGS)
    with plain.sessions() as session:
        session.execute(update(Task).values(title="new"))
        session.rollback()
        session.commit()
    assert tagged.purged_now() == set()


UNSEEN = {
    "save-objects": lambda session: session.bulk_save_objects([Task()]),
    "insert-mappings": lambda session: session.bulk_insert_mappings(Task, [{"owner_id": 1}]),
    "update-mappings": lambda session: session.bulk_update_mappings(Task, [{"id": 1}]),
    "text": lambda session: session.execute(text("DELETE FROM tasks")),
    "connection": lambda session: session.connection().execute(delete(Task)),
}


@pytest.mark.parametrize("write", UNSEEN.values(), ids=UNSEEN)
def test_what_no_event_tells_of_purges_nothing(plain, tagged, write):
    """The page for users lists these: SQLAlchemy has no event for them that knows the model."""
    purge_on_commit(plain.sessions, tagged.cache, TAGS)
    plain.transact(write, tagged)
    assert tagged.purged_now() == set()


def test_more_tags_than_a_purge_should_have_are_everything(plain, tagged):
    """That is short, and true."""
    purge_on_commit(plain.sessions, tagged.cache, {Task: "task:{id}"})
    names = [f"task:{number}" for number in range(MOST_TAGS + 1)]
    for stated, expected in ((names[1:], {f"task:{n}" for n in range(1, 10)}), (names, ALL)):
        options = {"purge_tags": stated}
        plain.transact(
            lambda s, o=options: s.execute(text("SELECT 1"), {}, execution_options=o), tagged
        )
        assert tagged.purged_now() == expected
