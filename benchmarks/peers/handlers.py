"""What the app behind a cache does with a request, whatever framework it is written in."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``body`` is what JSON can express, which every peer can store."""

    body: Any = "hello"
    fields: tuple[tuple[str, str], ...] = ()
    status: int = 200
    chunks: AsyncIterator[bytes] | None = None
    """Sent one by one instead of the body."""

    @property
    def content(self) -> bytes:
        """The body's bytes; none for ``None``."""
        return b"" if self.body is None else json.dumps(self.body).encode()


Answer = Callable[[str, Mapping[str, str]], Awaitable[Reply]]
"""A function of a request's method and fields."""


@dataclass(slots=True)
class Handler:
    """The function behind one URL, and how often it ran."""

    answer: Answer
    reads: str = ""
    """The request field that the answer depends on."""
    declared: bool = False
    """Whether a framework that can do so passes that field as an argument of the function.

    Some peers build their key from a function's arguments, and do not see what it takes from
    the request itself, or what a dependency takes from there.
    """
    bodiless_head: bool = False
    """Whether it sends no body in answer to HEAD, rather than leave that to the server."""
    runs: int = 0
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def name(self) -> str:
        """A name of its own, since some peers have one store for the whole process."""
        return f"handler_{self.number}"

    @property
    def path(self) -> str:
        """A path of its own."""
        return f"/{self.name}"

    async def __call__(self, method: str, fields: Mapping[str, str]) -> Reply:
        """Answer a request."""
        self.runs += 1
        reply = await self.answer(method, fields)
        if method == "HEAD" and self.bodiless_head:
            length = ("content-length", str(len(reply.content)))
            return Reply(None, (*reply.fields, length), reply.status)
        return reply
