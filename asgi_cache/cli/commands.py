"""Every command by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from asgi_cache.cli.advising import advise
from asgi_cache.cli.bench import bench
from asgi_cache.cli.completing import completion
from asgi_cache.cli.counts_view import stats
from asgi_cache.cli.parser import Given
from asgi_cache.cli.purge_order import purge
from asgi_cache.cli.requests_view import explain
from asgi_cache.cli.rules_view import check
from asgi_cache.cli.screen import Screen
from asgi_cache.cli.stored_view import entries, inspect
from asgi_cache.cli.warm_list import warm
from asgi_cache.demo.__main__ import run as run_demo


def demo(given: Given, screen: Screen) -> int:
    """Show the cache at work; it has nothing to say in JSON."""
    del screen
    return run_demo(given.store or "memory://", serves=given.serve)


COMMANDS: Final[Mapping[str, Callable[[Given, Screen], int]]] = MappingProxyType(
    {
        "demo": demo,
        "check": check,
        "explain": explain,
        "stats": stats,
        "entries": entries,
        "inspect": inspect,
        "purge": purge,
        "warm": warm,
        "bench": bench,
        "advise": advise,
        "completion": completion,
    }
)
