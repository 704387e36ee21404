"""What a command prints: for people, with colours in a terminal; as JSON for programs.

What comes from a store or an app may hold anything, so that nothing which a terminal would
obey is printed as it is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from io import TextIOWrapper
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from asgi_cache.cli.failing import Exit
from asgi_cache.quantities import worded_duration, worded_size

WIDE: Final = 4096
"""Columns of what is no terminal: whoever reads it there wants whole lines."""


def harmless(value: object) -> str:
    """Return *value* as text in which no character does anything but be seen."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def said(value: object, style: str = "") -> Text:
    """Return *value* to be shown as it is, whatever it holds."""
    return Text(harmless(value), style)


class Screen:
    """Where a command's answer goes, and beside it what is said meanwhile."""

    def __init__(self, *, as_json: bool, plain: bool) -> None:
        self.as_json: bool = as_json
        _write_whatever_it_is()
        uncoloured = plain or bool(os.environ.get("NO_COLOR"))
        self.out: Console = _console(is_error=False, uncoloured=uncoloured)
        self.err: Console = _console(is_error=True, uncoloured=uncoloured)

    def answer(self, plain: object, *shown: RenderableType) -> None:
        """Print the answer: *plain* as JSON, or what is to be *shown* of it."""
        if self.as_json:
            print(json.dumps(plain, indent=2), flush=True)
        else:
            self.show(*shown)

    def show(self, *shown: RenderableType) -> None:
        """Print what is for people only."""
        with self.out.capture() as captured:
            for each in shown:
                self.out.print(each, soft_wrap=isinstance(each, Text))
        lines = captured.get().splitlines()
        if not self.out.is_terminal:  # columns are filled up with spaces
            lines = [line.rstrip() for line in lines]
        print(*lines, sep="\n", flush=True)

    def note(self, message: str) -> None:
        """Say something beside the answer, where nobody waits for JSON."""
        if not self.as_json:
            self.err.print(said(message), soft_wrap=True)

    def failed(self, code: Exit, message: str) -> None:
        """Say in one line why there is no answer."""
        if self.as_json:
            error = {"exit": int(code), "kind": code.name.lower(), "message": message}
            print(json.dumps({"error": error}), file=sys.stderr, flush=True)
            return
        self.err.print(Text.assemble(("asgi-cache: ", "bold red"), said(message)), soft_wrap=True)


def _write_whatever_it_is() -> None:
    """Have what the encoding of standard output lacks written as on standard error, escaped."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _console(*, is_error: bool, uncoloured: bool) -> Console:
    console = Console(
        stderr=is_error,
        color_system=None if uncoloured else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )
    if not console.is_terminal:
        console.width = WIDE
    return console


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return a table with these headings, no cell of which is cut off where there is no end."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    numbers = frozenset(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def pairs(rows: Mapping[str, object]) -> Table:
    """Return names and what is to be said of each."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        made.add_row(said(name), value if isinstance(value, Text) else said(value))
    return made


def seconds(value: float | None) -> str:
    """Write a duration as short as it can be read."""
    return "–" if value is None else worded_duration(value)


def size(value: float | None) -> str:
    """Write a number of bytes as short as it can be read."""
    return "–" if value is None else worded_size(value)


def percent(value: float | None) -> str:
    """Write a part of a whole."""
    return "–" if value is None else f"{value:.1%}"
