from litestar import Litestar, get, post
from litestar.params import FromPath

from asgi_cache import Cache, CacheMiddleware

names = ["buy milk"]


@get("/tasks")
async def read_tasks() -> list[str]:
    return names


@post("/tasks/{name:str}")
async def add_task(name: FromPath[str]) -> None:
    names.append(name)


cache = Cache(
    rules={
        "GET /tasks": {"ttl": "2m", "tags": ["tasks"]},
        "/tasks/{name}": {"purge": ["tasks"]},
    }
)
app = CacheMiddleware(Litestar([read_tasks, add_task], openapi_config=None), cache=cache)
