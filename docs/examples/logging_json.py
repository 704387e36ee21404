import logging.config

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_cache import CacheMiddleware

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": ["levelname", "name", "message"],
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": True,
            "exc_info_as_array": True,
        }
    },
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["lines"]},
    "loggers": {
        "asgi_cache": {"level": "WARNING"},  # what went wrong, of all kinds
        "asgi_cache.purges": {"level": "INFO"},  # each purge, besides
        "asgi_cache.requests": {"level": "DEBUG"},  # each request
    },
}


async def read_task(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"task {request.path_params['task']}")


logging.config.dictConfig(LOGGING)
app = CacheMiddleware(
    Starlette(routes=[Route("/tasks/{task}", read_task)]),
    rules={"/tasks/{task}": {"ttl": "2m", "stale_if_error": "1h"}},
)
