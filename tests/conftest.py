"""What every test is given."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture
def anyio_backend():
    """Run the asynchronous tests on asyncio, which redis-py needs."""
    return "asyncio"


def pytest_collection_finish():
    """Let the garbage collector pass over what stays anyway, which would take most of its time."""
    gc.collect()
    gc.freeze()
