"""Walking through what a store has, whatever the store is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asgi_cache.errors import StoreUnavailable
from asgi_cache.stores.base import Store
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.redis_scan import check_cursor
from asgi_cache.stores.sealing import Encryption, Signature
from tests.stores.conftest import NAMESPACE, TIMEOUT
from tests.stores.records import INDEX, KEY, RESPONSE, RecordingReader, response_under

pytestmark = pytest.mark.anyio

KEYS = [bytes([number]) * 16 for number in range(1, 90)]


async def walked(store, count):
    """Return all that is on the pages of *store*, and how many pages there were."""
    listed, pages, cursor = [], 0, ""
    while pages == 0 or cursor:
        page = await store.scan(cursor, count)
        listed += page.listed
        cursor, pages = page.cursor, pages + 1
        assert pages < 1000, "a walk comes to its end"
    return listed, pages


async def filled(store, keys=KEYS):
    """Store a response under each of *keys*."""
    for key in keys:
        await store.put(key, response_under(key, url=f"http://a/{key.hex()}"), 600)
        await store.landed(key)


async def test_every_response_is_on_a_page(backend):
    """A walk comes upon all there is, page by page, with sizes and without other records."""
    store = await backend.open()
    await filled(store)
    await store.put(KEY, replace(INDEX, key=KEY), 600)
    await store.landed(KEY)
    listed, pages = await walked(store, 10)
    assert {each.stored.key for each in listed} == set(KEYS)
    assert {each.size for each in listed} == {len(RESPONSE.body)}
    assert pages > 1
    found = next(each.stored for each in listed if each.stored.key == KEYS[0])
    assert found.url == f"http://a/{KEYS[0].hex()}"
    assert replace(found, body=RESPONSE.body) == response_under(KEYS[0], url=found.url)


async def test_empty_store_has_one_empty_page(backend):
    """There is nothing, and that is known at once."""
    store = await backend.open()
    assert await walked(store, 10) == ([], 1)


async def test_cursor_of_another_kind_is_refused(backend):
    """What was never given is no place to go on from."""
    store = await backend.open()
    with pytest.raises(ValueError, match=r"cursor|hexadecimal"):
        await store.scan("no cursor", 10)


@pytest.mark.parametrize("cursor", [str(2**64), f"0.{2**64}", "9" * 20])
def test_cursor_that_no_server_could_read_is_sent_to_none(cursor):
    """A server that refuses it would be taken to be out of reach."""
    with pytest.raises(ValueError, match="no cursor"):
        check_cursor(cursor)
    check_cursor(str(2**64 - 1))


async def test_what_has_expired_or_was_deleted_is_on_no_page(backend):
    """A walk shows what could be found."""
    store = await backend.open()
    await filled(store, KEYS[:3])
    await store.delete(KEYS[0])
    await store.landed(KEYS[0])
    await backend.outlive(KEYS[1], 600)
    listed, _ = await walked(store, 10)
    assert KEYS[0] not in {each.stored.key for each in listed}
    assert KEYS[1] not in {each.stored.key for each in listed}


async def test_walk_knows_what_was_purged_before_it(shared):
    """The reader has been told of each purge by the time a page is there."""
    reader = RecordingReader()
    here, there = await shared.open(reader), await shared.open()
    await there.append(["a"])
    await here.scan("", 10)
    assert ("a",) in reader.tags


async def test_other_keys_on_the_server_are_passed_over(shared):
    """What others have there is not read, whatever it is called."""
    store = await shared.open()
    await filled(store, KEYS[:2])
    await shared.admin.set(f"{NAMESPACE}:r:zz", b"no key")
    await shared.admin.set(f"{NAMESPACE}x:r:{KEYS[5].hex()}", b"another's")
    await shared.admin.lpush(f"{NAMESPACE}:r:{KEYS[6].hex()}", b"of another type")
    await shared.admin.set(f"{NAMESPACE}:r:{KEYS[7].hex()}", b"garbage" * 10)
    await shared.admin.set(f"{NAMESPACE}:r:{KEYS[8].hex()}", b"")
    listed, _ = await walked(store, 10)
    assert {each.stored.key for each in listed} == set(KEYS[:2])


async def test_namespace_is_no_pattern(shared):
    """A namespace with signs that mean something to Redis names itself only."""
    starred, other = await shared.open(namespace="a*[b]?"), await shared.open(namespace="axb")
    await filled(starred, KEYS[:1])
    await filled(other, KEYS[1:2])
    listed, _ = await walked(starred, 10)
    assert [each.stored.key for each in listed] == KEYS[:1]


async def test_body_is_not_read(real):
    """Of a large record Redis is asked for the head only, however long that is."""
    store = await real.open()
    fields = tuple((b"x-%d" % number, b"v" * 50) for number in range(40))
    long = response_under(KEYS[0], body=bytes(4_000_000), fields=fields, added=0)
    await store.put(KEYS[0], long, 600)
    before = (await real.admin.info("stats"))["total_net_output_bytes"]
    listed, _ = await walked(store, 10)
    sent = (await real.admin.info("stats"))["total_net_output_bytes"] - before
    assert [(each.stored.fields, each.size) for each in listed] == [(fields, 4_000_000)]
    assert sent < 50_000


@pytest.mark.parametrize("seal", [Signature(["s" * 32]), Encryption(["s" * 32])])
async def test_sealed_records_are_listed_and_forged_ones_are_not(real, seal):
    """Nothing is believed that has no seal, be it only to be looked at."""
    plain = RedisStore(real.open_client(), namespace=NAMESPACE, timeout=TIMEOUT)
    store = RedisStore(real.open_client(), namespace=NAMESPACE, timeout=TIMEOUT, seal=seal)
    for each in (plain, store):
        each.follow(RecordingReader())
        real.stack.push_async_callback(each.close)
    await filled(plain, KEYS[:2])
    await filled(store, KEYS[2:5])
    listed, _ = await walked(store, 10)
    assert {each.stored.key for each in listed} == set(KEYS[2:5])


async def test_store_of_ones_own_need_not_be_walkable():
    """A store that somebody wrote before there were walks says that it has none."""

    class Own(Store):
        pass

    with pytest.raises(StoreUnavailable, match="walked"):
        await Own().scan("", 10)
