"""Processes that take part in a measurement, each with an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, TypeAlias

spawning: Final = get_context("spawn")
"""Nothing is inherited: each process begins as one of a server's workers does."""

PATIENCE: Final = 60.0

Part: TypeAlias = Callable[..., Awaitable[None]]
"""What a process does; its first argument is the connection to the one that measures."""


@contextmanager
def child(part: Part, *arguments: Any) -> Iterator[Connection]:
    """Run *part* in a process of its own; it must end when it is told or nobody listens."""
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_run, args=(part, theirs, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(5)
        process.kill()


def _run(part: Part, connection: Connection, arguments: tuple[Any, ...]) -> None:
    asyncio.run(_play(part, connection, arguments))


async def _play(part: Part, connection: Connection, arguments: tuple[Any, ...]) -> None:
    await part(connection, *arguments)


def said(connection: Connection) -> Any:
    """Return what a child says next.

    Raises:
        EOFError: It has ended.
        TimeoutError: It does not say anything.
    """
    if not connection.poll(PATIENCE):
        raise TimeoutError("a process that takes part in the measurement says nothing")
    return connection.recv()
