"""Tasks of users who show a JWT, each with responses of their own: ``uvicorn fastapi_app:app``."""

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.fastapi import cached
from asgi_cache.sqlalchemy import purge_on_commit

SECRET = os.environ.get("SECRET") or secrets.token_hex()


class Base(DeclarativeBase): ...


class Task(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int] = mapped_column(index=True)
    title: Mapped[str]


engine = create_async_engine(os.environ.get("DATABASE", "sqlite+aiosqlite:///tasks.sqlite3"))
sessions = async_sessionmaker(engine, expire_on_commit=False)


def user_of(request: Request) -> int | None:
    """Return the user whom the token names, if it is ours and has not expired."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, SECRET, ["HS256"], options={"require": ["sub", "exp"]})
        return int(claims["sub"])
    except (jwt.InvalidTokenError, ValueError):
        return None


# `user_of` is asked with each request: also where the answer is stored, and nothing else runs.
cache = Cache(store=os.environ.get("STORE", "memory://"), user_id=user_of)
purge_on_commit(sessions, cache, {Task: ["task:{id}", "tasks:{owner}"]})


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(CacheMiddleware, cache=cache)


def signed_in(user: Annotated[int | None, Depends(user_of)]) -> int:
    if user is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return user


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


User = Annotated[int, Depends(signed_in)]
Session = Annotated[AsyncSession, Depends(open_session)]


class TaskIn(BaseModel):
    title: str
    owner: int | None = None  # who is to have it, if not who asks


class TaskOut(TaskIn):
    id: int


async def own_task(session: AsyncSession, user: int, task_id: int) -> Task:
    task = await session.get(Task, task_id)
    if task is None or task.owner != user:
        raise HTTPException(404)
    return task


@app.get("/tasks", response_model=list[TaskOut])
@cached("5m", tags=["tasks:{user}"])
async def list_tasks(user: User, session: Session) -> Sequence[Task]:
    return (await session.scalars(select(Task).where(Task.owner == user))).all()


@app.get("/tasks/{task_id}", response_model=TaskOut)
@cached("5m", tags=["task:{task_id}"])
async def read_task(task_id: int, user: User, session: Session) -> Task:
    return await own_task(session, user, task_id)


@app.post("/tasks", status_code=201, response_model=TaskOut)
async def add_task(given: TaskIn, user: User, session: Session) -> Task:
    task = Task(title=given.title, owner=given.owner or user)
    session.add(task)
    await session.commit()
    return task


@app.put("/tasks/{task_id}", response_model=TaskOut)
async def write_task(task_id: int, given: TaskIn, user: User, session: Session) -> Task:
    task = await own_task(session, user, task_id)
    task.title, task.owner = given.title, given.owner or user
    await session.commit()  # purges the task, and the lists of its former owner and its new one
    return task
