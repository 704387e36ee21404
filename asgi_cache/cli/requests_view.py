"""``asgi-cache explain``: what would become of a request."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from asgi_cache.cli.failing import Exit
from asgi_cache.cli.opening import place
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, pairs, said
from asgi_cache.explaining import Explanation

_UNKNOWN: Final = "nobody knows here: a memory store lives in the app's process; ask it with --url"


def explain(given: Given, screen: Screen) -> int:
    """Say what would become of a request."""
    plain = asyncio.run(_ask(given))
    screen.answer(plain, _shown(plain))
    return Exit.DONE


async def _ask(given: Given) -> dict[str, Any]:
    question = {
        "method": given.method.upper(),
        "url": given.address,
        "headers": dict(given.header),
        "user": given.user,
        "status": given.status,
        "answered": dict(given.answered),
    }
    async with place(given, needs_store=False) as where:
        plain = await where.explain(question)
        if where.knows_store or not plain["found"]:
            return plain
        fields = {name: value for name, value in plain.items() if name != "text"}
        explanation = replace(Explanation(**fields), found=_UNKNOWN)
        return {**asdict(explanation), "text": str(explanation)}


def _shown(plain: dict[str, Any]) -> Table:
    """Lay out the lines of the explanation, each of which begins with what it is about."""
    rows: dict[str, Text] = {}
    for line in plain["text"].splitlines():
        name, _, text = line.partition("  ")
        rows[name] = said(text.strip(), _style(name, plain))
    return pairs(rows)


def _style(name: str, plain: dict[str, Any]) -> str:
    if name == "response":
        return "green" if plain["stored"] else "red"
    return "yellow" if name == "passed on" else ""
