"""Lines for the log, which nobody outside can forge, and which cost no request."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from traceback import print_exc


def say(
    logger: logging.Logger,
    level: int,
    message: str,
    *filling: object,
    error: BaseException | None = None,
    extra: Mapping[str, object] | None = None,
    stacklevel: int = 1,
) -> None:
    """Log *message*, with all that is filled into it, and all that is beside it, `printable`.

    A handler, filter or record factory that raises has its error on stderr, as handlers of
    `logging` do, and nowhere else: the request, or whatever was logged about, goes on.
    """
    filling = tuple(map(printable, filling))
    extra = {name: printable(value) for name, value in (extra or {}).items()}
    try:
        logger.log(level, message, *filling, exc_info=error, extra=extra, stacklevel=stacklevel + 1)
    except Exception:  # noqa: BLE001 - whatever somebody's handler raises
        if logging.raiseExceptions and sys.stderr is not None:
            with suppress(OSError, ValueError):  # stderr is closed, or full
                print_exc()


def printable(value: object) -> object:
    r"""Return *value* with what in its text is no printable character written as ``\x1b``.

    Line breaks would forge lines, escape sequences and the controls of bidirectional text would
    show on a terminal what is not there. What is no text, nor a collection of texts, stays as it
    is; an error becomes what it says.
    """
    match value:
        case str():
            return value if value.isprintable() else "".join(map(_printable, value))
        case Exception():
            return printable(str(value))
        case Mapping():
            return {printable(name): printable(each) for name, each in value.items()}
        case list() | tuple():
            return [printable(each) for each in value]
        case _:
            return value


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
