"""The cache around a Quart app."""

from quart import Quart, request

from asgi_cache import CacheMiddleware

TASKS = {7: "write"}
TAG = ["task:{task_id}"]
quart = Quart(__name__)


@quart.get("/tasks/<int:task_id>")
async def read(task_id: int) -> str:
    return TASKS[task_id]


@quart.post("/tasks/<int:task_id>")
async def write(task_id: int) -> tuple[str, int]:
    TASKS[task_id] = request.args["title"]
    return "", 204


rules = {"/tasks/{task_id:int}": {"ttl": "5m", "tags": TAG, "purge": TAG}}
app = CacheMiddleware(quart, rules=rules)
