"""``asgi-cache check``: what a file of settings says, rule by rule."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asgi_cache.cache import Cache
from asgi_cache.cli.apps import cache_of, load
from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.cli.own import called_api
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, said, seconds, size, table
from asgi_cache.config import base_rule, compile_rules
from asgi_cache.errors import ConfigurationError
from asgi_cache.observe.plain import plain
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import stated_in
from asgi_cache.stores.urls import shown

_DURATIONS: Final = frozenset({"ttl", "client_ttl", "stale_while_revalidate", "stale_if_error"})
_SIZES: Final = frozenset({"max_body", "max_header"})


def check(given: Given, screen: Screen) -> int:
    """Check a file, and print what its rules say."""
    if given.file.is_dir():
        raise Failure(Exit.USAGE, f"{given.file}: is a directory: name a file in it")
    if not given.file.is_file():
        raise Failure(Exit.USAGE, f"{given.file}: there is no such file")
    try:
        cache = Cache.from_config(given.file, environ={})
        asyncio.run(cache.close())
        handlers = asyncio.run(_of_handlers(given.app)) if given.app else None
    except ConfigurationError as error:
        raise Failure(Exit.NO, str(error)) from error
    settings = cache.settings
    rules = [(p.text, rule) for p, rule in compile_rules(settings).entries]
    base = base_rule(settings)
    checked = {
        "file": str(given.file),
        "store": shown(settings.store),
        "namespace": settings.namespace,
        "rules": [_plain(pattern, rule, base) for pattern, rule in rules],
    }
    parts: list[RenderableType] = [_table(rules, base)] if rules else []
    if handlers is not None:
        checked["handlers"] = handlers
        parts += [_told(handlers)]
    screen.answer(checked, _heading(given.file, checked), *parts)
    return Exit.DONE


async def _of_handlers(name: str) -> list[dict[str, Any]]:
    """Return the rules that the handlers of the app state.

    Raises:
        ConfigurationError: One of them states what is no rule.
        Failure: There is no such app.
    """
    cache = cache_of(load(name), name)
    cache.read_routes()
    async with called_api(cache) as api:
        rules = await api.rules()
    await cache.close()
    stated = {rule["pattern"]: rule for rule in rules if rule["said_by"] == "its handler"}
    return [
        {part: rule[part] for part in ("pattern", "never", "stated")}
        for pattern, rule in stated.items()
        # Starlette has HEAD wherever there is GET, and nobody states a rule for that.
        if not (pattern.startswith("HEAD ") and f"GET {pattern[5:]}" in stated)
    ]


def _told(handlers: list[dict[str, Any]]) -> Text:
    """Name the routes whose handlers state a rule."""
    if not handlers:
        return said("No handler of the app states a rule.")
    what = "rule is" if len(handlers) == 1 else "rules are"
    routes = ", ".join(rule["pattern"] for rule in handlers)
    return said(f"{len(handlers)} {what} stated by handlers: {routes}.")


def _plain(pattern: str, rule: Rule | None, base: Rule) -> dict[str, Any]:
    stated = {} if rule is None else stated_in(rule, base)
    return {"pattern": pattern, "never": rule is None, "stated": plain(stated)}


def _heading(file: Path, checked: dict[str, Any]) -> Text:
    count = len(checked["rules"])
    rules = "no rules: only what the app marks with explicit freshness is stored"
    if count:
        rules = f"{count} {'rules' if count > 1 else 'rule'}, of which the first that matches holds"
    store = f"store {checked['store']}, namespace {checked['namespace']}"
    return Text.assemble(said(file, "bold"), said(f" is in order: {store}; {rules}."))


def _table(rules: list[tuple[str, Rule | None]], base: Rule) -> Table:
    made = table("rule", "stored", "for", "and")
    for pattern, rule in rules:
        if rule is None:
            made.add_row(said(pattern), said("never", "red"))
            continue
        more = stated_in(rule, base)
        ttl, public = more.pop("ttl", rule.ttl), more.pop("public", rule.public)
        fresh = "as the app says" if ttl is None else f"{seconds(ttl)}, unless the app says"
        also = "; ".join(f"{name} {_worded(name, value)}" for name, value in more.items())
        made.add_row(
            said(pattern),
            said(fresh, "green"),
            said("everybody" if public else "each user"),
            said(also),
        )
    return made


def _worded(name: str, value: Any) -> str:
    if name in _DURATIONS:
        return seconds(value)
    if name in _SIZES:
        return size(value)
    if name == "status_ttl":
        return ", ".join(f"{status} for {seconds(ttl)}" for status, ttl in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"  # pyright: ignore[reportUnknownArgumentType]
    return str(value).lower() if isinstance(value, bool) else str(value)
