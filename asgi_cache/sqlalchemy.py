"""Purges what rows are in, after the transaction that changed them was committed.

Mappers tell which rows change and sessions tell what becomes of it. What is to be purged is
kept with the transaction or savepoint that it belongs to, and goes the way of that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import event, select
from sqlalchemy import inspect as inspected
from sqlalchemy.engine import Connection
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, SessionTransaction, sessionmaker
from sqlalchemy.orm.attributes import get_history, instance_state
from sqlalchemy.orm.base import PassiveFlag
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from asgi_cache.cache import Cache
from asgi_cache.errors import ConfigurationError, PurgeNotAcknowledged
from asgi_cache.tags import SLOT, is_writable
from asgi_cache.wording import shorten, suggest

__all__ = ["purge_on_commit"]

Sessions: TypeAlias = (
    sessionmaker[Any]
    | async_sessionmaker[Any]
    | type[Session]
    | type[AsyncSession]
    | Session
    | AsyncSession
)
"""What makes sessions, or one of them."""

Row: TypeAlias = Mapping[str, object]

OPTION: Final = "purge_tags"
"""The execution option by which a bulk statement names what it is to purge."""

_logger: Final = logging.getLogger("asgi_cache.sqlalchemy")


def purge_on_commit(
    sessions: Sessions, cache: Cache, templates: Mapping[type, Sequence[str]]
) -> None:
    """Purge the tags of rows that *sessions* change, when the change has been committed.

    *templates* are, for each model, tags such as ``"task:{id}"``, filled in from its columns:
    with the values before the change and with those after it. One whose column is NULL names
    nothing. What is rolled back, to a savepoint or altogether, purges nothing.

    ``update()``, ``delete()`` and ``insert()`` of a whole table do not tell their rows. The
    execution option ``purge_tags`` names what they purge. Otherwise a template's text before the
    first ``/{`` counts, as tags fall with what stands before their slashes; and if one has
    none, everything is purged. SQL that is written as text is not understood at all.

    When ``commit`` returns, the purge is acknowledged; if it could not be, that is logged, and
    the cache repeats it (`PurgeNotAcknowledged`).

    Raises:
        ConfigurationError: No class of *templates* is a model, or one has no such column.
    """
    checked = {_mapper(model): _checked(model, given) for model, given in templates.items()}
    _Watch(cache, checked).listen(_events_of(sessions))


def _events_of(sessions: Sessions) -> Any:
    """Return what SQLAlchemy has events of; it has none of asynchronous sessions."""
    if isinstance(sessions, AsyncSession):
        return sessions.sync_session
    if isinstance(sessions, type) and issubclass(sessions, AsyncSession):
        sessions.sync_session_class = _subclass(sessions.sync_session_class)
        return sessions.sync_session_class
    if isinstance(sessions, async_sessionmaker):
        made = sessions.kw.get("sync_session_class", sessions.class_.sync_session_class)
        if isinstance(made, type):
            made = _subclass(made)
            sessions.configure(sync_session_class=made)
        return made
    return sessions


def _subclass(base: type[Session]) -> type[Session]:
    """Return a class of which only these sessions are."""
    return type(base.__name__, (base,), {})


def _mapper(model: type) -> Mapper[Any]:
    try:
        mapper: object = inspected(model)
    except NoInspectionAvailable:
        mapper = None
    if not isinstance(mapper, Mapper):
        raise ConfigurationError(f"purge_on_commit: {shorten(model)} is no mapped class")
    return mapper


def _checked(model: type, templates: Sequence[str]) -> tuple[str, ...]:
    if isinstance(templates, str):
        raise ConfigurationError(
            f"purge_on_commit: {model.__name__}: write [{templates!r}], a list of templates"
        )
    columns = list(_mapper(model).column_attrs.keys())
    for template in templates:
        for name in SLOT.findall(template):
            if name not in columns:
                raise ConfigurationError(
                    f"purge_on_commit: {model.__name__} has no column {name!r}, "
                    f"which {template!r} names{suggest(name, columns)}"
                )
        if set("{}") & set(SLOT.sub("", template)):
            raise ConfigurationError(
                f"purge_on_commit: {model.__name__}: {template!r} is not a template "
                "such as 'task:{id}'"
            )
    return tuple(templates)


def filled(templates: Iterable[str], row: Row) -> set[str]:
    """Return the tags that *row* has by *templates*."""
    tags: set[str] = set()
    for template in templates:
        if all(row.get(name) is not None for name in SLOT.findall(template)):
            tags.add(SLOT.sub(lambda slot: str(row[slot[1]]), template))
    return {tag for tag in tags if tag and is_writable(tag)}


def above(templates: Iterable[str]) -> set[str] | None:
    """Return the tags that all rows fall with, or nothing if one template has none."""
    tags: set[str] = set()
    for template in templates:
        slot = SLOT.search(template)
        prefix = template if slot is None else template[: slot.start()].rpartition("/")[0]
        if not prefix:
            return None
        tags.add(prefix)
    return tags


class _Named:
    """What one transaction, or one savepoint, has to purge."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.everything = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.tags)

    def add(self, other: _Named) -> None:
        """Take over what was named in a savepoint that is released."""
        self.tags |= other.tags
        self.everything |= other.everything


class _Watch:
    """What is listened to, and what has been heard of transactions that have not ended."""

    def __init__(self, cache: Cache, templates: Mapping[Mapper[Any], tuple[str, ...]]) -> None:
        self._cache = cache
        self._templates = templates
        self._named: WeakKeyDictionary[SessionTransaction, _Named] = WeakKeyDictionary()
        self._watched: WeakKeyDictionary[Session, None] = WeakKeyDictionary()

    def listen(self, target: Any) -> None:
        """Listen to sessions, and to the mappers, which know of no session."""
        event.listen(target, "before_flush", self._before_flush)
        event.listen(target, "do_orm_execute", self._execute)
        event.listen(target, "before_commit", self._before_commit)
        event.listen(target, "after_commit", self._after_commit)
        for mapper in self._templates:
            event.listen(mapper, "after_insert", self._after, propagate=True)
            event.listen(mapper, "before_update", self._before, propagate=True)
            event.listen(mapper, "after_update", self._after, propagate=True)
            event.listen(mapper, "before_delete", self._before, propagate=True)

    def _before_flush(self, session: Session, *_: object) -> None:
        self._watched[session] = None

    def _before(self, mapper: Mapper[Any], connection: Connection, instance: object) -> None:
        if (session := self._session_of(instance)) is not None:
            templates = self._templates_of(mapper)
            row = _row_before(mapper, connection, instance, _names(templates))
            self._of(session).tags |= filled(templates, row)

    def _after(self, mapper: Mapper[Any], connection: Connection, instance: object) -> None:
        if (session := self._session_of(instance)) is not None:
            templates = self._templates_of(mapper)
            row = _row_after(mapper, connection, instance, _names(templates))
            self._of(session).tags |= filled(templates, row)

    def _session_of(self, instance: object) -> Session | None:
        session = Session.object_session(instance)
        return session if session in self._watched else None

    def _templates_of(self, mapper: Mapper[Any]) -> list[str]:
        """Return those of a model and of what it inherits from."""
        return [t for each in mapper.iterate_to_root() for t in self._templates.get(each, ())]

    def _execute(self, state: ORMExecuteState) -> None:
        """Note what a statement changes that may be about many rows."""
        if not (state.is_update or state.is_delete or state.is_insert):
            return
        changed = getattr(getattr(state.statement, "table", None), "fullname", None)
        templates = [
            template
            for mapper, given in self._templates.items()
            if changed in {getattr(table, "fullname", None) for table in mapper.tables}
            for template in given
        ]
        if not templates:
            return
        stated = state.execution_options.get(OPTION)
        tags = above(templates) if stated is None else set(stated)
        named = self._of(state.session)
        if tags is None:
            named.everything = True
            _logger.warning(
                "a statement changes many rows of %s: everything is purged, unless "
                ".execution_options(%s=[...]) names what",
                changed,
                OPTION,
            )
        else:
            named.tags |= tags

    def _of(self, session: Session) -> _Named:
        """Return what the innermost savepoint of *session* has to purge, or its transaction."""
        transaction = session.get_nested_transaction() or session.get_transaction()
        if transaction is None:
            transaction = session.begin()
        return self._named.setdefault(transaction, _Named())

    def _before_commit(self, session: Session) -> None:
        """Refuse what would have to halt the event loop until the purge is acknowledged."""
        session.flush()  # which the commit would do next
        has_named = any(self._named.get(each) for each in _transactions(session))
        if has_named and _runs_loop() and not _may_await():
            raise RuntimeError(
                "a Session is committed in the event loop, which cannot wait for the purge: "
                "use an AsyncSession, or commit in a def endpoint or another thread"
            )

    def _after_commit(self, session: Session) -> None:
        """Purge what was named, or hand it to the transaction around the savepoint."""
        nested = session.get_nested_transaction()
        ended = nested or session.get_transaction()
        named = None if ended is None else self._named.pop(ended, None)
        if not named:
            return
        if nested is None:
            self._purge(named)
        else:
            around = next(_around(nested))
            self._named.setdefault(around, _Named()).add(named)

    def _purge(self, named: _Named) -> None:
        tags, everything = sorted(named.tags), named.everything
        try:
            if _runs_loop():
                await_only(self._cache.purge(tags=tags, everything=everything))
            else:
                self._cache.sync.purge(tags=tags, everything=everything)
        except PurgeNotAcknowledged:
            _logger.warning("what was committed could not be purged elsewhere yet", exc_info=True)


def _around(transaction: SessionTransaction) -> Iterator[SessionTransaction]:
    """Yield the savepoints around one, then the transaction."""
    around = transaction.parent
    while around is not None:
        if around.nested or around.parent is None:
            yield around
        around = around.parent


def _transactions(session: Session) -> list[SessionTransaction]:
    innermost = session.get_nested_transaction() or session.get_transaction()
    return [] if innermost is None else [innermost, *_around(innermost)]


def _names(templates: Iterable[str]) -> set[str]:
    return {name for template in templates for name in SLOT.findall(template)}


def _row_before(
    mapper: Mapper[Any], connection: Connection, instance: Any, names: set[str]
) -> dict[str, object]:
    """Return what the columns *names* hold before a flush; the database knows if nobody else."""
    row: dict[str, object] = {}
    for name in names:
        history = get_history(instance, name, passive=PassiveFlag.PASSIVE_NO_INITIALIZE)
        before: Sequence[Any] = history.deleted or history.unchanged or ()
        if before:
            row[name] = before[0]
    return row | _stored(mapper, connection, instance, names - row.keys())


def _row_after(
    mapper: Mapper[Any], connection: Connection, instance: Any, names: set[str]
) -> dict[str, object]:
    """Return what the columns *names* hold after a flush, defaults of the database too."""
    loaded = instance_state(instance).dict
    row: dict[str, object] = {name: loaded[name] for name in names if name in loaded}
    return row | _stored(mapper, connection, instance, names - row.keys())


def _stored(
    mapper: Mapper[Any], connection: Connection, instance: Any, names: set[str]
) -> dict[str, object]:
    """Read the columns *names* of the row of *instance* as the transaction has it."""
    if not names:
        return {}
    identity = instance_state(instance).identity or mapper.primary_key_from_instance(instance)
    wanted = sorted(names)
    columns: list[Any] = [mapper.column_attrs[name].expression for name in wanted]
    is_it = [column == value for column, value in zip(mapper.primary_key, identity, strict=True)]
    found: Sequence[Any] | None = connection.execute(select(*columns).where(*is_it)).first()
    return {} if found is None else dict(zip(wanted, found, strict=True))


def _runs_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _may_await() -> bool:
    """Whether this runs below an asynchronous session, which waits for what is awaited here."""
    return in_greenlet()
