"""``make dashboard``: what each view takes over 50,000 stored responses, and what it looks like.

Every view has to be there within a second, and nothing may be wrong in the console. Some of the
screenshots are shown in the docs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import Browser

from benchmarks.dashboard.shop import STORED, TOKEN, Shop
from tests.admin.browsing import PHONE, Tab, headless, opened_tab, served

WORK: Final = Path(__file__).parent / ".work"
IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
SHOWN: Final = ("overview-light", "overview-dark", "route-light", "purge-light", "overview-phone")
"""Screenshots that the docs show."""

LIMIT: Final = 1.0
"""Seconds that a view may take."""
HISTORY: Final = 110
"""Seconds of requests that the charts show."""
TIMES: Final = 3
FILLING: Final = 300_000
"""Milliseconds that filling the store may take."""


class Watch:
    """Takes the time of views."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Take the time of *what* is done meanwhile."""
        began_at = time.perf_counter()
        yield
        self._taken.setdefault(what, []).append(time.perf_counter() - began_at)

    def tell(self) -> None:
        """Print what each took, and end the program if half of the times one took too long."""
        slow = []
        for what, seconds in self._taken.items():
            middle = median(seconds)
            print(f"{what:<36} {middle * 1000:6.0f} ms, at most {max(seconds) * 1000:6.0f} ms")
            if middle > LIMIT:
                slow.append(what)
        if slow:
            sys.exit(f"more than {LIMIT:g} s: {', '.join(slow)}")


def main() -> None:
    """Take the times, print them, and write the screenshots."""
    watch = Watch()
    with served(Shop().app) as site, headless() as browser:
        url = f"{site.url}/cache/"
        for _ in range(TIMES):
            with opened_tab(browser) as tab:
                tab.page.goto(url, timeout=FILLING)
                _look_around(tab, url, watch)
        _search(browser, url)
        _photograph(browser, url)
    watch.tell()


def _look_around(tab: Tab, url: str, watch: Watch) -> None:
    with watch.of("logging in, to the overview"):
        tab.log_in(url, TOKEN)
    for name in ("Routes", "Entries", "Purge", "Explain", "Rules", "Overview"):
        with watch.of(name):
            tab.view(name)
    entries = tab.view("Entries")
    with watch.of("the next page of entries"):
        entries.get_by_role("button", name="Next").click()
        tab.settle()
    with watch.of("an entry"):
        entries.locator("tbody button").first.click()
        show = tab.page.get_by_role("button", name="Show the body")
        show.wait_for()
    with watch.of("its body"):
        show.click()
        tab.page.locator("dialog pre").wait_for()


def _search(browser: Browser, url: str) -> None:
    """Look for what is not there, which is only known when all was looked at."""
    with opened_tab(browser) as tab:
        tab.log_in(url, TOKEN)
        entries = tab.view("Entries")
        entries.get_by_label("Tag").fill("product:-1")
        began_at = time.perf_counter()
        entries.get_by_role("button", name="Look").click()
        entries.get_by_text("Nothing is stored that fits.").wait_for(timeout=FILLING)
        seconds = time.perf_counter() - began_at
        print(f"looking through all {STORED} took {seconds:.1f} s, with what was seen shown")


_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE, "device_scale_factor": 1.5},
}


def _preview(tab: Tab) -> None:
    purge = tab.view("Purge")
    purge.get_by_label("Its name").fill("product:7")
    purge.get_by_role("button", name="Preview").click()
    purge.locator(".preview").wait_for()


def _open_route(tab: Tab) -> None:
    tab.view("Routes").get_by_role("button", name="/products/{product}/reviews").click()
    tab.page.locator("dialog .bucket-chart").wait_for()


_SCENES: Final[dict[str, Callable[[Tab], Any]]] = {
    "overview": lambda tab: tab.view("Overview"),
    "routes": lambda tab: tab.view("Routes"),
    "entries": lambda tab: tab.view("Entries"),
    "purge": _preview,
    "route": _open_route,
}


def _photograph(browser: Browser, url: str) -> None:
    for folder in (WORK, IMAGES):
        folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        looks = {
            look: stack.enter_context(opened_tab(browser, **options))
            for look, options in _LOOKS.items()
        }
        for tab in looks.values():
            tab.log_in(url, TOKEN)
        next(iter(looks.values())).page.wait_for_timeout(HISTORY * 1000)
        for look, tab in looks.items():
            for scene, show in _SCENES.items():
                show(tab)
                tab.page.mouse.move(0, 0)
                name = f"{scene}-{look}"
                folder = IMAGES if name in SHOWN else WORK
                path = folder / f"dashboard-{name}.png"
                tab.page.screenshot(path=path, animations="disabled")
                tab.page.keyboard.press("Escape")


if __name__ == "__main__":
    main()
