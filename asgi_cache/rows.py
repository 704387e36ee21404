"""The rows of a model: what they hold before and after they are written, and their tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, UpdateBase, inspect, select
from sqlalchemy.orm import InstanceState, Mapper

from asgi_cache.errors import ConfigurationError
from asgi_cache.tags import SLOT, is_writable
from asgi_cache.wording import shorten, suggest


@dataclass(frozen=True, slots=True)
class Watch:
    """A model, and the tags of its rows."""

    model: type
    mapper: Mapper[Any]
    templates: tuple[str, ...]
    names: tuple[str, ...]
    """The attributes that the templates name."""

    def tags(self, values: Mapping[str, object]) -> list[str]:
        """Return the tags of a row; those that nothing can carry are left out."""
        filled = [SLOT.sub(lambda slot: str(values[slot[1]]), text) for text in self.templates]
        return [tag for tag in filled if tag and is_writable(tag)]

    def is_written_by(self, statement: UpdateBase) -> bool:
        """Whether *statement* is about a table that rows of the model are in."""
        mappers = self.mapper.self_and_descendants
        tables = [table for mapper in mappers for table in mapper.tables]
        return any(statement.table.is_derived_from(table) for table in tables)

    def tags_of_any_row(self) -> list[str]:
        """Return, for each template, the tag that all it could stand for are nested in.

        An empty one: there is none.
        """
        return [_common(template) for template in self.templates]


def watch(model: type, templates: str | Sequence[str]) -> Watch:
    """Return what *templates* say of *model*.

    Raises:
        ConfigurationError: They name what is no column of it, or it is no mapped class.
    """
    mapper: Mapper[Any] | None = cast("Any", inspect(model, raiseerr=False))
    if not isinstance(mapper, Mapper):
        raise ConfigurationError(f"purge_on_commit: {shorten(model)} is no mapped class")
    listed = (templates,) if isinstance(templates, str) else tuple(templates)
    known = mapper.column_attrs.keys()
    names: dict[str, None] = {}
    for template in listed:
        where = f"purge_on_commit: {model.__name__}: {shorten(template)}"
        for name in SLOT.findall(template):
            if name not in known:
                near = suggest(name, known)
                raise ConfigurationError(f"{where} has {{{name}}}, no column{near}")
            names[name] = None
        if not template or set("{}") & set(SLOT.sub("", template)):
            raise ConfigurationError(f"{where} is not a template such as 'task:{{id}}'")
    return Watch(model, mapper, listed, tuple(names))


def _common(template: str) -> str:
    """Return what all that *template* could stand for are nested in (`tags.with_ancestors`)."""
    slot = SLOT.search(template)
    return template if slot is None else template[: slot.start()].rpartition("/")[0]


def state_of(target: object) -> InstanceState[Any]:
    """Return what SQLAlchemy knows of an instance."""
    return cast("InstanceState[Any]", inspect(target))


def old_values(
    mapper: Mapper[Any], connection: Connection, target: object, names: Sequence[str]
) -> Mapping[str, object] | None:
    """Return what the row of *target* has, before it is written; nothing if it is gone.

    What was overwritten unread is unknown to the session, and asked of the database.
    """
    state, known = state_of(target), dict[str, object]()
    for name in names:
        history = state.attrs[name].history
        known.update((name, value) for value in (*history.unchanged, *history.deleted))
    return _completed(known, mapper, connection, state.identity or (), names)


def new_values(
    mapper: Mapper[Any], connection: Connection, target: object, names: Sequence[str]
) -> Mapping[str, object] | None:
    """Return what the row of *target* has since it was written.

    What the database has made is asked of it.
    """
    given = state_of(target).dict
    known = {name: given[name] for name in names if name in given}
    identity = mapper.primary_key_from_instance(target)
    return _completed(known, mapper, connection, identity, names)


def _completed(
    known: Mapping[str, object],
    mapper: Mapper[Any],
    connection: Connection,
    identity: Sequence[object],
    names: Sequence[str],
) -> Mapping[str, object] | None:
    missing = [name for name in names if name not in known]
    if not missing:
        return known
    columns = [mapper.column_attrs[name].columns[0] for name in missing]
    is_it = [column == value for column, value in zip(mapper.primary_key, identity, strict=True)]
    asked = select(*columns).select_from(mapper.persist_selectable).where(*is_it)
    row = connection.execute(asked).one_or_none()
    return None if row is None else {**known, **dict(zip(missing, row, strict=True))}
