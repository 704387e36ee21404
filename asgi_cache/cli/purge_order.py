"""``asgi-cache purge``: an order, and what became of it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from rich.text import Text

from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.opening import place
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, said


def purge(given: Given, screen: Screen) -> int:
    """Purge what the command line names, or count what that would void."""
    order = _order(given)
    if given.everything and not given.dry_run and not given.yes:
        _ask_first(screen)
    plain = asyncio.run(_purge(given, order))
    screen.answer(plain, *_shown(plain, given))
    return Exit.DONE


def _order(given: Given) -> dict[str, Any]:
    order: dict[str, Any] = {
        "tags": given.tag,
        "key": given.key,
        "url": given.address,
        "path": given.path,
        "route": given.route,
        "user": given.user,
        "everything": given.everything,
    }
    if not any(order.values()):
        raise Failure(
            Exit.USAGE,
            "purge what? Give a URL, --tag, --path, --route, --key, --user or --everything",
        )
    how = ("all_of", "soft", "wait", "dry_run")
    return order | {name: getattr(given, name) for name in how}


def _ask_first(screen: Screen) -> None:
    """Go on if somebody who is there says so.

    Raises:
        Failure: Nobody does.
    """
    if screen.as_json or not sys.stdin.isatty():
        raise Failure(Exit.USAGE, "--everything needs --yes where nobody can be asked")
    screen.err.print("Purge everything? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Failure(Exit.NO, "nothing was purged")


async def _purge(given: Given, order: dict[str, Any]) -> dict[str, Any]:
    async with place(given) as where:
        plain = await where.purge(order)
        if given.dry_run or plain["acknowledged"]:
            return plain
        then = "order it again" if where.is_own else "the app repeats it until it is"
        raise Failure(Exit.UNREACHABLE, f"the purge is not recorded yet; {then}")


def _shown(plain: dict[str, Any], given: Given) -> list[Text]:
    if given.dry_run:
        least = "" if plain["complete"] else "at least "
        would = "make stale" if given.soft else "void"
        count = f"{plain['matching']:,} stored responses and values"
        lines = [said(f"It would {would} {least}{count}.")]
        return lines + [said(f"  {url}", "dim") for url in plain["sample"]]
    done = "stale from now on" if given.soft else "void"
    where = "" if given.wait else "; other processes know of it a moment later"
    every = " in every process" if given.wait else ""
    return [said(f"Purged: what this names is {done}{every}{where}.", "green")]
