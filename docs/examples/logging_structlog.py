import logging

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import EventDict

from asgi_cache import CacheMiddleware

SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
]


def keep_message(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Keep the line as `message`, since `event` will be the event's name."""
    return {**fields, "message": fields["event"]}


structlog.configure(
    processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
formatter = structlog.stdlib.ProcessorFormatter(
    foreign_pre_chain=[*SHARED, keep_message, structlog.stdlib.ExtraAdder()],
    processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.ExceptionRenderer(  # local variables would be whole requests
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        structlog.processors.JSONRenderer(),
    ],
)
handler = logging.StreamHandler()
handler.setFormatter(formatter)
logging.basicConfig(level=logging.INFO, handlers=[handler])
logging.getLogger("asgi_cache.requests").setLevel(logging.DEBUG)


class NameRequests:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope.get("headers", ())).get(b"x-request-id", b"")
        with structlog.contextvars.bound_contextvars(request_id=name.decode("latin-1")):
            await self.app(scope, receive, send)


async def read_task(request: Request) -> PlainTextResponse:
    structlog.get_logger("tasks").info("read", task=request.path_params["task"])
    return PlainTextResponse("a task")


tasks = Starlette(routes=[Route("/tasks/{task}", read_task)])
app = NameRequests(CacheMiddleware(tasks, rules={"/tasks/{task}": "2m"}))
