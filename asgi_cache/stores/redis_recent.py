"""The records that were read last, known again by their bytes.

What is asked for often is read from Redis often, and is the same most of the time. To see
that it is costs a comparison of bytes; to decode it costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

from asgi_cache.policy.message import StoredResponse
from asgi_cache.stores.base import NOT_READY, Held, Record
from asgi_cache.stores.codec import decode

MOST: Final = 1024
"""Records that are remembered at most: the latest that were new."""

LARGEST: Final = 32 * 1024
"""Bytes of a record beyond which it is not remembered."""


class _Known(NamedTuple):
    head: bytes
    """What comes before the body, which the record itself holds."""
    size: int
    body: bytes
    held: Held


class Recent:
    """Has records decoded, and remembers some of them."""

    def __init__(self, decode: Callable[[bytes, bytes], Record] = decode) -> None:
        self._decode = decode
        self._known: dict[bytes, _Known] = {}

    def decode(self, key: bytes, data: bytes) -> Held:
        """Return the record in *data*, which was found under *key*; the same if it was before.

        Raises:
            CorruptRecord: It is none.
        """
        known = self._known.get(key)
        if (
            known is not None
            and len(data) == known.size
            and data.startswith(known.head)
            and data.endswith(known.body)
        ):
            return known.held
        held = Held(self._decode(key, data), len(data), inf)
        if len(data) <= LARGEST:
            self._remember(key, data, held)
            held.ready = NOT_READY
        return held

    def _remember(self, key: bytes, data: bytes, held: Held) -> None:
        body = held.record.body if isinstance(held.record, StoredResponse) else b""
        if not data.endswith(body):
            return  # it is kept in another form there
        self._known.pop(key, None)
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = _Known(data[: len(data) - len(body)], len(data), body, held)
