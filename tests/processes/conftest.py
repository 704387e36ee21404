"""Four processes for all of these tests, and one's own where a test ends some."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from redis import Redis

from tests.processes.pages import Page
from tests.processes.workers import Worker
from tests.redis_server import running_redis

LONER = "loner"
"""Who goes to the caches' Redis under a name of its own."""


@pytest.fixture(scope="package")
def servers():
    """The Redis of the caches, and that of the app."""
    with (
        running_redis("--user", LONER, "on", "nopass", "~*", "+@all") as cache,
        running_redis() as database,
    ):
        yield cache, database


@pytest.fixture(scope="package")
def begin(servers, tmp_path_factory):
    """Start a worker that is stopped in the end."""
    directory = tmp_path_factory.mktemp("processes")
    count = 0
    with ExitStack() as stack:

        def start(**settings):
            nonlocal count
            count += 1
            worker = Worker(*servers, directory / f"{count}.log", **settings)
            worker.start()
            stack.callback(_end, worker)
            return worker

        yield start


def _end(worker):
    """Stop a worker; whatever happened to its Redis, no mistake came to light in it."""
    worker.stop()
    assert "Traceback" not in worker.said


@pytest.fixture(scope="package")
def workers(begin):
    """Four that are left as they were found."""
    return [begin() for _ in range(4)]


@pytest.fixture(scope="package")
def loner(begin):
    """A process that nobody tells of a purge: it asks now and then, as a user of its own."""
    return begin(user=LONER, options="&max_connections=1")


@pytest.fixture
def database(servers):
    """What the app knows and counts."""
    with Redis(port=servers[1].port, decode_responses=True) as client:
        yield client


@pytest.fixture
def page(request, workers, database):
    """A page of each test's own, as one of the processes serves it."""
    page = Page(re.sub(r"\W+", "-", request.node.name), workers[1], database)
    page.change()
    return page
