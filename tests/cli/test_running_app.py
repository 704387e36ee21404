"""Commands that ask a running app over its admin API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from asgi_cache.cli.failing import Exit
from tests.cli.conftest import ROOT
from tests.cli.shop import TOKEN, UNLUCKY
from tests.cli.terminal import Terminal


@pytest.fixture
def asked(command, shop, monkeypatch):
    """Ask the shop; the token is not on the command line."""
    monkeypatch.setenv("ASGI_CACHE_ADMIN_URL", f"{shop.url}/cache-admin")
    monkeypatch.setenv("ASGI_CACHE_ADMIN_TOKEN", TOKEN)
    return command


def test_stats_are_a_table_of_routes(asked, shop):
    """Those that are asked most stand first, and what is in all stands above them."""
    for _ in range(3):
        shop.get("/products/100")
    said = asked("stats")
    assert (said.code, said.err) == (Exit.DONE, "")
    (line,) = (line for line in said.out.splitlines() if line.startswith("/products/{number"))
    assert line.split()[2].endswith("%")
    for name in ("requests", "hit ratio", "saved", "store", "purges"):
        assert f"\n{name}" in f"\n{said.out}"
    plain = json.loads(asked("stats", "--json").out)
    assert plain["totals"]["results"]["hit"] >= 2
    (route,) = (r for r in plain["routes"] if r["route"] == "/products/{number:int}")
    assert route["requests"]["miss"]["200"] >= 1


def test_stats_are_watched_until_ctrl_c(asked, shop):
    """The table stays where it is in a terminal; Ctrl-C ends it without a word of Python."""
    watching = Terminal("stats", "--watch", "-n", "0.1")
    for _ in range(2):
        watching.said = ""
        watching.read("hit ratio")
        watching.read("a second")
    watching.type("\x03")
    assert watching.wait() == Exit.INTERRUPTED
    assert "Traceback" not in watching.said
    assert TOKEN not in watching.said


@pytest.mark.slow
def test_stats_are_watched_in_a_pipe_line_by_line(shop):
    """A program reads an object from each line, until it has had enough."""
    variables = {"ASGI_CACHE_ADMIN_URL": f"{shop.url}/cache-admin", "ASGI_CACHE_ADMIN_TOKEN": TOKEN}
    watching = subprocess.Popen(
        [sys.executable, "-m", "asgi_cache", "stats", "--watch", "-n", "0.01", "--json"],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    with watching:
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        watching.send_signal(signal.SIGINT)
    assert first["at"] < second["at"]
    assert watching.returncode == Exit.INTERRUPTED


def test_explain_asks_the_app(asked, shop):
    """It knows what its handlers state."""
    shop.get("/products/101")
    said = asked("explain", "/products/101")
    assert (said.code, said.err) == (Exit.DONE, "")
    assert "a fresh response with status 200" in said.out
    assert "before the app has started" not in said.out


def test_purge_is_ordered_from_the_app(asked, shop):
    """When it says so, the app does not serve it any more."""
    shop.get("/products/102")
    said = asked("purge", "--tag", "product:102", "--wait")
    assert (said.code, said.err) == (Exit.DONE, "")
    assert said.out == "Purged: what this names is void in every process.\n"
    assert "fwd=" in shop.get("/products/102").headers["cache-status"]


def test_the_app_warms(asked, shop):
    """Each URL is asked for once, within the app."""
    urls = [f"/products/{number}" for number in (103, 104, UNLUCKY)]
    said = asked("warm", *(shop.url + url for url in urls), "--json")
    plain = json.loads(said.out)
    assert (said.code, plain["stored"]) == (Exit.NO, 2)
    (failed,) = plain["failed"]
    assert (failed["url"], failed["status"]) == (shop.url + urls[2], 503)
    assert "; hit" in shop.get(urls[0]).headers["cache-status"]


@pytest.mark.parametrize("token", [None, "wrong-but-long-enough-for-one"])
def test_a_wrong_token_is_one_line(asked, monkeypatch, shop, token):
    """It says what to do, and never what the token is."""
    monkeypatch.delenv("ASGI_CACHE_ADMIN_TOKEN")
    said = asked("stats", *(["--token", token] if token else []))
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "does not let us in (401): give the token" in said.err
    assert said.err.count("\n") == 1
    assert not token or token not in said.err


@pytest.mark.parametrize("more", ["\n", " ", " x", "\x1b", "é"])
def test_a_token_that_no_field_can_hold_is_not_shown(command, shop, monkeypatch, more):
    """A line break at the end of a variable must not bring the secret into somebody's log."""
    monkeypatch.setenv("ASGI_CACHE_ADMIN_TOKEN", f"a-secret-of-the-shop{more}")
    said = command("stats", "--url", f"{shop.url}/cache-admin")
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "has characters that none has" in said.err
    assert "a-secret-of-the-shop" not in said.err


def test_advice_is_a_report_and_a_file_of_rules(asked, command, shop, tmp_path):
    """The file is one that check finds in order; what was printed as JSON can be read again."""
    for number in range(110, 114):
        for _ in range(30):
            shop.get(f"/watched/{number}")
    said = asked("advise")
    assert (said.code, said.err) == (Exit.DONE, "")
    assert "/watched/{number:int}: " in said.out
    file = tmp_path / "advice.json"
    file.write_text(asked("advise", "--json").out)
    (route,) = (r for r in json.loads(file.read_text())["routes"] if "/watched" in r["route"])
    assert route["requests"] == 120
    rules = tmp_path / "asgi-cache.toml"
    rules.write_text(command("advise", file, "--toml").out)
    assert command("check", rules).code == Exit.DONE
    file.write_text("{}")
    said = command("advise", file)
    assert said.code == Exit.USAGE
    assert "this is no advice" in said.err
    assert "give what asgi-cache advise --json has printed" in said.err


@pytest.mark.parametrize("more", [[], ["--toml"], ["--json"]])
def test_advice_on_nothing_is_no(command, tmp_path, more):
    """A file without a rule would be taken for what is advised."""
    file = tmp_path / "advice.json"
    file.write_text('{"seconds": 0.0, "routes": [], "unasked": []}')
    said = command("advise", file, *more)
    assert (said.code, said.out) == (Exit.NO, "")
    assert "nothing is observed: set observe = true (" in said.err


def test_what_is_no_admin_api_is_named(command, shop):
    """It may be mounted elsewhere."""
    for path in ("/counts", "/nowhere"):
        said = command("stats", "--url", shop.url + path)
        assert said.code == Exit.USAGE
        assert "is no admin API of asgi_cache" in said.err


def test_what_the_app_refuses_is_said_in_its_words(asked, shop):
    """The API names what is wrong."""
    said = asked("purge", "--route", "/prodcts")
    assert said.code == Exit.USAGE
    assert "refuses (422): route='/prodcts' is no rule's pattern" in said.err
