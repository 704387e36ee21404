"""The demo as its users start it, and the walk in front of caches that are set up wrongly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from asgi_cache.demo import table
from asgi_cache.demo.client import Client
from asgi_cache.demo.database import Database
from asgi_cache.demo.serve import RULES, Setup, serving
from asgi_cache.demo.walk import STEPS, ExpectationFailed, Tour, walk
from tests.redis_server import free_port, running_redis

ROOT = Path(__file__).parents[2]
AS_A_MODULE = ("-m", "asgi_cache.demo")


def started(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start Python as a user would, with no variable of the demo's but these."""
    inherited = {k: v for k, v in os.environ.items() if k not in {"STORE", "SERVE"}}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=inherited | variables,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    with started(*(arguments or AS_A_MODULE), **variables) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    database = Database(tmp_path_factory.mktemp("demo") / "tasks.db")
    database.fill()
    yield database
    database.close()


def assert_complete(demo: subprocess.CompletedProcess[str], steps: int) -> None:
    assert (demo.returncode, demo.stderr) == (0, ""), demo.stdout
    assert re.findall(r"^\d+(?=  )", demo.stdout, re.MULTILINE) == [
        str(number) for number in range(1, steps + 1)
    ]
    for route in ("/tasks", "/tasks/{task_id}", "/stats"):
        assert re.search(rf"^ +{re.escape(route)} +\d.* × +\d+ +\d+$", demo.stdout, re.MULTILINE)
    assert "All as expected" in demo.stdout
    assert max(map(len, demo.stdout.splitlines())) <= 100


def test_the_demo_shows_that_all_is_as_expected():
    """Without any setting it takes every step that one process can."""
    assert_complete(run_demo(), len(STEPS))


@pytest.mark.slow
def test_the_demo_shows_what_two_processes_share():
    """In Redis there is one step more."""
    with running_redis() as redis:
        demo = run_demo(STORE=f"{redis.url}?timeout=2s")
    assert_complete(demo, len(STEPS) + 1)


@pytest.mark.slow
def test_the_app_without_a_cache_fails_the_first_step():
    """The walk verifies what it shows, so it can fail."""
    demo = run_demo(STORE="none")
    assert (demo.returncode, demo.stderr) == (1, "")
    assert "FAILED: expected a run of the app, fwd=uri-miss; GET /tasks was ans" in demo.stdout
    assert "All as expected" not in demo.stdout


def without(field: str, pattern: str) -> dict[str, object]:
    kept = {name: value for name, value in RULES[pattern].items() if name != field}
    return {**RULES, pattern: kept}


@pytest.mark.parametrize(
    ("rules", "failure"),
    [
        pytest.param(
            {**RULES, "/tasks": {"ttl": "2m", "public": True}},
            "expected Bob Berg to see no task of Alice Adeyemi; GET /tasks",
            id="users-share-a-response",
        ),
        pytest.param(
            {**RULES, "/tasks/{task_id}": {"ttl": "5m", "client_bypass": False}},
            "expected no-cache to bring the new title",
            id="clients-cannot-insist",
        ),
        pytest.param(
            without("stale_while_revalidate", "/stats"),
            "expected a hit with status 200; GET /stats",
            id="nothing-stale-is-served",
        ),
    ],
)
@pytest.mark.slow
def test_a_cache_that_is_set_up_wrongly_is_noticed(database, monkeypatch, rules, failure):
    """Each step fails when what it shows is not so."""
    monkeypatch.chdir(ROOT)
    setup = Setup(str(database.path), "memory://", rules=rules)
    with (
        serving(setup) as url,
        Client(url) as client,
        pytest.raises(ExpectationFailed, match=re.escape(failure)),
    ):
        walk(Tour.of(client, database), STEPS)


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_one_line():
    """The cache would go on without its store, but the demo would show nothing."""
    port = free_port()
    demo = run_demo(STORE=f"redis://user:secret@127.0.0.1:{port}/0")
    assert (demo.returncode, demo.stderr) == (1, "")
    said = f"The store at redis://***@127.0.0.1:{port}/0 does not answer: "
    assert demo.stdout.startswith(said)
    assert demo.stdout.count("\n") == 1


def test_a_misspelt_store_is_one_line():
    """The message is the one that the cache itself has for it."""
    demo = run_demo(STORE="memry://")
    assert (demo.returncode, demo.stderr) == (1, "")
    assert demo.stdout == "store 'memry://': unknown scheme 'memry' (did you mean 'memory'?)\n"


def test_what_is_missing_is_named_with_the_extra_that_brings_it():
    """The package itself needs neither an HTTP client nor a server."""
    program = """
import runpy, sys
sys.modules["fastapi"] = sys.modules["uvicorn"] = None  # as if they were not installed
runpy.run_module("asgi_cache.demo", run_name="__main__")
"""
    demo = run_demo("-c", program)
    assert (demo.returncode, demo.stderr) == (2, "")
    assert demo.stdout == "The demo needs fastapi and uvicorn: pip install 'asgi-cache[demo]'\n"


@pytest.mark.slow
def test_a_server_that_is_left_running_ends_with_ctrl_c():
    """It says what to ask it, and answers that."""
    with started(*AS_A_MODULE, SERVE="1") as server:
        told = {}
        for line in server.stdout:
            if found := re.search(r"(ALICE|BOB|URL)='?(?:Authorization: )?([^']+)'?\n", line):
                told[found[1]] = found[2]
            if "Ctrl-C" in line:
                break
        answers = [
            httpx.get(f"{told['URL']}/tasks", headers={"Authorization": told[who]}, trust_env=False)
            for who in ("ALICE", "BOB", "ALICE")
        ]
        server.send_signal(signal.SIGINT)
        rest, errors = server.communicate()
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].content == answers[2].content != answers[1].content
    assert "hit" in answers[2].headers["cache-status"]
    assert (server.returncode, rest, errors) == (0, "\nEnded.\n", "")


def test_a_row_of_the_table():
    """The columns stand under their headings."""
    row = str(table.Row("/tasks", app_ms=120.04, hit_ms=0.8, requests=70, runs=11))
    assert row.split() == ["/tasks", "120.0", "0.80", "150", "×", "70", "11"]
    assert len(row) == len(table.HEADING)


@pytest.mark.slow
def test_a_walk_that_is_interrupted_leaves_nothing_behind(tmp_path):
    """Ctrl-C stops the server too, and removes the database."""
    with started(*AS_A_MODULE, TMPDIR=str(tmp_path)) as demo:
        for line in demo.stdout:
            if line.startswith("   GET"):
                assert list(tmp_path.iterdir())
                break
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate()  # until the server has closed its end too
    assert (demo.returncode, errors) == (130, "")
    assert list(tmp_path.iterdir()) == []
