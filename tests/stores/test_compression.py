"""Large bodies in Redis: what is compressed, and what becomes of it."""

from __future__ import annotations

import logging
import os
import threading
import tracemalloc
import zlib
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.errors import CorruptRecord
from asgi_cache.stores import compression
from asgi_cache.stores.codec import decode, encode
from asgi_cache.stores.compression import (
    LARGEST,
    LONG_TO_COMPRESS,
    Coding,
    CompressedResponse,
    Unreadable,
    compress,
    compressed,
    expand,
    is_compressible,
)
from asgi_cache.stores.urls import open_store
from tests.stores.probes import commands_seen
from tests.stores.processes import process
from tests.stores.records import INDEX, KEY, RecordingReader, response_under, responses

pytestmark = pytest.mark.anyio

TEXT = b'{"title": "A line of text as an API sends it", "done": false}, ' * 4000
"""A quarter of a megabyte."""

STORED = response_under(KEY, body=TEXT, fields=((b"content-type", b"application/json"),))
RENEWED = replace(STORED, stored_at=STORED.stored_at + 60, tags=("tag:new",), cost=0.25)
"""One that was made later, with the same body."""

NAME = f"test:r:{KEY.hex()}"


@pytest.fixture(params=[Coding.ZLIB, Coding.ZSTD], ids=["zlib", "zstd"])
def coding(request, monkeypatch):
    """Compress by this means."""
    if request.param is Coding.ZLIB:
        monkeypatch.setattr(compression, "_zstd", None)
    return request.param


@asynccontextmanager
async def opened(server, options="&compress=1kb"):
    """Open a store that keeps no copies."""
    store = open_store(f"{server.url}?local=0&timeout=5s{options}", "test")
    store.follow(RecordingReader())
    try:
        yield store
    finally:
        await store.close()


def test_compressed_record_is_read_as_it_was(coding):
    """A record does not show that its body was compressed, but by its size."""
    small = compress(STORED)
    assert isinstance(small, CompressedResponse)
    assert small.coding is coding
    assert len(encode(small)) < len(encode(STORED)) / 10
    assert decode(KEY, encode(small)) == STORED


@given(responses(), st.binary(max_size=20), st.integers(0, 200))
def test_any_compressed_record_is_read_as_it_was(record, unit, times):
    """That holds whatever it is, and whether it became smaller or not."""
    record = replace(record, body=record.body + unit * times)
    assert decode(record.key, encode(compress(record))) == record


@given(st.data())
def test_every_mutation_of_a_byte_is_seen(data):
    """A changed byte never makes another body, and never another error."""
    encoded = bytearray(encode(compress(replace(STORED, body=TEXT[:2000]))))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecord):
        decode(KEY, bytes(encoded))


@given(st.sampled_from([Coding.ZLIB, Coding.ZSTD]), st.binary(max_size=100), st.integers(0, 200))
def test_arbitrary_bytes_expand_to_nothing_else(coding, body, length):
    """What is no compressed body of that length is an error, and of one kind."""
    with suppress(CorruptRecord):
        assert len(expand(coding, body, length)) == length


@given(st.integers(0, 100), st.integers(1, 255))
def test_what_was_changed_is_an_error_or_as_long(place, change):
    """Not even a right checksum lets a body become longer than its head says."""
    small = compress(replace(STORED, body=TEXT[:2000]))
    body = bytearray(small.body)
    body[place % len(body)] ^= change
    data = encode(replace(small, body=bytes(body)))
    with suppress(CorruptRecord):
        assert len(decode(KEY, data).body) == 2000


@pytest.mark.parametrize("length", [0, len(TEXT) - 1, len(TEXT) + 1, LARGEST + 1, 2**32 - 1])
def test_another_length_is_an_error(coding, length):
    """The head has to say how long the body is."""
    small = compress(STORED)
    with pytest.raises(CorruptRecord):
        decode(KEY, encode(replace(small, length=length)))


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b + b])
def test_cut_or_continued_body_is_an_error(coding, change):
    """Nothing is missing at its end, and nothing follows."""
    small = compress(STORED)
    with pytest.raises(CorruptRecord):
        decode(KEY, encode(replace(small, body=change(small.body))))


