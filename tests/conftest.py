"""What every test is given."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend():
    """Run the asynchronous tests on asyncio, which redis-py needs."""
    return "asyncio"
