"""The store in this process: its log, and what only a process that is alone can say."""

from __future__ import annotations

import pytest

from asgi_cache.errors import ConfigurationError
from asgi_cache.stores.footprint import size_of
from asgi_cache.stores.memory import MemoryStore
from tests.stores.records import KEY, OTHER_KEY, RESPONSE, RecordingReader, response_under

pytestmark = pytest.mark.anyio

BARE = response_under(KEY, fields=(), tags=(), body=b"")
"""A record of the least size."""


async def test_closed_store_holds_nothing():
    """A store that is closed lets go of its memory, and may be used again."""
    store = MemoryStore()
    await store.put(KEY, RESPONSE, 60)
    await store.close()
    await store.close()
    assert (store.entries, store.bytes) == (0, 0)
    await store.put(KEY, RESPONSE, 60)
    assert await store.get(KEY) == RESPONSE


async def test_store_tells_what_it_holds():
    """How much is kept, and how much had to go, can be seen."""
    size = size_of(BARE)
    store = MemoryStore(size)
    await store.put(KEY, BARE, 60)
    assert (store.entries, store.bytes, store.evictions) == (1, size, 0)
    await store.put(OTHER_KEY, response_under(OTHER_KEY, fields=(), tags=(), body=b""), 60)
    assert (store.entries, store.bytes, store.evictions) == (1, size, 1)


async def test_purge_without_a_reader_moves_the_log_on():
    """A reader that comes later begins where the log is."""
    store = MemoryStore()
    position = await store.append(["a"])
    reader = RecordingReader()
    store.follow(reader)
    assert reader.position == position == 1
    assert len(reader.identity) == 8


async def test_logs_of_two_stores_differ():
    """A record of one store is worth nothing in another."""
    readers = [RecordingReader(), RecordingReader()]
    for reader in readers:
        MemoryStore().follow(reader)
    assert readers[0].identity != readers[1].identity


async def test_two_caches_cannot_share_a_store():
    """Of two readers one would miss the purges, so the second is refused."""
    store = MemoryStore()
    store.follow(RecordingReader())
    with pytest.raises(ConfigurationError, match="another Cache"):
        store.follow(RecordingReader())


async def test_lease_is_granted_to_whoever_asks():
    """There is no other process whose turn it could be."""
    store = MemoryStore()
    for token in (b"one", b"other", b"one"):
        assert await store.claim(b"lease", token, 60) == token
        await store.release(b"lease", token, b"mark", 60)


async def test_nothing_lags():
    """A purge is known at once, and what is stored can be found at once."""
    store = MemoryStore()
    assert store.lag == 0
    await store.put(KEY, RESPONSE, 60)
    await store.landed(KEY)
    assert await store.get(KEY, latest=True) == RESPONSE
