"""What several workers have counted is scraped as one, and outlives each of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from asgi_cache.observe.process_files import INTERVAL
from tests.processes.clients import FOREVER
from tests.redis_server import free_port

ROOT = Path(__file__).parents[2]
APP = "tests.processes.measured:app"
LOAD = 150


class Client:
    """Asks on a new connection each time, and keeps a log of what it was answered."""

    def __init__(self, port):
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Connection": "close"}
        )
        self.log = Counter()
        self.workers = Counter()

    def get(self, path):
        deadline = time.monotonic() + FOREVER
        while True:
            try:
                return self._http.get(path)
            except httpx.ConnectError:  # nobody has read the request: the server is starting
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def load(self, draw):
        """Ask for some pages, one after another: in the end there is nothing under way."""
        for _ in range(LOAD):
            path = draw.choice(["/pages/1", "/pages/2", "/pages/3", "/never/4"])
            answer = self.get(path)
            said = answer.headers.get("cache-status", "passed")
            result = "hit" if "; hit" in said else "miss" if "; stored" in said else said
            self.log[result, "0" if result == "passed" else str(answer.status_code)] += 1
            self.workers[int(answer.text)] += 1

    def scrape(self):
        text = self.get("/metrics/").text
        families = text_string_to_metric_families(text)
        return [sample for family in families for sample in family.samples]

    def counted(self):
        found = Counter()
        for sample in self.scrape():
            if sample.name == "asgi_cache_requests_total":
                found[sample.labels["result"], sample.labels["status"]] += sample.value
        return found

    def times(self):
        """Return how many requests have a response time."""
        return sum(
            sample.value
            for sample in self.scrape()
            if sample.name.endswith(
                ("cached_response_seconds_count", "forwarded_response_seconds_count")
            )
        )

    def reached(self, read, expected):
        """Wait until what is read is so, as long as a busy machine may need."""
        deadline = time.monotonic() + FOREVER
        while (found := read()) != expected:
            assert time.monotonic() < deadline, found
            time.sleep(INTERVAL / 4)


@contextmanager
def running(directory, *options):
    """Run two workers that put their counts in *directory*."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", "error::DeprecationWarning:asgi_cache", "-m", "uvicorn", APP),
            *("--workers", "2", "--port", str(port), "--log-level", "warning", *options),
        ],
        cwd=ROOT,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)},
    )
    try:
        yield Client(port)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(FOREVER) in {0, -signal.SIGTERM}


@pytest.mark.parametrize("lifespan", [pytest.param("on", marks=pytest.mark.slow), "off"])
def test_b32_a_worker_dies_and_its_counts_survive(tmp_path, lifespan):
    """What a killed worker has counted is scraped on, to the last request before the bound."""
    draw = random.Random(2026)
    with running(tmp_path, "--lifespan", lifespan) as client:
        while len(client.workers) < 2:  # until both have begun
            client.load(draw)
        client.reached(client.counted, client.log)
        assert {result for result, _ in client.log} == {"hit", "miss", "passed"}
        (killed, lost), _ = client.workers.most_common(2)
        assert lost > 0
        os.kill(killed, signal.SIGKILL)
        client.reached(client.counted, client.log)
        while len(client.workers) < 3:  # until another has taken its place
            client.load(draw)
        client.reached(client.counted, client.log)
        answered = sum(n for (result, _), n in client.log.items() if result != "passed")
        client.reached(client.times, answered)
        client.reached(lambda: live(tmp_path), {*client.workers} - {killed})


def live(directory):
    """Return the processes that have said something of their present."""
    return {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_live*.db")}
