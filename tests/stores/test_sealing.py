"""Records that others can write to or read: a seal tells ours from theirs, and hides what it is."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.errors import ConfigurationError, Forged
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.sealing import Encryption, Signature, seal_with
from asgi_cache.stores.urls import open_store
from tests.stores.probes import commands_seen
from tests.stores.records import INDEX, KEY, OTHER_KEY, RESPONSE, RecordingReader

OLD, NEW = "old" * 11, "new" * 11
SEALS = pytest.mark.parametrize("kind", [Signature, Encryption])
LARGE = replace(RESPONSE, body=b"body" * 5000)


@SEALS
@given(record=st.binary(max_size=100), key=st.binary(min_size=16, max_size=16))
def test_what_was_sealed_is_opened(kind, record, key):
    """Whatever it is, it comes back as it was, and is not much longer in between."""
    seal = kind([NEW])
    sealed = seal.close(key, record)
    assert seal.open(key, sealed) == record
    assert len(sealed) <= len(record) + seal.overhead + 16


@SEALS
def test_no_byte_can_be_changed(kind):
    """Not of the record, and not of the seal."""
    seal = kind([NEW])
    sealed = seal.close(KEY, b"record")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(Forged):
            seal.open(KEY, bytes(changed))


@SEALS
def test_no_part_will_do(kind):
    """However much of it is missing, or was added."""
    seal = kind([NEW])
    sealed = seal.close(KEY, b"record")
    for length in range(len(sealed)):
        with pytest.raises(Forged):
            seal.open(KEY, sealed[:length])
    with pytest.raises(Forged):
        seal.open(KEY, sealed + b"!")


@SEALS
def test_a_record_is_good_in_its_own_place_only(kind):
    """Else the answer to one user could be put where another looks."""
    seal = kind([NEW])
    with pytest.raises(Forged):
        seal.open(OTHER_KEY, seal.close(KEY, b"record"))


@SEALS
def test_keys_are_rotated(kind):
    """The first key seals; what an older one has sealed is good until that is taken away."""
    before, between, after = kind([OLD]), kind([NEW, OLD]), kind([NEW])
    old = before.close(KEY, b"record")
    new = between.close(KEY, b"record")
    assert between.open(KEY, old) == after.open(KEY, new) == b"record"
    for seal, sealed in ((after, old), (before, new)):
        with pytest.raises(Forged, match="not known here"):
            seal.open(KEY, sealed)


def test_encryption_hides_what_is_the_same():
    """The same record is another each time, and nothing of it can be read."""
    seal = Encryption([NEW])
    first, second = (seal.close(KEY, b"secret" * 10) for _ in range(2))
    assert first[seal.overhead :] != second[seal.overhead :]
    assert b"secret" not in first


def test_keys_are_for_one_purpose():
    """A key that is used for both by mistake is two keys."""
    signature, encryption = Signature([NEW]), Encryption([NEW])
    assert signature._keys.keys().isdisjoint(encryption._keys.keys())


def test_seals_by_settings():
    """There is one way to seal at a time, and none unless there are keys."""
    assert seal_with((), ()) is None
    assert isinstance(seal_with((NEW,), ()), Signature)
    assert isinstance(seal_with((), (NEW,)), Encryption)
    with pytest.raises(ConfigurationError, match="signed too"):
        seal_with((NEW,), (NEW,))


def test_encryption_that_is_not_installed(monkeypatch):
    """What it takes is named."""
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ConfigurationError, match=r"asgi-cache\[encryption\]"):
        seal_with((), (NEW,))


@pytest.fixture
async def opened(real):
    """Open stores on one server, with different seals."""
    stores = []

    def open_with(seal):
        store = RedisStore(real.open_client(), namespace="test", timeout=5.0, seal=seal)
        store.follow(RecordingReader())
        stores.append(store)
        return store

    yield open_with
    for store in stores:
        await store.close()


@pytest.mark.anyio
@SEALS
@pytest.mark.parametrize("record", [RESPONSE, LARGE, INDEX], ids=["small", "large", "index"])
async def test_a_store_seals_all_it_keeps(opened, real, kind, record):
    """Another store with the same key reads it; one with another key, or none, finds nothing."""
    store = opened(kind([NEW]))
    await store.put(KEY, record, 60)
    assert await store.get(KEY) == await opened(kind([OLD, NEW])).get(KEY) == record
    for seal in (None, kind([OLD])):
        stranger = opened(seal)
        assert (await stranger.get(KEY), stranger.corrupt) == (None, 1)
        assert stranger.forged == (seal is not None)


@pytest.mark.anyio
@SEALS
async def test_what_has_no_seal_is_not_believed(opened, caplog, kind):
    """It is counted, and logged once."""
    store = opened(kind([NEW]))
    await opened(None).put(KEY, RESPONSE, 60)
    for _ in range(3):
        assert await store.get(KEY) is None
    assert (store.corrupt, store.forged) == (3, 3)
    assert len(caplog.messages) == 1
    await store.put(KEY, RESPONSE, 60)
    assert await store.get(KEY) == RESPONSE


@pytest.mark.anyio
async def test_a_signed_body_that_is_there_is_not_sent_again(opened, real):
    """A signature covers the body, and the body stays where it is all the same."""
    store, renewed = opened(Signature([NEW])), replace(LARGE, lifetime=7.0)
    await store.put(KEY, LARGE, 60)
    await real.admin.config_resetstat()
    await store.put(KEY, renewed, 60, LARGE)
    assert await store.get(KEY) == renewed
    assert (await real.admin.info("stats"))["total_net_input_bytes"] < len(LARGE.body)


@pytest.mark.anyio
async def test_an_encrypted_body_is_sent_again(opened, real):
    """There is nothing in the store that could be recognised."""
    store, renewed = opened(Encryption([NEW])), replace(LARGE, lifetime=7.0)
    await store.put(KEY, LARGE, 60)
    await real.admin.config_resetstat()
    await store.put(KEY, renewed, 60, LARGE)
    assert (await commands_seen(real.admin)).keys() & {"set", "eval"} == {"set"}
    assert await store.get(KEY) == renewed


def test_a_store_of_ones_own_cannot_be_sealed():
    """It is better to be told so than to believe what it returns."""
    store = open_store("memory://", "test")
    with pytest.raises(ConfigurationError, match="no seal"):
        open_store(store, "test", seal=Signature([NEW]))
