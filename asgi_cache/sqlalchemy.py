"""Purges after commits: what a transaction of SQLAlchemy's has made untrue.

A flush notes the tags of the rows that it writes, with the values that they had before and
those that they have now. What a savepoint has noted is forgotten with it, or passed on to the
transaction around it. What is left when that has ended is purged, if it was committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import Connection, UpdateBase, event
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    ORMExecuteState,
    Session,
    SessionTransaction,
    object_session,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.util import await_only

from asgi_cache.cache import Cache
from asgi_cache.errors import ConfigurationError, StoreError
from asgi_cache.observe.saying import say
from asgi_cache.rows import Watch, new_values, old_values, state_of, watch
from asgi_cache.selecting import Named
from asgi_cache.wording import shorten

__all__ = ["MOST_TAGS", "PURGE_TAGS", "purge_on_commit"]

PURGE_TAGS: Final = "purge_tags"
"""The execution option by which a statement says itself what it makes untrue."""

MOST_TAGS: Final = 10_000
"""Tags of one transaction beyond which all is purged: that is short, and true."""

Sessions: TypeAlias = (
    type[Session]
    | type[AsyncSession]
    | sessionmaker[Any]
    | async_sessionmaker[Any]
    | scoped_session[Any]
    | async_scoped_session[Any]
)
"""What makes sessions."""

logger: logging.Logger = logging.getLogger(__name__)


def purge_on_commit(
    sessions: Sessions, cache: Cache, tags: Mapping[type, str | Sequence[str]]
) -> None:
    """Have *cache* purge *tags* of the rows that a transaction of *sessions* has written.

    *tags* are templates for each model, ``{Task: ["task:{id}", "tasks:{owner_id}"]}``, filled in
    with the attributes of each instance that is inserted, updated or deleted; if it is updated,
    with the old values and with the new ones. A statement for many rows purges
    what its option ``purge_tags`` names, or else all that the templates could stand for.

    When the call that commits has returned, the purge is acknowledged, or else it is logged that
    it is not: the commit holds. Only where a plain `Session` is committed on the thread of a
    running event loop, which must not wait, the purge is a task of that loop.

    Raises:
        ConfigurationError: A template names what is no column of its model, a model is none, or
            *sessions* make no sessions.
    """
    session_class = _session_class(sessions)
    watches = [watch(model, templates) for model, templates in tags.items()]
    hook = _Hook(cache, session_class, watches)
    for name in (
        "do_orm_execute",
        "before_commit",
        "after_commit",
        "after_soft_rollback",
        "after_transaction_end",
    ):
        event.listen(session_class, name, getattr(hook, name))
    for watched in watches:
        listener = _RowListener(hook, watched)
        for name in (
            "before_insert",
            "after_insert",
            "before_update",
            "after_update",
            "before_delete",
        ):
            event.listen(watched.model, name, getattr(listener, name), propagate=True)


def _session_class(sessions: object) -> type[Session]:
    """Return the class of the plain sessions that *sessions* make, or that theirs run on."""
    match sessions:
        case scoped_session() | async_scoped_session():
            return _session_class(cast("Any", sessions).session_factory)
        case async_sessionmaker():
            return _class_of_its_own(sessions)
        case sessionmaker():
            return sessions.class_
        case type() if issubclass(sessions, AsyncSession):
            return _session_class(sessions.sync_session_class)
        case type() if issubclass(sessions, Session):
            return sessions
        case _:
            raise ConfigurationError(
                f"purge_on_commit: {shorten(sessions)} makes no sessions: name a sessionmaker, "
                "an async_sessionmaker, or a class of sessions"
            )


def _class_of_its_own(factory: async_sessionmaker[Any]) -> type[Session]:
    """Return the class that the sessions of *factory* run on, and no others do.

    Unless it is told otherwise it has them run on `Session` itself, as all do.
    """
    stated = factory.kw.get("sync_session_class", factory.class_.sync_session_class)
    if stated is not Session:
        return _session_class(stated)
    own = type("Session", (Session,), {})
    factory.configure(sync_session_class=own)
    return own


@dataclass(slots=True)
class _Due:
    """What a transaction, or a savepoint of it, has made untrue so far."""

    tags: dict[str, None] = field(default_factory=dict[str, None])
    everything: bool = False

    def add(self, tags: Iterable[str]) -> None:
        """Note *tags*; an empty one stands for everything."""
        self.tags.update(dict.fromkeys(tags))
        if "" in self.tags or len(self.tags) > MOST_TAGS:
            self.everything = True

    def take(self, other: _Due) -> None:
        """Note what *other* has noted."""
        self.everything = self.everything or other.everything
        self.add(other.tags)

    @property
    def named(self) -> Named:
        """What is to be purged, as `Cache.purge` takes it; nothing if that is nothing."""
        if self.everything:
            return {"everything": True}
        return {"tags": list(self.tags)} if self.tags else {}


@dataclass(slots=True)
class _Ledger:
    """What the transaction that a session is in has made untrue so far."""

    dues: dict[SessionTransaction | None, _Due] = field(
        default_factory=dict[SessionTransaction | None, _Due]
    )
    """By savepoint; ``None`` is what stands outside of them."""
    updated: set[InstanceState[Any]] = field(default_factory=set[InstanceState[Any]])
    """Instances of which the flush that is running writes something."""
    may_be_committed: bool = False
    """It was, or a COMMIT was sent of which nobody has heard what became."""
    purging: asyncio.Task[None] | None = None
    """The purge that has begun in an event loop."""

    def due(self, savepoint: SessionTransaction | None) -> _Due:
        """Return where to note what *savepoint* makes untrue."""
        return self.dues.setdefault(savepoint, _Due())


class _Hook:
    """Listens to sessions, and purges when their transactions have ended."""

    def __init__(
        self, cache: Cache, session_class: type[Session], watches: Sequence[Watch]
    ) -> None:
        self._cache = cache
        self._session_class = session_class
        self._watches = watches
        self._tasks: set[asyncio.Task[None]] = set()
        """Purges that nobody waits for; the loop itself would forget them."""

    def ledger(self, session: Session) -> _Ledger:
        """Return what is noted of the transaction that *session* is in."""
        ledger: _Ledger = session.info.setdefault(self, _Ledger())
        return ledger

    def session_of(self, target: object) -> Session | None:
        """Return the session that *target* is in, if it is one of those listened to."""
        session = object_session(target)
        return session if isinstance(session, self._session_class) else None

    def note(self, session: Session, tags: Iterable[str]) -> None:
        """Note that what carries *tags* is untrue if what *session* writes is committed."""
        self.ledger(session).due(session.get_nested_transaction()).add(tags)

    def do_orm_execute(self, state: ORMExecuteState) -> None:
        """Note what a statement says that it makes untrue, or what it may."""
        stated = state.execution_options.get(PURGE_TAGS)
        if stated is not None:
            self.note(state.session, [stated] if isinstance(stated, str) else stated)
        elif isinstance(statement := state.statement, UpdateBase):
            for watched in self._watches:
                if watched.is_written_by(statement):
                    self.note(state.session, watched.tags_of_any_row())

    def before_commit(self, session: Session) -> None:
        """Note that a COMMIT will be sent, unless the flush before it fails."""
        if session.get_nested_transaction() is None:
            self.ledger(session).may_be_committed = True

    def after_soft_rollback(self, session: Session, ended: SessionTransaction) -> None:
        """Note that no COMMIT was sent, as a flush has failed."""
        if not ended.nested and ended.parent is not None:
            self.ledger(session).may_be_committed = False
            self.ledger(session).updated.clear()

    def after_commit(self, session: Session) -> None:
        """Begin to purge; have what a savepoint has noted count for what it stands in."""
        ledger, savepoint = self.ledger(session), session.get_nested_transaction()
        if savepoint is None:
            ledger.may_be_committed = True
            self._begin(ledger)  # now: to give back connections may fail, or be cancelled
        elif savepoint in ledger.dues:
            outer = savepoint.parent
            while outer is not None and not outer.nested:
                outer = outer.parent
            ledger.due(outer).take(ledger.dues.pop(savepoint))

    def after_transaction_end(self, session: Session, ended: SessionTransaction) -> None:
        """Purge what a transaction has made untrue; forget what a savepoint has, or a rollback.

        All connections have been given back, so that a purge which takes long keeps nothing.
        """
        if ended.nested:
            self.ledger(session).dues.pop(ended, None)
        elif ended.parent is None:
            ledger: _Ledger | None = session.info.pop(self, None)
            if ledger is not None and ledger.may_be_committed:
                self._purge(ledger)

    def _begin(self, ledger: _Ledger) -> None:
        """Begin to purge what there is, in the event loop of this thread, if it has one."""
        named = ledger.due(None).named
        if named and ledger.purging is None:
            with suppress(RuntimeError):
                loop = asyncio.get_running_loop()
                ledger.purging = loop.create_task(self._purge_async(named))
                self._tasks.add(ledger.purging)
                ledger.purging.add_done_callback(self._tasks.discard)

    def _purge(self, ledger: _Ledger) -> None:
        """Wait for the purge, unless this is a thread whose event loop would halt."""
        self._begin(ledger)
        if ledger.purging is not None:
            with suppress(MissingGreenlet):  # if it is no session of AsyncSession's
                await_only(_ended(ledger.purging))
        elif named := ledger.due(None).named:
            with _commit_holds():
                self._cache.sync.purge(**named)

    async def _purge_async(self, named: Named) -> None:
        with _commit_holds():
            await self._cache.purge(**named)


async def _ended(task: asyncio.Task[None]) -> None:
    """Wait for *task*, which goes on if nobody waits any more."""
    await asyncio.shield(task)


@contextmanager
def _commit_holds() -> Generator[None]:
    """Log that a purge is not acknowledged: nothing undoes the commit, or hides that it is done."""
    try:
        yield
    except StoreError as error:
        say(logger, logging.WARNING, "the purge after a commit is not acknowledged: %s", error)


class _RowListener:
    """Notes the tags of each row of a model, as it was and as it is."""

    def __init__(self, hook: _Hook, watch: Watch) -> None:
        self._hook = hook
        self._watch = watch

    def before_insert(self, mapper: Mapper[Any], connection: Connection, target: object) -> None:
        """Note the row that this one replaces: deleted in the same flush, it is updated instead."""
        session = self._hook.session_of(target)
        if session is not None:
            replaced = session.identity_map.get(mapper.identity_key_from_instance(target))
            if replaced is not None:
                self._hook.ledger(session).updated.add(state_of(target))
                self._note_old(session, mapper, connection, replaced)

    def after_insert(self, mapper: Mapper[Any], connection: Connection, target: object) -> None:
        """Note a new row."""
        session = self._hook.session_of(target)
        if session is not None:
            self._note_new(session, mapper, connection, target)

    def before_update(self, mapper: Mapper[Any], connection: Connection, target: object) -> None:
        """Note a row as it was, if anything of it changes."""
        session = self._hook.session_of(target)
        if session is not None and session.is_modified(target):
            self._hook.ledger(session).updated.add(state_of(target))
            self._note_old(session, mapper, connection, target)

    def after_update(self, mapper: Mapper[Any], connection: Connection, target: object) -> None:
        """Note a row as it has become, if anything of it has changed."""
        session, state = self._hook.session_of(target), state_of(target)
        if session is not None and state in self._hook.ledger(session).updated:
            self._hook.ledger(session).updated.discard(state)
            self._note_new(session, mapper, connection, target)

    def before_delete(self, mapper: Mapper[Any], connection: Connection, target: object) -> None:
        """Note a row as it was."""
        session = self._hook.session_of(target)
        if session is not None:
            self._note_old(session, mapper, connection, target)

    def _note_old(
        self, session: Session, mapper: Mapper[Any], connection: Connection, target: object
    ) -> None:
        self._note(session, old_values(mapper, connection, target, self._watch.names))

    def _note_new(
        self, session: Session, mapper: Mapper[Any], connection: Connection, target: object
    ) -> None:
        self._note(session, new_values(mapper, connection, target, self._watch.names))

    def _note(self, session: Session, values: Mapping[str, object] | None) -> None:
        if values is not None:
            self._hook.note(session, self._watch.tags(values))
