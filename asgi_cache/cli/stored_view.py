"""``asgi-cache entries`` and ``inspect``: what is stored."""

from __future__ import annotations

import asyncio
import base64
import re
import sys
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asgi_cache.admin.operations import MOST_ENTRIES
from asgi_cache.cli.admin_api import AdminApi, odd
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.opening import place
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, pairs, said, seconds, size, table

_KEY: Final = re.compile("[0-9a-f]{32}")

_ROOM_FOR_KEYS: Final = 120
"""Columns from which on there is room for keys, too; a URL is enough to look into an entry."""


def entries(given: Given, screen: Screen) -> int:
    """List what is stored."""
    plain = asyncio.run(_entries(given))
    more = []
    if plain["cursor"] is not None:
        more = [said(f"There is more: --cursor {plain['cursor']}, or --all", "dim")]
    found = plain["entries"]
    nothing = said(f"Nothing of that is stored; {plain['scanned']:,} were looked at.")
    shown = _table(found, with_keys=screen.out.width >= _ROOM_FOR_KEYS) if found else nothing
    screen.answer(plain, shown, *more)
    return Exit.DONE


async def _entries(given: Given) -> dict[str, Any]:
    """Return what one page has, or all that follow it."""
    plain: dict[str, Any] = {}
    async with place(given) as where:
        asked = {"prefix": given.prefix, "tag": given.tag, "limit": given.limit}
        async for page in _pages(where, given.cursor, **asked):
            if plain:
                plain["entries"] += page["entries"]
                plain["scanned"] += page["scanned"]
                plain["cursor"] = page["cursor"]
            else:
                plain = page
            if not given.all:
                break
    return plain


async def _pages(
    where: AdminApi, cursor: str | None, *, prefix: str, tag: str, limit: int
) -> AsyncIterator[dict[str, Any]]:
    """Yield the page at *cursor*, and all that follow it.

    Raises:
        Failure: They would never end, as one leads back to where it was asked for.
    """
    while True:
        page = await where.entries(prefix=prefix, tag=tag, limit=limit, cursor=cursor)
        yield page
        if page["cursor"] is None:
            return
        if page["cursor"] == cursor:
            raise odd(where.shown, f"the cursor {cursor!r} leads back to itself")
        cursor = page["cursor"]


def _table(found: list[dict[str, Any]], *, with_keys: bool) -> Table:
    numbers = ("status", "age", "fresh", "size")
    keys = ("key",) if with_keys else ()
    made = table(*keys, *numbers, "url", "tags", right=numbers)
    for each in found:
        made.add_row(
            *([said(each["key"], "dim")] if with_keys else []),
            said(each["status"]),
            said(seconds(each["age"])),
            _fresh(each),
            said(size(each["size"])),
            said(each["url"]),
            said(", ".join(each["tags"])),
        )
    return made


def _fresh(each: dict[str, Any]) -> Text:
    left = each["ttl"]
    if not each["valid"]:
        return said("void", "red")
    if left is None:
        return said("for ever")
    return said(seconds(left)) if left > 0 else said("stale", "yellow")


def inspect(given: Given, screen: Screen) -> int:
    """Print what is stored under a key, or for a URL."""
    found = asyncio.run(_inspect(given))
    if not found:
        raise Failure(Exit.NO, f"nothing is stored for {given.address}")
    screen.answer({"entries": found}, *(part for each in found for part in _whole(each)))
    if given.body and not screen.as_json:
        for each in found:
            _write(each)
    return Exit.DONE


async def _inspect(given: Given) -> list[dict[str, Any]]:
    async with place(given) as where:
        if _KEY.fullmatch(given.address):
            keys = [given.address]
        else:
            keys = await _keys_of(where, given.address)
        found = [await where.entry(key, body=given.body) for key in keys]
    return [each for each in found if each is not None]


async def _keys_of(where: AdminApi, url: str) -> list[str]:
    """Return the keys of all that is stored for *url*: of each user, and each variant."""
    pages = _pages(where, None, prefix=url, tag="", limit=MOST_ENTRIES)
    return [
        each["key"] async for page in pages for each in page["entries"] if _is_of(each["url"], url)
    ]


def _is_of(stored: str, url: str) -> bool:
    """Whether *stored* is *url*, or that on some host."""
    if not url.startswith("/"):
        return stored == url
    split = urlsplit(stored)
    return split._replace(scheme="", netloc="").geturl() == url


def _whole(each: dict[str, Any]) -> list[RenderableType]:
    rows: dict[str, object] = {
        "key": each["key"],
        "url": each["url"],
        "route": each["route"] or "(no rule)",
        "status": each["status"],
        "age": seconds(each["age"]),
        "fresh": _fresh(each),
        "size": size(each["size"]),
        "tags": ", ".join(each["tags"]) or "none",
        "etag": each["etag"] or "none",
    }
    return [pairs(rows), "", pairs_of_fields(each["headers"]), ""]


def pairs_of_fields(fields: list[list[str]]) -> Table:
    """Lay out the fields of a response, in their order."""
    made = table("field", "value")
    for name, value in fields:
        made.add_row(said(name), said(value))
    return made


def _write(each: dict[str, Any]) -> None:
    """Write a body as it is to a pipe, and to a terminal only if that can do no harm."""
    encoded = each.get("encoding") == "base64"
    body = base64.b64decode(each["body"]) if encoded else each["body"].encode()
    if sys.stdout.isatty():
        text = body.decode("utf-8", "replace")
        body = "".join(
            c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text
        ).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
