"""``asgi-cache stats``: what a running app's cache has counted, once or time and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table

from asgi_cache.cli.admin_api import AdminApi
from asgi_cache.cli.failing import Exit
from asgi_cache.cli.opening import needed_admin_api
from asgi_cache.cli.parser import Given
from asgi_cache.cli.screen import Screen, pairs, percent, said, seconds, size, table
from asgi_cache.observe.stats import NOT_TRIED

_WHY: Final = "what was counted is in the app's processes"


def stats(given: Given, screen: Screen) -> int:
    """Print the counts."""
    api = needed_admin_api(given, _WHY)
    asyncio.run(_watch(api, given.interval, screen) if given.watch else _once(api, screen))
    return Exit.DONE


async def _once(api: AdminApi, screen: Screen) -> None:
    async with api:
        plain = await api.stats()
    screen.answer(plain, _shown(plain))


async def _watch(api: AdminApi, interval: float, screen: Screen) -> None:
    """Print them anew until Ctrl-C: in one place of a terminal, elsewhere one after the other."""
    former: dict[str, Any] | None = None
    is_drawn = screen.out.is_terminal and not screen.as_json
    with Live(console=screen.out, auto_refresh=False) if is_drawn else nullcontext() as live:
        async with api:
            while True:
                plain = await api.stats()
                if live is not None:
                    live.update(_shown(plain, former), refresh=True)
                elif screen.as_json:
                    print(json.dumps(plain), flush=True)
                else:
                    screen.show(_shown(plain, former), "")
                former = plain
                await asyncio.sleep(interval)


def _shown(plain: Mapping[str, Any], former: Mapping[str, Any] | None = None) -> RenderableType:
    return Group(pairs(_overview(plain, former)), "", _routes(plain))


def _overview(plain: Mapping[str, Any], former: Mapping[str, Any] | None) -> dict[str, object]:
    totals, store, flights = plain["totals"], plain["store"], plain["flights"]
    requests = f"{totals['requests']:,}"
    if former is not None and plain["at"] > former["at"]:
        more = totals["requests"] - former["totals"]["requests"]
        requests += f", {more / (plain['at'] - former['at']):,.1f} a second"
    rows: dict[str, object] = {
        "requests": requests,
        "hit ratio": said(percent(totals["hit_ratio"]), "bold green"),
        "results": ", ".join(f"{name} {n:,}" for name, n in totals["results"].items()) or "none",
        "saved": f"{seconds(totals['seconds_saved'])} of waiting, "
        f"{size(totals['bytes_served'])} served",
        "store": f"{store['kind']}: {store['entries']:,} entries here, {size(store['bytes'])} of "
        f"{size(store['budget'])}, {store['evicted']:,} evicted",
        "runs": f"{flights['under_way']} under way, {flights['joined']:,} requests joined one",
        "purges": f"{plain['purges']:,}, {plain['invalidations']:,} by unsafe requests",
        "process": f"{plain['process']}, for {seconds(plain['uptime'])}",
    }
    server = store["server"]
    if server is not None:
        failures = dict(server["failures"])
        untried = failures.pop(NOT_TRIED, 0)
        style = "" if server["breaker"] == "closed" else "bold red"
        rows["server"] = said(
            f"breaker {server['breaker']}, {server['operations']:,} operations, "
            f"{sum(failures.values()):,} failures, {untried:,} not tried",
            style,
        )
    return rows


def _routes(plain: Mapping[str, Any]) -> Table:
    numbers = ("requests", "hit ratio", "hit p50", "hit p99", "app p50", "app p99", "saved")
    made = table("route", *numbers, right=numbers)
    routes = sorted(plain["routes"], key=_total, reverse=True)
    for route in routes:
        cached, app = route["cached_ms"], route["app_ms"]
        made.add_row(
            said(route["route"] or "(no rule)"),
            f"{_total(route):,}",
            percent(route["hit_ratio"]),
            *(_ms(cached, part) for part in ("p50", "p99")),
            *(_ms(app, part) for part in ("p50", "p99")),
            seconds(route["seconds_saved"]),
        )
    return made


def _total(route: Mapping[str, Any]) -> int:
    return sum(sum(counts.values()) for counts in route["requests"].values())


def _ms(times: Mapping[str, float] | None, part: str) -> str:
    return "–" if times is None else seconds(times[part] / 1000)
