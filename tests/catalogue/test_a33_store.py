"""Catalogue A, lines 33-36: a store that others can write to, and read."""

from __future__ import annotations

import random

import pytest
from redis import Redis

from asgi_cache import CacheMiddleware
from tests.bare import App, Response, ask
from tests.redis_server import redis_server

__all__ = ["redis_server"]

pytestmark = pytest.mark.anyio

KEY, OLD_KEY = "k" * 32, "o" * 32
SEALED = pytest.mark.parametrize("setting", ["signing_keys", "encryption_keys"])


@pytest.fixture
async def cached(redis_server, clock):
    """Wrap apps in caches on one server, each as a process of its own."""
    redis_server.empty()
    caches = []

    def wrap(app=None, **options):
        url = redis_server.url + "?timeout=5s&local=0"
        cache = CacheMiddleware(app or App(), store=url, rules={"/**": 60}, clock=clock, **options)
        caches.append(cache)
        return cache

    yield wrap
    for cache in caches:
        await cache.cache.close()


@pytest.fixture
def attacker(redis_server):
    """A client of the server that knows no key."""
    with Redis(port=redis_server.port) as client:
        yield client


def records(attacker):
    return sorted(attacker.keys("*:r:*"))


def swap_records(attacker):
    """Put each of two records in the other's place."""
    one, other = records(attacker)
    first, second = attacker.mget(one, other)
    attacker.mset({one: second, other: first})


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda whole: b"\x80\x05cos\nsystem\n", id="pickle"),
        pytest.param(lambda whole: random.Random(1).randbytes(len(whole)), id="garbage"),
        pytest.param(lambda whole: whole[:-1], id="truncated"),
        pytest.param(lambda whole: whole[:40] + bytes([whole[40] ^ 8]) + whole[41:], id="bit"),
        pytest.param(lambda whole: whole[:6] + b"\x02" + whole[7:], id="old-schema"),
        pytest.param(lambda whole: whole[:6] + b"\xff" + whole[7:], id="future-schema"),
        pytest.param(lambda whole: b"", id="empty"),
    ],
)
async def test_a33_what_is_no_record_is_a_miss(cached, attacker, spoil):
    """It is counted, and whatever it was, it was not run."""
    cache = cached()
    await ask(cache)
    (name,) = records(attacker)
    attacker.set(name, spoil(attacker.get(name)))
    answer = await ask(cache)
    assert (answer.body, answer.cache_status) == (b"hello", "asgi-cache; fwd=uri-miss; stored")
    assert cache.cache.store.corrupt > 0


async def test_a34_records_that_were_swapped_are_misses(cached, attacker):
    """Even where nothing is signed: a record says what it was stored under."""
    app = App(lambda scope: Response(dict(scope["headers"])[b"authorization"]))
    cache = cached(app)
    for who in ("alice", "bob"):
        await ask(cache, fields={"Authorization": who})
    swap_records(attacker)
    for who in ("alice", "bob"):
        assert (await ask(cache, fields={"Authorization": who})).body == who.encode()
    assert cache.cache.store.corrupt > 0


@SEALED
async def test_a35_a_record_that_was_tampered_with_is_a_miss(cached, attacker, setting):
    """Wherever it was changed: its head, its body, or the seal itself."""
    cache = cached(App(Response(b"body" * 10)), **{setting: [KEY]})
    await ask(cache)
    (name,) = records(attacker)
    whole = attacker.get(name)
    for index in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[index] ^= 1
        attacker.set(name, bytes(changed))
        answer = await ask(cache)
        assert (answer.body, answer.cache_status) == (
            b"body" * 10,
            "asgi-cache; fwd=uri-miss; stored",
        )
    assert cache.cache.store.forged > 0


@SEALED
async def test_a35_what_another_cache_has_made_is_a_miss(cached, setting):
    """Whoever can write to the store cannot make a record, even with this very package."""
    forger = cached(App(Response(b"forged")))
    await ask(forger)
    answer = await ask(cached(**{setting: [KEY]}))
    assert (answer.body, answer.cache_status) == (b"hello", "asgi-cache; fwd=uri-miss; stored")


@SEALED
async def test_a35_a_record_in_another_place_is_a_miss(cached, attacker, setting):
    """A seal is good for the key that a record was stored under."""
    app = App(lambda scope: Response(dict(scope["headers"])[b"authorization"]))
    cache = cached(app, **{setting: [KEY]})
    for who in ("alice", "bob"):
        await ask(cache, fields={"Authorization": who})
    swap_records(attacker)
    for who in ("alice", "bob"):
        answer = await ask(cache, fields={"Authorization": who})
        assert (answer.body, answer.cache_status) == (
            who.encode(),
            "asgi-cache; fwd=uri-miss; stored",
        )


@SEALED
async def test_a35_an_old_record_that_is_put_back_has_ended_or_was_purged(
    cached, attacker, clock, setting
):
    """When it ends is sealed in it, whatever the store says, and so is when it was born."""
    cache = cached(App(Response(b"old"), Response(b"new"), Response(b"newer")), **{setting: [KEY]})
    await ask(cache)
    (name,) = records(attacker)
    old = attacker.get(name)
    await cache.cache.purge(path="/")
    attacker.set(name, old)
    assert (await ask(cache)).body == b"new"
    new = attacker.get(name)
    clock.advance(61)
    attacker.set(name, new)
    attacker.persist(name)
    assert (await ask(cache)).body == b"newer"


@SEALED
async def test_a35_keys_rotate(cached, setting):
    """A process with the new key before the old one reads what both have sealed."""
    await ask(cached(**{setting: [OLD_KEY]}))
    between = cached(App(), **{setting: [KEY, OLD_KEY]})
    assert (await ask(between)).cache_status == "asgi-cache; hit"
    assert (await ask(cached(**{setting: [KEY]}))).cache_status == (
        "asgi-cache; fwd=uri-miss; stored"
    )
    assert (await ask(between)).cache_status == "asgi-cache; hit"


async def test_nothing_of_an_encrypted_response_is_in_the_store(cached, attacker):
    """Neither its body nor its fields; of a response that varies, neither by what."""
    fields = {"Vary": "X-Tenant", "X-Secret": "in-a-field"}
    cache = cached(App(Response(b"in-the-body", fields)), encryption_keys=[KEY])
    await ask(cache, fields={"X-Tenant": "of-a-tenant"})
    assert (await ask(cache, fields={"X-Tenant": "of-a-tenant"})).cache_status == "asgi-cache; hit"
    kept = b"".join(attacker.mget(records(attacker))).lower()
    for secret in (b"in-the-body", b"in-a-field", b"x-secret", b"x-tenant", b"of-a-tenant"):
        assert secret not in kept
