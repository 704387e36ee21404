"""What a process has counted is in files, which prometheus_client's own collector adds up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.observe import process_files
from asgi_cache.observe.process_files import ProcessFiles, forget_dead_processes
from asgi_cache.observe.prometheus import PrometheusCollector
from tests.bare import App, ask
from tests.observe.test_prometheus import FULL, Counted, registry, samples

RULES = {"/**": 60}

FORKING = """
import os, sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from asgi_cache import Cache
from asgi_cache.observe.prometheus import PrometheusCollector

cache = Cache()
registry = CollectorRegistry()
registry.register(PrometheusCollector(cache))
MultiProcessCollector(registry)
tally = cache.observer.tally("/a")
tally.passed += 1
generate_latest(registry)
tally.passed += 1  # which the parent alone is to write
child = os.fork()
if child:  # prometheus_client cannot read a file that another process is about to begin
    os.waitpid(child, 0)
tally.passed += 1
text = generate_latest(registry).decode()
if child:
    print(text)
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture
def shared(monkeypatch, tmp_path):
    """Have prometheus_client put its values into files of the test's own."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())
    yield tmp_path
    values.ValueClass.close_all_files()


def together(*caches):
    """Return a registry in which the counts of all processes are added up."""
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(*caches))
    MultiProcessCollector(registry)
    return registry


def scrape(registry):
    return samples(generate_latest(registry).decode())


def test_the_files_say_what_a_scrape_says(shared, monkeypatch):
    """Each metric, of each kind, is the same by way of the files."""
    by_files = scrape(together(Counted(FULL), Counted(FULL, "other")))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    assert by_files == scrape(registry(Counted(FULL), Counted(FULL, "other")))


def test_only_what_has_come_to_it_is_added(shared):
    """However often the counts are written, each is there once."""
    cache = Cache(rules=RULES)
    both = together(cache)
    for expected in (1, 2, 3):
        cache.observer.tally("/a").passed += 1
        for _ in range(2):
            found = scrape(both)
        labels = {"cache": "asgi-cache", "route": "/a", "result": "passed", "status": "0"}
        assert found[("asgi_cache_requests_total", *sorted(labels.items()))] == expected


def test_two_threads_may_write_at_once(shared, monkeypatch):
    """What a scrape and the event loop have both read is added once."""
    cache = Cache(rules=RULES)
    both = together(cache)
    cache.observer.tally("/a").passed += 1
    other = threading.Thread(target=scrape, args=(both,))
    add = ProcessFiles._add

    def add_later(*arguments):
        if other.ident is None:
            other.start()
            other.join(0.2)  # which waits in vain for one that is kept waiting, as it should be
        add(*arguments)

    monkeypatch.setattr(ProcessFiles, "_add", add_later)
    scrape(both)
    other.join()
    found = scrape(both)
    labels = {"cache": "asgi-cache", "route": "/a", "result": "passed", "status": "0"}
    assert found[("asgi_cache_requests_total", *sorted(labels.items()))] == 1


def test_what_was_read_earlier_is_not_written_later(shared):
    """A thread that comes to write after another one takes nothing back."""
    cache = Counted(FULL)
    files = ProcessFiles("asgi-cache", cache)
    files.flush()
    written = dict(files._written)
    cache._stats = replace(FULL, uptime=FULL.uptime - 1, purges=0)
    files.flush()
    assert files._written == written


def test_the_first_request_begins_it(shared, monkeypatch):
    """An app that nobody tells of its start, and that was made before, is heard."""
    monkeypatch.setattr(process_files, "INTERVAL", 0.001)
    cache = Cache(rules=RULES)
    app = CacheMiddleware(App(), cache=cache)
    PrometheusCollector(cache)

    async def use():
        await ask(app, "/a")
        async with asyncio.timeout(30):
            while not [*shared.glob("counter_*.db")]:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.001)

    asyncio.run(use())


@pytest.mark.anyio
async def test_they_are_written_while_nobody_scrapes(shared, monkeypatch):
    """As long as the event loop runs, and for the last time when the cache is closed."""
    monkeypatch.setattr(process_files, "INTERVAL", 0.001)
    cache = Cache(rules=RULES)
    app = CacheMiddleware(App(), cache=cache)
    PrometheusCollector(cache)
    reading = CollectorRegistry()
    MultiProcessCollector(reading)

    def requests():
        found = scrape(reading)
        return sum(n for (name, *_), n in found.items() if name == "asgi_cache_requests_total")

    await ask(app, "/a")
    async with asyncio.timeout(30):
        while requests() != 1:  # noqa: ASYNC110 - a file tells nobody that it is written
            await asyncio.sleep(0.001)
    monkeypatch.setattr(process_files, "INTERVAL", 3600)
    await cache.close()
    assert requests() == 1
    cache.observer.begin()  # as when an app is started again
    await ask(app, "/a")
    await cache.close()
    assert requests() == 2


def test_a_child_does_not_write_what_its_parent_has_counted(tmp_path):
    """Of what was counted before a fork nothing is written twice, and nothing is missing."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    (passed,) = [
        each for (name, *_), each in samples(done.stdout).items() if name.endswith("requests_total")
    ]
    assert passed == 4


def test_who_is_gone_has_no_present(shared):
    """Gauges of processes that are gone are forgotten, their counters are not."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    theirs, mine = (shared / f"gauge_livesum_{pid}.db" for pid in (ended.pid, os.getpid()))
    others = shared / "gauge_livesum_1.db"  # the first process is there, whosever it is
    counts = shared / f"counter_{ended.pid}.db"
    for path in (theirs, mine, others, counts):
        path.touch()
    (shared / "gauge_livesum_x.db").touch()
    forget_dead_processes()
    assert [theirs.exists(), mine.exists(), others.exists(), counts.exists()] == [
        *(False, True, True, True)
    ]


def test_two_workers_may_clear_up_at_once(shared, monkeypatch):
    """A worker that begins is not hindered by another that does, too."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (shared / f"gauge_livesum_{ended.pid}.db").touch()

    def gone(pid):
        raise FileNotFoundError(pid)

    monkeypatch.setattr(process_files, "mark_process_dead", gone)
    forget_dead_processes()


def test_the_directory_has_to_be_named_in_time(monkeypatch, tmp_path):
    """A directory that prometheus_client does not know of is a mistake, which is said."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="before prometheus_client is imported"):
        PrometheusCollector(Cache())


@pytest.mark.parametrize(
    ("error", "alive"),
    [
        pytest.param(PermissionError, True, id="somebody-elses"),
        pytest.param(ProcessLookupError, False, id="gone"),
    ],
)
def test_processes_of_others_are_alive(monkeypatch, error, alive):
    """A process that may not be sent a signal is there."""

    def kill(*_):
        raise error

    monkeypatch.setattr(os, "kill", kill)
    assert process_files._is_alive(4711) is alive
