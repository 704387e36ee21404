"""The cache around a Litestar app."""

from litestar import Litestar, get, post

from asgi_cache import CacheMiddleware

TASKS = {7: "write"}
TAG = ["task:{task_id}"]


@get("/tasks/{task_id:int}")
async def read(task_id: int) -> str:
    return TASKS[task_id]


@post("/tasks/{task_id:int}")
async def write(task_id: int, title: str) -> None:
    TASKS[task_id] = title


app = CacheMiddleware(
    Litestar([read, write]),
    rules={"/tasks/{task_id:int}": {"ttl": "5m", "tags": TAG, "purge": TAG}},
)
