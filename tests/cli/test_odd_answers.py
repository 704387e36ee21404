"""Servers that are no admin API, or none that is in order."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asgi_cache.cli.failing import Exit

STATS = ["stats"]
NO_API = "is no admin API of asgi_cache"
ODD = "did not answer as an admin API does: "


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        """Answer as the server was told to."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_POST = do_GET  # noqa: N815 - the name that is looked for

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def answering():
    """Have a server answer whatever it is asked; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def answering(status, content):
            server.status, server.content = status, content.encode()
            return f"http://127.0.0.1:{server.server_port}/nope"

        yield answering
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "content", "arguments", "reason"),
    [
        pytest.param(404, '{"detail":"Not Found"}', STATS, NO_API, id="not-found"),
        pytest.param(404, '{"detail":"Not Found"}', ["inspect", "0" * 32], NO_API, id="no-key"),
        pytest.param(422, '{"detail":[{"loc":["body"]}]}', STATS, NO_API, id="unprocessable"),
        pytest.param(405, '{"error":"no"}', STATS, NO_API, id="not-allowed"),
        pytest.param(200, "[" * 200_000, STATS, NO_API, id="too-deep-to-be-read"),
        pytest.param(
            200, f'{{"a":{"[" * 400}{"]" * 400}}}', [*STATS], ODD + "it is nested", id="deep"
        ),
        pytest.param(200, "{}", STATS, ODD + "'totals' is missing", id="stats"),
        pytest.param(
            200,
            '{"totals":{},"store":{},"flights":{}}',
            STATS,
            ODD + "'requests' is missing",
            id="nested",
        ),
        pytest.param(200, "{}", ["entries"], ODD, id="entries"),
        pytest.param(200, "{}", ["explain", "/x"], ODD, id="explain"),
        pytest.param(200, "{}", ["purge", "--tag", "a"], ODD, id="purge"),
        pytest.param(200, "{}", ["warm", "http://h/"], ODD, id="warm"),
        pytest.param(200, '{"results":[]}', ["warm", "http://h/"], ODD, id="warmed-nothing"),
        pytest.param(200, "{}", ["advise"], ODD, id="advise"),
    ],
)
def test_a_server_that_is_none_is_named(command, answering, status, content, arguments, reason):
    """It is one line that tells what to look at, and no error of Python's."""
    said = command(*arguments, "--url", answering(status, content))
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert reason in said.err
    assert said.err.count("\n") == 1


def test_bench_says_that_answers_were_errors(command, answering):
    """An app that fails in front of its cache has one all the same."""
    said = command("bench", answering(500, "oh"), "-n", "2", "-c", "1")
    assert "4 of 4 answers were errors (500)." in said.out
    assert "no cache was at work" not in said.out
    said = command("bench", answering(200, "ah"), "-n", "2", "-c", "1")
    assert "answers were errors" not in said.out
    assert "no cache was at work" in said.out


@pytest.mark.parametrize("arguments", [["entries", "--all"], ["inspect", "/x"]])
def test_a_cursor_that_leads_back_to_itself_is_an_end(command, answering, arguments):
    """Whoever gives it would be asked for ever."""
    page = {"entries": [], "scanned": 1, "cursor": "1~0"}
    said = command(*arguments, "--url", answering(200, json.dumps(page)))
    assert said.code == Exit.USAGE
    assert ODD + "the cursor '1~0' leads back to itself" in said.err
