from quart import Quart

from asgi_cache import Cache, CacheMiddleware

quart = Quart(__name__)
names = ["buy milk"]


@quart.get("/tasks")
async def read_tasks() -> list[str]:
    return names


@quart.post("/tasks/<name>")
async def add_task(name: str) -> tuple[str, int]:
    names.append(name)
    return "", 201


rules = {
    "GET /tasks": {"ttl": "2m", "tags": ["tasks"]},
    "/tasks/{name}": {"purge": ["tasks"]},
}
app = CacheMiddleware(quart, cache=Cache(rules=rules))
