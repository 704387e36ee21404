"""The demo from its beginning to its end: fill, serve, walk, measure."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from httpx import HTTPError

from asgi_cache.demo import table
from asgi_cache.demo.client import HEADING, Client
from asgi_cache.demo.database import Database
from asgi_cache.demo.sample import TASKS, USERS
from asgi_cache.demo.serve import ServerFailed, Setup, listen, serve, serving
from asgi_cache.demo.walk import (
    STEPS,
    TWO_PROCESSES,
    ExpectationFailed,
    Step,
    Tour,
    shared_by_processes,
    walk,
)
from asgi_cache.stores.urls import shown

TRY_THESE: Final = """
Ask each of these twice, and then as someone else:

  ALICE='Authorization: Bearer {alice.token}'
  BOB='Authorization: Bearer {bob.token}'
  URL={url}

  curl -i -H "$ALICE" "$URL/tasks"
  curl -i -H "$BOB" "$URL/tasks?status=done&page=2"
  curl -i -H "$ALICE" -H 'Cache-Control: no-cache' "$URL/tasks"
  curl -i -H "$ALICE" "$URL{task}"
  curl -i -H "$ALICE" -X PUT --json '{{"title": "Have lunch"}}' "$URL{task}"
  curl -i "$URL/stats"
  curl "$URL/handler-runs"

Ctrl-C ends it."""


def demonstrate(store: str | None, namespace: str) -> int:
    """Walk through what the cache does, and return the status to exit with."""
    begun = time.perf_counter()
    with _filled(store) as database:
        setup = Setup(str(database.path), store, namespace)
        try:
            _walk_and_measure(setup, database)
        except ExpectationFailed as failure:
            print(f"\nFAILED: {failure}")
            return 1
        except (HTTPError, ServerFailed) as failure:
            print(f"\nFAILED: {type(failure).__name__}: {failure}")
            return 1
    print(f"\nAll as expected, in {time.perf_counter() - begun:.1f} s.")
    return 0


def leave_running(store: str | None, namespace: str) -> int:
    """Serve the app until Ctrl-C."""
    with _filled(store) as database:
        listener, url = listen()
        alice, bob = database.user_number(1), database.user_number(2)
        task = database.first_task(alice)
        print(TRY_THESE.format(url=url, alice=alice, bob=bob, task=task), flush=True)
        serve(Setup(str(database.path), store, namespace).build(), listener)
    print("\nEnded.")
    return 0


@contextmanager
def _filled(store: str | None) -> Generator[Database]:
    """Make the database, in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="asgi-cache-demo-") as directory:
        database = Database(Path(directory) / "tasks.db")
        begun = time.perf_counter()
        database.fill()
        seconds = time.perf_counter() - begun
        print(f"SQLite: {TASKS:,} tasks of {USERS} users, made in {seconds:.1f} s")
        print(f"Store:  {'none' if store is None else shown(store)}", flush=True)
        try:
            yield database
        finally:
            database.close()


def _walk_and_measure(setup: Setup, database: Database) -> None:
    with serving(setup) as url, Client(url) as client:
        tour = Tour.of(client, database)
        print(f"\n{HEADING}")
        walk(tour, STEPS)
        if _is_shared(setup.store):
            with serving(setup) as other_url, Client(other_url, place=" (2)") as other:
                last: Step = partial(shared_by_processes, other)
                walk(tour, [(TWO_PROCESSES, last)], first=len(STEPS) + 1)
        rows = table.measure(tour)
        print("", table.HEADING, *rows, table.FOOT, sep="\n")


def _is_shared(store: str | None) -> bool:
    """Whether more than one process can use *store*."""
    return store is not None and not store.startswith("memory:")
