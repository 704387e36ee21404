"""What the guide to logging shows, run as programs: they set up the log of a whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

CLIENT = r"""
import asyncio, runpy, sys
from asgi_cache import CacheMiddleware
from tests.bare import ask

shown = runpy.run_path(sys.argv[1])
app = shown["app"]

async def main():
    for name in ("a", "b"):
        await ask(app, "/tasks/1", {"X-Request-ID": name, "Authorization": "Bearer " + TOKEN})
    cache = (app if isinstance(app, CacheMiddleware) else app.app).cache
    await cache.purge(path="/tasks")
    fail(cache, {"headers": [(b"authorization", TOKEN.encode())]})

def fail(cache, scope):
    try:
        raise OSError("broken\r\nforged\x1b[31m\u202e")
    except OSError as error:
        cache.observer.tell("store-broken", error)

TOKEN = "token".upper() + "of-somebody"
asyncio.run(main())
"""


def lines_of(name):
    """Run an example, ask it twice, purge, and have something fail; return its lines."""
    command = [sys.executable, "-c", CLIENT, f"docs/examples/{name}.py"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert ended.stderr.isascii()
    assert "TOKENof-somebody" not in ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines()]


@pytest.fixture(scope="module")
def as_json():
    return lines_of("logging_json")


@pytest.fixture(scope="module")
def by_structlog():
    return [line for line in lines_of("logging_structlog") if line["logger"] != "asyncio"]


def test_levels_are_chosen_by_logger(as_json):
    """Requests, purges and what went wrong are there, and fills are not."""
    assert [(line["logger"], line["event"]) for line in as_json] == [
        ("asgi_cache.requests", "request"),
        ("asgi_cache.requests", "request"),
        ("asgi_cache.purges", "purged"),
        ("asgi_cache.store", "store-broken"),
    ]


def test_fields_of_events_are_fields_of_the_json(as_json):
    """A line has when, how grave, by whom and what, beside all that the event has."""
    miss, hit, purged, broken = as_json
    assert {"timestamp", "level", "message", "seconds"} <= set(miss)
    assert (miss["result"], miss["reason"], miss["size"]) == ("miss", "uri-miss", 6)
    assert (hit["result"], hit["route"], hit["status"]) == ("hit", "/tasks/{task}", 200)
    assert (purged["selectors"], purged["soft"]) == ("path (1)", False)
    assert broken["level"] == "ERROR"


@pytest.mark.parametrize("example", ["as_json", "by_structlog"])
def test_a38_an_exception_is_part_of_its_line(example, request):
    """What it says forges no line, and no local variables are shown: they may be requests."""
    *_, broken = request.getfixturevalue(example)
    assert broken["event"] == "store-broken"
    assert "forged\\u001b[31m\\u202e" in json.dumps(broken)


def test_structlog_has_what_the_app_and_the_cache_say(by_structlog):
    """Lines of both have the same fields, and the name of the request that they belong to."""
    assert [(line["logger"], line["event"], line.get("request_id")) for line in by_structlog] == [
        ("tasks", "read", "a"),
        ("asgi_cache.fills", "stored", "a"),
        ("asgi_cache.requests", "request", "a"),
        ("asgi_cache.requests", "request", "b"),
        ("asgi_cache.purges", "purged", None),
        ("asgi_cache.store", "store-broken", None),
    ]
    assert [line["result"] for line in by_structlog[2:4]] == ["miss", "hit"]
    assert by_structlog[4]["message"] == "purged by path (1)"
