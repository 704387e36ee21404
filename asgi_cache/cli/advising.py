"""``asgi-cache advise``: what a running app's traffic says is worth storing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from asgi_cache.advisor.advice import Advice
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.opening import admin_url, needed_admin_api
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, said
from asgi_cache.stores.urls import shown


def advise(given: Given, screen: Screen) -> int:
    """Print the advice: as a report, or as a file of rules."""
    plain = asyncio.run(_ask(given)) if given.file is None else _read(given)
    try:
        advice = Advice.from_plain(plain)
    except ValueError as error:
        hint = "" if given.file is None else "; give what asgi-cache advise --json has printed"
        where = given.file or shown(admin_url(given) or "")
        raise Failure(Exit.USAGE, f"{where}: {error}{hint}") from error
    if not advice.routes:
        raise Failure(
            Exit.NO,
            "nothing is observed: set observe = true (for all, or in a rule), and have clients ask",
        )
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
