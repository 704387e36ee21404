"""Collects the body of a response while it is passed on."""

from __future__ import annotations

from asgi_cache.policy.fields import Fields, combined

MOST_DIGITS = 19
"""Digits of a length beyond which it is not read; no body is that long."""

CHUNK_OVERHEAD = 250
"""Bytes of memory that a chunk takes besides its content, here and in a flight."""

LEAST_OVERHEAD = 1024 * 1024
"""Bytes of it that are never too many."""


class Recorder:
    """Keeps the chunks of a body until it is known to be complete, or too large to keep."""

    def __init__(self, fields: Fields, limit: int) -> None:
        length = combined(fields, b"content-length")
        self._announced = None if length is None else _parse_length(length)
        self._limit = limit
        self._chunks: list[bytes] = []
        self._length = 0
        self._overhead = 0
        self.announces_length: bool = self._announced is not None
        """The head said how long the body will be."""
        self.overflowed: bool = (self._announced or 0) > limit
        """The body is, or will be, longer than may be kept."""

    def add(self, chunk: bytes) -> None:
        """Keep one more chunk; once there are too many, keep none."""
        self._length += len(chunk)
        self._overhead += CHUNK_OVERHEAD
        if self._length > self._limit or self._overhead > max(self._limit, LEAST_OVERHEAD):
            self.overflowed = True
        if self.overflowed:
            self._chunks.clear()
        else:
            self._chunks.append(bytes(chunk))  # it may be a view of what the app writes again

    def body(self) -> bytes | None:
        """Return the body, now that the app says it is complete; nothing if it is not.

        A body shorter or longer than announced was cut off, or is not the one announced.
        """
        if self.overflowed or self._announced not in {None, self._length}:
            return None
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)


def _parse_length(value: bytes) -> int:
    """Read a Content-Length; one that is malformed fits no body (RFC 9110, section 8.6)."""
    return int(value) if value.isdigit() and len(value) < MOST_DIGITS else -1
