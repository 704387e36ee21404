"""Large bodies made smaller for Redis: which, by what means, and back again.

The head of a record says how its body is compressed and how long it was. Whoever reads it
gets that many bytes, or an error: what is in Redis cannot make a process take more memory
than a body may have.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from contextlib import suppress
from dataclasses import fields
from enum import IntEnum
from functools import cache
from importlib import import_module
from typing import Any, Final

from asgi_cache.errors import CorruptRecord
from asgi_cache.observe.saying import say
from asgi_cache.policy.fields import combined
from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import Record
from asgi_cache.values import value

logger: logging.Logger = logging.getLogger(__name__)

WORTH: Final = 0.9
"""The part of its length that a compressed body may have at most; else it is stored as it is."""

LARGEST: Final = 64 * 1024 * 1024
"""Bytes beyond which a body is not compressed, and no record is believed that says it was."""

LONG_TO_COMPRESS: Final = 64 * 1024
"""Bytes of a body that is compressed in a thread: 0.3 ms with zlib, where a hop takes 0.05."""

_ZLIB_LEVEL: Final = 1
_ZSTD_LEVEL: Final = 3

_COMPRESSED_TYPES: Final = (
    *(b"audio/", b"image/", b"video/", b"font/woff"),
    *(b"application/gzip", b"application/x-gzip", b"application/zip", b"application/zstd"),
    *(b"application/x-7z", b"application/x-bzip2", b"application/x-xz", b"application/x-rar"),
    *(b"application/vnd.rar", b"application/java-archive", b"application/pdf"),
    *(b"application/font-woff", b"application/vnd.android.package-archive"),
    *(b"application/vnd.openxmlformats-officedocument", b"application/vnd.oasis.opendocument"),
)
"""How content types begin whose content has been compressed by whoever made it."""

_PLAIN_TYPES: Final = (b"image/svg+xml", b"image/bmp")
"""Those that begin so and are not."""


def _find_zstd() -> Any:
    """Return the module, which Python has since 3.14 and the extra ``zstd`` brings, if any."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(name)
    return None


_zstd: Any = _find_zstd()


class Unreadable(Exception):
    """A record is good, but compressed by a means that this process does not have."""


class Coding(IntEnum):
    """How a body is stored; the numbers are part of the schema of records."""

    AS_IS = 1
    ZLIB = 2
    ZSTD = 3


@value
class CompressedResponse(StoredResponse):
    """A stored response as it is on its way to Redis: only its body is another."""

    coding: Coding = Coding.ZLIB
    length: int = 0
    """How long the body is that clients are sent."""

    def body_for(self, other: StoredResponse) -> CompressedResponse:
        """Return *other*, which has the same body, with that body compressed as here."""
        return _with_body(other, self.coding, self.body)


def _with_body(stored: StoredResponse, coding: Coding, body: bytes) -> CompressedResponse:
    values: dict[str, Any] = {each.name: getattr(stored, each.name) for each in _RESPONSE_FIELDS}
    values["body"] = body
    return CompressedResponse(**values, coding=coding, length=len(stored.body))


_RESPONSE_FIELDS: Final = fields(StoredResponse)


async def compressed(record: Record, least: int | None) -> Record:
    """Return *record* as it is to be stored, where bodies of *least* bytes are compressed.

    That of a large one is done in a thread, as the event loop would stand still meanwhile.
    """
    if least is None or not isinstance(record, StoredResponse):
        return record
    if not least <= len(record.body) <= LARGEST or not is_compressible(record):
        return record
    if len(record.body) < LONG_TO_COMPRESS:
        return compress(record)
    return await asyncio.to_thread(compress, record)


def is_compressible(stored: StoredResponse) -> bool:
    """Whether the body may become smaller: it has not been compressed before."""
    if combined(stored.fields, b"content-encoding") is not None:
        return False
    content_type = (combined(stored.fields, b"content-type") or b"").lower()
    media_type = content_type.partition(b";")[0].strip()
    if media_type.startswith(_PLAIN_TYPES):
        return True
    return not media_type.startswith(_COMPRESSED_TYPES) and not media_type.endswith(b"+zip")


def compress(stored: StoredResponse) -> StoredResponse:
    """Return *stored* with its body compressed; as it is, if it would hardly be smaller."""
    if _zstd is not None:
        coding, body = Coding.ZSTD, _zstd.compress(stored.body, _ZSTD_LEVEL)
    else:
        coding, body = Coding.ZLIB, zlib.compress(stored.body, _ZLIB_LEVEL)
    if len(body) > len(stored.body) * WORTH:
        return stored
    return _with_body(stored, coding, body)


def expand(coding: Coding, body: bytes, length: int) -> bytes:
    """Return the *length* bytes that *body* stands for.

    Raises:
        CorruptRecord: It stands for anything else, however much that is.
        Unreadable: This process cannot tell.
    """
    if length > LARGEST:
        raise CorruptRecord("the body is longer than any that is compressed")
    decompressor, error = _decompressor(coding)
    try:
        expanded: bytes = decompressor.decompress(body, length + 1)
    except error:
        raise CorruptRecord("the body cannot be expanded") from None
    if len(expanded) != length or not decompressor.eof or decompressor.unused_data:
        raise CorruptRecord("the body has another length than its head says")
    return expanded


def _decompressor(coding: Coding) -> tuple[Any, type[Exception]]:
    """Return what expands one body, and what it raises for a bad one."""
    if coding is Coding.ZLIB:
        return zlib.decompressobj(), zlib.error
    if _zstd is None:
        _warn()
        raise Unreadable
    return _zstd.ZstdDecompressor(), _zstd.ZstdError


@cache
def _warn() -> None:
    """Say once that processes do not find what others store."""
    say(
        logger,
        logging.WARNING,
        "Redis has records compressed with zstd, which count as absent here: "
        "install asgi-cache[zstd], as in the process that stored them",
    )
