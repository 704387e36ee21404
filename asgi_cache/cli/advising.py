"""``asgi-cache advise``: what a running app's traffic says is worth storing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from asgi_cache.advisor.advice import Advice
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.opening import needed_admin_api
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, said


def advise(given: Given, screen: Screen) -> int:
    """Print the advice: as a report, or as a file of rules."""
    plain = asyncio.run(_ask(given)) if given.file is None else _read(given)
    try:
        advice = Advice.from_plain(plain)
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{given.file or given.url}: {error}") from error
    if given.toml and not screen.as_json:
        print(advice.to_toml(), end="")
    else:
        screen.answer(advice.to_plain(), *map(said, str(advice).splitlines()))
    return Exit.DONE


async def _ask(given: Given) -> dict[str, Any]:
    async with needed_admin_api(given, "what was learned is in the app's processes") as api:
        return await api.advice()


def _read(given: Given) -> Any:
    """Return what an earlier ``--json`` has written."""
    try:
        return json.loads(given.file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(Exit.USAGE, f"{given.file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{given.file}: is not JSON: {error}") from error
