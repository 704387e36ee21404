"""The server that the tests start: what is said when it cannot be."""

from __future__ import annotations

import pytest

from tests.redis_server import running_redis


def test_missing_server_fails_in_one_line(monkeypatch):
    """Without redis-server the tests do not pass by being skipped, and say what to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match=r"^these tests need redis-server: .*$"):
        running_redis().__enter__()


def test_server_that_does_not_start_says_why():
    """What a server says before it gives up is not lost."""
    with pytest.raises(pytest.fail.Exception, match=r"(?s)did not start:\n.*no-such-option"):
        running_redis("--no-such-option", "1").__enter__()
