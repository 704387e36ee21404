"""A client and apps that speak ASGI and nothing else, for tests of what is on the wire."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

ASGIApp = Callable[..., Awaitable[None]]
Message = dict[str, Any]

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def encoded(fields: Fields) -> list[tuple[bytes, bytes]]:
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


@dataclass
class Answer:
    """What a client received."""

    messages: list[Message] = field(default_factory=list)

    @property
    def heads(self) -> list[Message]:
        return [m for m in self.messages if m["type"] == "http.response.start"]

    @property
    def status(self) -> int:
        (head,) = self.heads
        return head["status"]

    @property
    def fields(self) -> list[tuple[str, str]]:
        (head,) = self.heads
        return [(n.decode("latin-1"), v.decode("latin-1")) for n, v in head["headers"]]

    def all(self, name: str) -> list[str]:
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    @property
    def body(self) -> bytes:
        parts = [m for m in self.messages if m["type"] == "http.response.body"]
        return b"".join(part.get("body", b"") for part in parts)

    @property
    def is_complete(self) -> bool:
        last = self.messages[-1]
        return last["type"] == "http.response.body" and not last.get("more_body", False)

    @property
    def cache_status(self) -> str:
        """The field's value without the ``ttl``, which has tests of its own."""
        return re.sub(r"; ttl=-?\d+", "", self["cache-status"])


def scope_of(method: str, target: str, fields: Fields, **extra: Any) -> dict[str, Any]:
    path, _, query = target.partition("?")
    headers = encoded(fields)
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", b"example.com"))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode("latin-1"),
        "headers": headers,
        "client": ("192.0.2.1", 50000),
        "server": ("example.com", 80),
        "extensions": {},
        **extra,
    }


async def no_body() -> Message:
    """Receive an empty body, as a server gives it to a request without one."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def ask(
    app: ASGIApp,
    target: str = "/",
    fields: Fields = (),
    *,
    method: str = "GET",
    body: bytes = b"",
    on_message: Callable[[Message], Awaitable[None]] | None = None,
    **extra: Any,
) -> Answer:
    """Send one request, and return all that came back."""
    answer = Answer()
    pending = [{"type": "http.request", "body": body, "more_body": False}]
    ended = anyio.Event()

    async def receive() -> Message:
        if not pending:
            await ended.wait()  # a client that stays until it has its answer
            return {"type": "http.disconnect"}
        return pending.pop(0)

    async def send(message: Message) -> None:
        answer.messages.append(message)
        if answer.is_complete:
            ended.set()
        if on_message is not None:
            await on_message(message)

    await app(scope_of(method, target, fields, **extra), receive, send)
    return answer


class App:
    """An app that answers as it is told, and counts how often it was asked.

    The answer is taken from ``answers`` in turn, the last one again and again; one may be
    a function of the scope.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = answers or (Response(),)
        self.scopes: list[dict[str, Any]] = []

    @property
    def runs(self) -> int:
        return len(self.scopes)

    def seen(self, name: str) -> list[str]:
        """The values of a request field in the last request that reached the app."""
        fields = self.scopes[-1]["headers"]
        return [v.decode("latin-1") for n, v in fields if n == name.lower().encode()]

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        answer = self.answers[min(self.runs, len(self.answers) - 1)]
        self.scopes.append(scope)
        if callable(answer):
            answer = answer(scope)
        if isinstance(answer, Exception):
            raise answer
        await answer.send_to(scope, send)


@dataclass
class Response:
    """One answer of an `App`."""

    body: bytes = b"hello"
    fields: Fields = ()
    status: int = 200
    chunks: tuple[bytes, ...] | None = None
    """Sent one by one without a Content-Length; ``body`` does not count then."""

    async def send_to(self, scope: dict[str, Any], send: Any) -> None:
        headers = encoded(self.fields)
        bodiless = scope["method"] == "HEAD" or self.status in {204, 304}
        if self.chunks is None and not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        chunks = [b""] if bodiless else list(self.chunks or [self.body])
        for chunk in chunks[:-1]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": chunks[-1]})
