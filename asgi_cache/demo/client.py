"""A client that measures what it gets, and says so line by line."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

from asgi_cache.demo.database import User

TIMEOUT: Final = 20.0
"""Seconds that an answer may take."""

HOST: Final = "tasks.example"
"""The host that all servers are: it is part of what a URL names, and so of the key."""

HEADING: Final = f"   {'request':<22}{'user':<9}{'status':>6}{'ms':>9}   Cache-Status"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with."""

    method: str
    path: str
    status: int
    ms: float
    """Milliseconds until the body was there."""
    fields: httpx.Headers
    body: bytes

    @property
    def cache_status(self) -> dict[str, str]:
        """The parameters of its ``Cache-Status`` (RFC 9211)."""
        _, *parameters = self.fields.get("cache-status", "").split(";")
        pairs = [parameter.strip().partition("=") for parameter in parameters]
        return {name: value for name, _, value in pairs}

    @property
    def is_hit(self) -> bool:
        """Whether it came from the store."""
        return "hit" in self.cache_status

    @property
    def ttl(self) -> int | None:
        """Seconds that it remains fresh, as far as the cache says so."""
        value = self.cache_status.get("ttl")
        return None if value is None else int(value)

    @property
    def content(self) -> Any:
        """The body's content."""
        return json.loads(self.body)

    def __str__(self) -> str:
        told = self.fields.get("cache-status")
        how = f"with Cache-Status: {told}" if told else "without a Cache-Status"
        return f"{self.method} {self.path} was answered {self.status} {how}"


@dataclass
class Client:
    """Sends requests to one server, and keeps count."""

    url: str
    place: str = ""
    """What to add to the user where there is more than one server."""
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    """Answers by route."""

    def __post_init__(self) -> None:
        # trust_env: no proxy stands between this machine and itself.
        self._http = httpx.Client(
            base_url=self.url, headers={"Host": HOST}, timeout=TIMEOUT, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, user: User | None = None, **fields: str) -> Answer:
        """Send a GET request and show it; *fields* are written with underscores."""
        return self.send("GET", path, user, fields)

    def send(
        self,
        method: str,
        path: str,
        user: User | None = None,
        fields: dict[str, str] | None = None,
        content: dict[str, Any] | None = None,
    ) -> Answer:
        """Send a request, and show it with what came of it."""
        answer = self.ask(method, path, user, fields, content)
        self.show(answer, user)
        for name, value in (fields or {}).items():
            print(f"     {_field_name(name)}: {value}")
        if content is not None:
            print(f"     {json.dumps(content)}")
        return answer

    def show(self, answer: Answer, user: User | None = None) -> None:
        """Print what a request was answered with, in one line."""
        request = f"{answer.method} {answer.path}"
        who = user.name.partition(" ")[0].lower() if user else "-"
        told = answer.fields.get("cache-status", "-")
        line = f"   {request:<22}{who + self.place:<9}{answer.status:>6}{answer.ms:>9.1f}   {told}"
        print(line, flush=True)

    def ask(
        self,
        method: str,
        path: str,
        user: User | None = None,
        fields: dict[str, str] | None = None,
        content: dict[str, Any] | None = None,
    ) -> Answer:
        """Send a request without showing it."""
        headers = {_field_name(name): value for name, value in (fields or {}).items()}
        if user is not None:
            headers["Authorization"] = f"Bearer {user.token}"
        begun = time.perf_counter()
        response = self._http.request(method, path, headers=headers, json=content)
        ms = 1000 * (time.perf_counter() - begun)
        answer = Answer(method, path, response.status_code, ms, response.headers, response.content)
        self.answers[route_of(path)].append(answer)
        return answer

    def handler_runs(self) -> dict[str, int]:
        """Ask the app how often each of its handlers ran."""
        runs: dict[str, int] = self._http.get("/handler-runs").json()
        return runs


def route_of(path: str) -> str:
    """Return the template of the app's route for *path*."""
    return re.sub(r"/[0-9]+$", "/{task_id}", path.partition("?")[0])


def _field_name(name: str) -> str:
    return name.replace("_", "-").title()
