"""On trio, which Starlette supports, the cache works as well, without a background."""

from __future__ import annotations

import pytest

from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """Run these tests on trio."""
    return "trio"


async def test_hits_and_writes(cached):
    """A hit, and a write that voids it."""
    cache = cached(App(Response(b"old"), Response(), Response(b"new")), rules={"/": 60})
    await ask(cache)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"
    await ask(cache, method="PUT")
    assert (await ask(cache)).body == b"new"


async def test_stale_responses_are_refreshed_in_the_foreground(cached, clock):
    """Nothing can outlive a request here, so that the client waits for the fresh response."""
    rules = {"/": {"ttl": 10, "stale_while_revalidate": 60}}
    cache = cached(App(Response(b"old"), Response(b"new")), rules=rules)
    await ask(cache)
    clock.advance(11)
    assert (await ask(cache)).body == b"new"
