"""From a command line to the status it exits with."""

from __future__ import annotations

import logging
import os
import sys
from asyncio import CancelledError
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.parser import Given, make_parser
from asgi_cache.errors import ConfigurationError, PurgeNotAcknowledged, StoreError

if TYPE_CHECKING:
    from asgi_cache.cli.screen import Screen

_EXTRA: Final = ("httpx", "rich", "shtab")
"""What the command needs beside what the cache needs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments* say, or else the command line; return the status to exit with."""
    written = list(sys.argv[1:] if arguments is None else arguments)
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        print(
            f"asgi-cache needs {' and '.join(missing)}: pip install 'asgi-cache[cli]'",
            file=sys.stderr,
        )
        return Exit.USAGE
    from asgi_cache.cli.screen import Screen  # noqa: PLC0415 - it needs the extra

    screen = Screen(as_json="--json" in written, plain="--no-color" in written)
    logger = logging.getLogger("asgi_cache")
    level = logger.level
    if "--debug" not in written:  # what it would warn of is said here
        logger.setLevel(logging.CRITICAL)
    try:
        return _run(make_parser().parse_args(written), screen)
    except BrokenPipeError:  # who reads has had enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.NO
    except (KeyboardInterrupt, CancelledError):
        screen.note("Interrupted.")
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a line says what it is, and --debug where
        if "--debug" in written:
            screen.err.print_exception()
        code, message = _told(error)
        screen.failed(code, message)
        return code
    finally:
        logger.setLevel(level)


def _run(given: Given, screen: Screen) -> int:
    from asgi_cache.cli.commands import COMMANDS  # noqa: PLC0415 - they need the extra

    if given.version:
        from asgi_cache import __version__  # noqa: PLC0415 - only here

        print(__version__)
        return Exit.DONE
    if given.command is None:
        make_parser().print_help()
        return Exit.USAGE
    code = COMMANDS[given.command](given, screen)
    print(end="", flush=True)  # here it is known what to do if nobody reads it
    return code


def _told(error: Exception) -> tuple[Exit, str]:
    """Return the status for what went wrong, and how to say it."""
    match error:
        case Failure():
            return error.code, str(error)
        case ConfigurationError():
            return Exit.USAGE, str(error)
        case PurgeNotAcknowledged():
            return Exit.UNREACHABLE, f"the purge was not recorded; order it again: {error}"
        case StoreError():
            return Exit.UNREACHABLE, f"the store does not answer: {error}"
        case _:
            what = f"{type(error).__name__}: {error}"
            return Exit.NO, f"something went wrong: {what} (--debug shows where)"
