"""Users and their tasks, as an app has them in a database."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

PURGED = (
    *(f"{kind}:{number}" for kind in ("task", "user", "tasks") for number in range(1, 10)),
    "tasks:None",
    "kinds/plain/1",
    "kinds/plain/2",
    "kinds/urgent/1",
    "unrelated",
)
"""What there is to purge."""


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    tasks: Mapped[list[Task]] = relationship(back_populates="owner", cascade="all, delete-orphan")


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(default="")
    kind: Mapped[str] = mapped_column(server_default="plain")
    owner: Mapped[User | None] = relationship(back_populates="tasks")
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}


class UrgentTask(Task):
    __mapper_args__: ClassVar = {"polymorphic_identity": "urgent"}


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)


def fill(session: Session) -> None:
    """Add two users, the first of whom has two tasks, and the second one."""
    session.add_all([User(name="Ada"), User(name="Ben")])
    session.flush()
    session.add_all([Task(owner_id=1), Task(owner_id=1), Task(owner_id=2)])


TAGS = {Task: ["task:{id}", "tasks:{owner_id}"], User: "user:{id}"}