def bomb(coding):
    """Return a quarter of a gigabyte, in as few bytes as can be."""
    compressor = zlib.compressobj() if coding is Coding.ZLIB else compression._zstd.ZstdCompressor()
    parts = [compressor.compress(bytes(2**20)) for _ in range(256)]
    return b"".join([*parts, compressor.flush()])


def test_a36_a_bomb_takes_no_more_memory_than_its_head_says(coding):
    """Whatever is in Redis, a process expands it to the length that it is told, and a byte."""
    body = bomb(coding)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptRecord):
            expand(coding, body, 2**20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) < 2**20
    assert peak < 4 * 2**20


def test_body_that_becomes_hardly_smaller_is_stored_as_it_is(coding):
    """To expand it would cost more than its memory is worth."""
    stored = replace(STORED, body=os.urandom(5000) + bytes(400))
    assert compress(stored) is stored
    smaller = replace(STORED, body=os.urandom(5000) + bytes(1000))
    assert isinstance(compress(smaller), CompressedResponse)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param((), True, id="nothing-said"),
        pytest.param(((b"content-type", b"application/json"),), True, id="json"),
        pytest.param(((b"content-type", b"text/html; charset=utf-8"),), True, id="html"),
        pytest.param(((b"content-type", b"image/svg+xml; charset=utf-8"),), True, id="svg"),
        pytest.param(((b"content-type", b"application/octet-stream"),), True, id="anything"),
        pytest.param(((b"content-type", b"Image/PNG"),), False, id="image"),
        pytest.param(((b"content-type", b"video/mp4; codecs=x"),), False, id="video"),
        pytest.param(((b"content-type", b"application/zip"),), False, id="zip"),
        pytest.param(((b"content-type", b"application/epub+zip"),), False, id="zip-inside"),
        pytest.param(((b"content-type", b"font/woff2"),), False, id="font"),
        pytest.param(((b"content-encoding", b"gzip"),), False, id="encoded"),
    ],
)
async def test_what_was_compressed_before_is_left_alone(fields, expected):
    """There is nothing to gain."""
    stored = replace(STORED, fields=fields)
    assert is_compressible(stored) is expected
    assert (await compressed(stored, 1) is stored) is not expected


@pytest.mark.parametrize(
    ("record", "least"),
    [
        pytest.param(STORED, None, id="not-asked-for"),
        pytest.param(STORED, len(TEXT) + 1, id="smaller"),
        pytest.param(INDEX, 1, id="index"),
        pytest.param(replace(STORED, body=bytes(LARGEST + 1)), 1, id="larger-than-is-believed"),
    ],
)
async def test_other_records_are_left_alone(record, least):
    """What is not meant is stored as it is."""
    assert await compressed(record, least) is record


@pytest.mark.parametrize(("length", "elsewhere"), [(LONG_TO_COMPRESS, True), (2000, False)])
async def test_large_bodies_are_compressed_in_a_thread(monkeypatch, length, elsewhere):
    """The event loop goes on meanwhile; for a small one the way there would take longer."""
    threads = []

    def noting(stored):
        threads.append(threading.current_thread())
        return compress(stored)

    monkeypatch.setattr(compression, "compress", noting)
    small = await compressed(replace(STORED, body=TEXT[:length]), 1)
    assert isinstance(small, CompressedResponse)
    assert (threads[0] is not threading.main_thread()) is elsewhere


def test_process_without_zstd_cannot_read_it(monkeypatch, caplog):
    """That is no fault of the record, but somebody should know: it is said once."""
    data = encode(compress(STORED))
    monkeypatch.setattr(compression, "_zstd", None)
    compression._warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(Unreadable):
                decode(KEY, data)
    assert ["zstd" in record.message for record in caplog.records] == [True]


def test_zstd_is_found_only_where_it_is(monkeypatch):
    """Python has it since 3.14, and a package has it for others."""
    assert compression._find_zstd() is not None
    monkeypatch.setattr(compression, "import_module", _not_found)
    assert compression._find_zstd() is None


def _not_found(name):
    raise ImportError(name)


async def test_compressed_body_takes_less_of_redis(server, admin, coding):
    """It is small there, and whoever reads it finds it as it was."""
    async with opened(server) as here, opened(server, "") as there:
        await here.put(KEY, STORED, 60)
        assert await admin.strlen(NAME) < len(TEXT) / 10
        assert await here.get(KEY) == await there.get(KEY) == STORED
        await there.put(KEY, STORED, 60)
        assert await admin.strlen(NAME) > len(TEXT)
        assert await here.get(KEY) == STORED


