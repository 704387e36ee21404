"""Ctrl-C while something is under way: the first one lets it come to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress


@contextmanager
def interruptible(stopping: asyncio.Event, say: Callable[[str], None]) -> Generator[None]:
    """Have Ctrl-C set *stopping*, so that nothing more is begun; again, it cancels this task."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and task is not None:
            task.cancel()
            return
        stopping.set()
        say("Waiting for what is under way; press Ctrl-C again to stop at once.")

    heard = list[signal.Signals]()
    with suppress(NotImplementedError):  # on Windows Ctrl-C cancels the task the first time
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
            heard.append(number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
