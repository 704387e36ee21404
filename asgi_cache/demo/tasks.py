"""The app: a task API that knows nothing of the cache in front of it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from asgi_cache.demo.database import Database, NewTask, User

Status: TypeAlias = Literal["open", "doing", "done"]


class TaskIn(BaseModel):
    """A task to add."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    due: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    project: str = "Office"
    priority: Annotated[int, Field(ge=1, le=4)] = 4
    minutes: Annotated[int, Field(gt=0)] = 15


class TaskChange(BaseModel):
    """What becomes of a task."""

    title: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    status: Status | None = None


async def count_run(request: Request) -> None:
    """Count that a handler runs: what the cache answers is not counted."""
    request.app.state.runs[f"{request.method} {request.scope['route'].path}"] += 1


async def database_of(request: Request) -> Database:
    """Return the app's database."""
    database: Database = request.app.state.database
    return database


Tasks: TypeAlias = Annotated[Database, Depends(database_of)]


def authenticate(tasks: Tasks, authorization: Annotated[str, Header()] = "") -> User:
    """Find the user by the bearer token."""
    scheme, _, token = authorization.partition(" ")
    user = tasks.user(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise HTTPException(401, "whose tasks?", {"WWW-Authenticate": "Bearer"})
    return user


Owner: TypeAlias = Annotated[User, Depends(authenticate)]

router: APIRouter = APIRouter(dependencies=[Depends(count_run)])


@router.get("/tasks")
def list_tasks(
    tasks: Tasks, owner: Owner, status: Status = "open", page: Annotated[int, Query(ge=1)] = 1
) -> list[dict[str, Any]]:
    """List the user's own tasks, the most urgent first."""
    return tasks.tasks(owner, status, page)


@router.get("/tasks/{task_id}")
def show_task(tasks: Tasks, owner: Owner, task_id: int) -> dict[str, Any]:
    """Show one of the user's own tasks."""
    task = tasks.task(owner, task_id)
    if task is None:
        raise HTTPException(404, "no such task of yours")
    return task


@router.put("/tasks/{task_id}")
def change_task(tasks: Tasks, owner: Owner, task_id: int, change: TaskChange) -> dict[str, Any]:
    """Change one of the user's own tasks."""
    if not tasks.change(owner, task_id, **change.model_dump(exclude_none=True)):
        raise HTTPException(404, "no such task of yours")
    return show_task(tasks, owner, task_id)


@router.post("/tasks", status_code=201)
def add_task(tasks: Tasks, owner: Owner, task: TaskIn, response: Response) -> dict[str, Any]:
    """Add a task to the user's own, and say where it is."""
    number = tasks.add(owner, NewTask(**task.model_dump()))
    response.headers["location"] = f"/tasks/{number}"
    return show_task(tasks, owner, number)


@router.get("/stats")
def show_statistics(tasks: Tasks) -> dict[str, Any]:
    """Count all tasks of all users; this is for everyone."""
    return tasks.statistics()


async def show_runs(request: Request) -> dict[str, int]:
    """Say how often each handler ran."""
    runs: Counter[str] = request.app.state.runs
    return dict(runs)


def create_app(database: Database) -> FastAPI:
    """Make the app over *database*."""
    app = FastAPI(title="Tasks")
    app.state.database = database
    app.state.runs = Counter[str]()
    app.include_router(router)
    app.add_api_route("/handler-runs", show_runs)
    return app
