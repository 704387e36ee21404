"""A pytest plugin that puts a layer in front of each app a test client calls.

It is loaded into other projects' test runs, so it stands by itself. Two variables steer it:
``TRANSPARENCY_LAYER`` names the layer, ``TRANSPARENCY_REPORT`` the file for the outcomes.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

App = Callable[..., Any]
Layer = Callable[[App], App]

CLIENTS = (
    ("starlette.testclient", "_TestClientTransport"),
    ("httpx", "ASGITransport"),
    ("httpx2", "ASGITransport"),
)
"""What test clients hand their app to, as its first argument."""

_SEVERITY = ("passed", "skipped", "failed", "error")


class Outcomes:
    """What became of each test, and how many requests went through the layer."""

    def __init__(self, layer: Layer, path: Path) -> None:
        self._layer = layer
        self._path = path
        self._tests: dict[str, str] = {}
        self._requests = 0

    def wrap(self, app: App) -> App:
        """Put the layer in front of *app*, and count the requests that it is given."""
        behind_layer = self._layer(app)

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self._requests += scope["type"] == "http"
            await behind_layer(scope, receive, send)

        return counted

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst that happened in a test's set-up, call and tear-down."""
        outcome = report.outcome
        if report.failed and report.when != "call":
            outcome = "error"
        known = self._tests.get(report.nodeid, "passed")
        self._tests[report.nodeid] = max(known, outcome, key=_SEVERITY.index)

    def pytest_sessionfinish(self) -> None:
        """Write everything to the file."""
        report = {"requests": self._requests, "tests": self._tests}
        self._path.write_text(json.dumps(report))


def no_layer(app: App) -> App:
    """The app itself: how the tests are meant to run."""
    return app


def cache_layer(app: App) -> App:
    """The cache with no settings, but for the field that it would announce itself with."""
    return importlib.import_module("asgi_cache").CacheMiddleware(app, cache_status=False)


def identity_layer(app: App) -> App:
    """A middleware that does nothing: what differs with it is the harness's own doing."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return middleware


def naive_layer(app: App) -> App:
    """A cache that answers each GET as it first did: the tests have to tell it from the app."""
    stored: dict[str, list[Any]] = {}

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await app(scope, receive, send)
            return
        messages = stored.get(scope["path"])
        if messages is None:
            messages = []

            async def storing(message: Any) -> None:
                messages.append(message)
                await send(message)

            await app(scope, receive, storing)
            stored[scope["path"]] = messages
            return
        for message in messages:
            await send(message)

    return middleware


LAYERS: dict[str, Layer] = {
    "none": no_layer,
    "cache": cache_layer,
    "identity": identity_layer,
    "naive": naive_layer,
}


def pytest_configure(config: pytest.Config) -> None:
    """Take the clients' place before any test module is imported."""
    layer = LAYERS[os.environ["TRANSPARENCY_LAYER"]]
    outcomes = Outcomes(layer, Path(os.environ["TRANSPARENCY_REPORT"]))
    config.pluginmanager.register(outcomes)
    for client in _clients():
        _hand_over(client, outcomes.wrap)


def _clients() -> Iterator[type]:
    for module, name in CLIENTS:
        if find_spec(module.partition(".")[0]):
            yield getattr(importlib.import_module(module), name)


def _hand_over(client: Any, wrap: Layer) -> None:
    """Have *client* be made with the wrapped app; what else holds the app is left alone."""
    make = client.__init__

    @functools.wraps(make)
    def made(self: Any, app: App, *arguments: Any, **named: Any) -> None:
        make(self, wrap(app), *arguments, **named)

    client.__init__ = made
