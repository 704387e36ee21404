"""A browser without a window, and an app that is served to it, for tests of the dashboard."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

PATIENCE = 10_000
"""Milliseconds that a page may take to show what is waited for."""

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


NARROW = {"width": 320, "height": 640}

WITHOUT_SHADOWS = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(".wide { background-image: none !important }");
    document.adoptedStyleSheets.push(sheet);
}"""
"""The contrast of text before a gradient cannot be told, so that axe-core would say nothing."""


@contextmanager
def headless() -> Iterator[Browser]:
    """Start the browser on this machine, with a profile of its own that is gone afterwards."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.fail("there is no Chromium on PATH: sh tests/ensure.sh chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page of the browser's, and what went wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def be_content(self) -> None:
        """Fail if anything went wrong in it since it was asked last."""
        complaints, self.complaints[:] = self.complaints[:], []
        if complaints:
            pytest.fail("\n".join(complaints), pytrace=False)

    def log_in(self, url: str, token: str) -> None:
        """Open the dashboard at *url*, and show it the token."""
        self.page.goto(url)
        self.page.get_by_label("Token").fill(token)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("tab", name="Overview").wait_for()

    def view(self, name: str) -> Any:
        """Open a view, and return what is in it once nothing is awaited there."""
        self.page.get_by_role("tab", name=name).click()
        opened = self.page.get_by_role("tabpanel", name=name)
        self.settle()
        return opened

    def settle(self) -> None:
        """Wait until nothing is awaited in the view that is open."""
        self.page.locator(".view:not([hidden]):not(:has([aria-busy]))").wait_for()

    def barriers(self, *rules: str) -> list[str]:
        """Return what keeps some people from using what is shown, by all rules of axe-core's."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
            self.page.evaluate(WITHOUT_SHADOWS)
        options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
        found = self.page.evaluate("options => axe.run(options)", options)["violations"]
        return [
            f"{rule['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for rule in found
            for node in rule["nodes"]
        ]


@contextmanager
def opened_tab(browser: Browser, **options: Any) -> Iterator[Tab]:
    """Open a tab that shares nothing with others; nothing may be wrong when it is closed."""
    context = browser.new_context(**{"viewport": DESK, "locale": "en-GB", **options})
    context.set_default_timeout(PATIENCE)
    tab = Tab(context.new_page())
    tab.page.on("console", tab.note)
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    yield tab
    context.close()
    tab.be_content()


@dataclass
class Served:
    """An app that is served over HTTP."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, **headers: str) -> str:
        """Send a GET of *path* as it stands, unlike a client that would escape it."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", path, headers=headers)
        content = connection.getresponse().read().decode()
        connection.close()
        return content


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[Served]:
    """Serve *app* from a thread of its own."""
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield Served(listening.getsockname()[1])
        server.should_exit = True
        thread.join()
