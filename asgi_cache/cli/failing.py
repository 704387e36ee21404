"""What a command ends with: a status that scripts read, and a line that people read."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The status that a command exits with."""

    DONE = 0
    """It is done."""
    NO = 1
    """The answer is no, or something of it has failed."""
    USAGE = 2
    """The command line or the configuration cannot be used."""
    UNREACHABLE = 3
    """The store or the running app does not answer."""
    INTERRUPTED = 130
    """Ctrl-C."""


class Failure(Exception):
    """A command cannot go on; the message says what was wrong, and what to do about it."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code: Exit = code