async def test_record_that_cannot_be_read_is_a_miss_and_not_corrupt(server, monkeypatch):
    """Nothing is wrong with it, and other processes have a use for it."""
    async with opened(server) as store:
        await store.put(KEY, STORED, 60)
        monkeypatch.setattr(compression, "_zstd", None)
        assert await store.get(KEY) is None
        assert store.corrupt == 0
        await store.put(KEY, STORED, 60)
        monkeypatch.undo()
        assert await store.get(KEY) == STORED


LARGE = replace(STORED, body=TEXT + os.urandom(2**16))
"""One whose body is large even when it is compressed."""
LARGE_RENEWED = replace(RENEWED, body=LARGE.body)


async def test_compressed_body_that_is_there_is_not_sent_again(server, admin, coding):
    """Of a record that has the former one's body only the head is sent."""
    async with opened(server) as store:
        await store.put(KEY, LARGE, 60)
        before = (await admin.info("stats"))["total_net_input_bytes"]
        await store.put(KEY, LARGE_RENEWED, 60, LARGE)
        sent = (await admin.info("stats"))["total_net_input_bytes"] - before
        assert sent < 3000
        assert await admin.strlen(NAME) < 2 * 2**16
        assert await store.get(KEY) == LARGE_RENEWED
        found = await store.get(KEY)
        await store.put(KEY, LARGE, 60, found)
        assert await store.get(KEY) == LARGE
        assert store.corrupt == 0


async def test_record_is_known_again_by_who_knows_its_durations_better(server, admin):
    """What is rounded in Redis is rounded in the comparison as well."""
    exact = replace(LARGE, cost=0.1, initial_age=1 / 3)
    async with opened(server) as store:
        await store.put(KEY, exact, 60)
        before = (await admin.info("stats"))["total_net_input_bytes"]
        await store.put(KEY, LARGE_RENEWED, 60, exact)
        assert (await admin.info("stats"))["total_net_input_bytes"] - before < 3000
        assert await store.get(KEY) == LARGE_RENEWED


@pytest.mark.parametrize("before", ["&compress=1kb", ""], ids=["compressed", "as-it-is"])
@pytest.mark.parametrize("after", ["&compress=1kb", ""], ids=["compressed", "as-it-is"])
async def test_renewal_of_what_others_stored(server, admin, before, after):
    """A head is not put in front of a body that is stored by another means."""
    async with opened(server, before) as there, opened(server, after) as here:
        await there.put(KEY, LARGE, 60)
        await here.put(KEY, LARGE_RENEWED, 60, LARGE)
        assert await here.get(KEY) == await there.get(KEY) == LARGE_RENEWED
        assert (await admin.strlen(NAME) < len(TEXT)) is bool(after)
        assert here.corrupt == there.corrupt == 0


async def test_renewal_by_another_means(server, monkeypatch):
    """Nor is it in front of one that another library compressed."""
    async with opened(server) as store:
        await store.put(KEY, LARGE, 60)
        with monkeypatch.context() as without:
            without.setattr(compression, "_zstd", None)
            await store.put(KEY, LARGE_RENEWED, 60, LARGE)
            assert await store.get(KEY) == LARGE_RENEWED
        assert await store.get(KEY) == LARGE_RENEWED


async def test_small_compressed_body_is_sent_again(server, admin):
    """What counts is how much would have to be sent."""
    async with opened(server) as store:
        await store.put(KEY, STORED, 60)
        await admin.config_resetstat()
        await store.put(KEY, RENEWED, 60, STORED)
        assert (await commands_seen(admin)).keys() & {"set", "eval"} == {"set"}
        assert await store.get(KEY) == RENEWED


async def test_copies_are_not_compressed(server, admin):
    """What a process keeps for itself is ready to be sent."""
    async with process(server) as here, process(server) as there:
        here.store.shared._compress = 1000
        stored = await here.holds(body=TEXT)
        assert await admin.strlen(NAME) < len(TEXT) / 10
        assert (await here.store.get(KEY)) is stored
        assert await there.store.get(KEY) == stored
        assert there.store.bytes_held > len(TEXT)
