"""How far a list of URLs is warmed, and how that looks."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from asgi_cache.cli.screen import Screen
from asgi_cache.cli.warmers import Warmed

_LINE_EVERY: Final = 2.0
"""Seconds between two lines on progress, where there is no terminal to draw a bar in."""

_PASSING: Final = frozenset(
    {"store-unavailable", "store-open", "max-fills", "max-user-fills", "max-flights"}
)
"""Details of answers that are not stored for now; the next time they may be."""


@dataclass
class Run:
    """What this run has done by now."""

    urls: int
    """That are on the list."""
    before: int
    """That earlier runs have done."""
    stored: int = 0
    vain: list[Warmed] = field(default_factory=list[Warmed])
    """That were answered, but are not to be stored."""
    failed: list[Warmed] = field(default_factory=list[Warmed])
    """That are to be tried again: the next run does."""
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """How many of the list are done."""
        return self.before + self.stored + len(self.vain)

    @property
    def is_unanswered(self) -> bool:
        """Whether nobody has answered anything."""
        answered = self.stored or self.vain or any(each.status for each in self.failed)
        return bool(self.failed) and not answered

    def take(self, warmed: Warmed) -> bool:
        """Count one; whether it is done, and not to be tried again."""
        if warmed.stored:
            self.stored += 1
        elif warmed.error or (warmed.status or 200) >= 500 or warmed.detail in _PASSING:
            self.failed.append(warmed)
            return False
        else:
            self.vain.append(warmed)
        return True

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "urls": self.urls,
            "before": self.before,
            "stored": self.stored,
            "not_stored": [asdict(each) for each in self.vain],
            "failed": [asdict(each) for each in self.failed],
            "left": self.urls - self.done - len(self.failed),
            "seconds": self.seconds,
        }


class Bar:
    """How far it is: a bar in a terminal, now and then a line elsewhere."""

    def __init__(self, run: Run, screen: Screen) -> None:
        self._run = run
        self._screen = screen
        self._line_at = time.monotonic() + _LINE_EVERY
        columns = (
            TextColumn("warming"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=True),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[trouble]}"),
        )
        is_drawn = screen.err.is_terminal and not screen.as_json
        self._bar = Progress(*columns, console=screen.err, disable=not is_drawn)
        self._task = self._bar.add_task("", total=run.urls, completed=run.before, trouble="")

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state where it is."""
        self._bar.stop()

    def update(self) -> None:
        """Show how far it is now."""
        run = self._run
        trouble = f"{len(run.failed)} failed" if run.failed else ""
        self._bar.update(self._task, completed=run.done, trouble=trouble)
        if self._bar.disable and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY
            self._screen.note(f"{run.done:,} of {run.urls:,} {trouble}".rstrip())
