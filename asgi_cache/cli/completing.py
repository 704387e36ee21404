"""``asgi-cache completion``: what has a shell complete the command."""

from __future__ import annotations

from shtab import complete

from asgi_cache.cli.failing import Exit
from asgi_cache.cli.parser import Given, make_parser
from asgi_cache.cli.screen import Screen


def completion(given: Given, screen: Screen) -> int:
    """Print a script for a shell."""
    script = complete(make_parser(), given.shell)
    if screen.as_json:
        screen.answer({"shell": given.shell, "script": script})
    else:
        print(script)
    return Exit.DONE
