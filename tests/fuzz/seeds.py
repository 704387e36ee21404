"""Where fuzzing begins: inputs that get each target to most of what it has, and what was found."""

from __future__ import annotations

from typing import Final

from asgi_cache.stores.codec import encode
from tests.stores.records import INDEX, RESPONSE

SEEDS: Final[dict[str, list[bytes]]] = {
    "header-fields": [
        b"Accept-Encoding, Accept-Language",
        b'a, "b, c", d;q=0.5',
        b"text/html;level=1, text/*;q=0.3, */*",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"a.eyJleHAiOiAxNzAwMDAwMDAwfQ.c",
        b'"one";a=1, "two"',
        b"de, en;q=0.8, *;q=0",
        b"2147483648",
    ],
    "directives": [
        b'max-age=60, private="set-cookie, x-a", no-cache, must-revalidate',
        b"s-maxage=9, stale-while-revalidate=60, stale-if-error=600, public",
        b"max-stale, min-fresh=5, only-if-cached, no-store",
        b"max-age=1;a=b, no-store=?0",
        b"Thu, 01 Jan 2026 00:00:00 GMT",
        b"12, 34",
    ],
    "byte-ranges": [
        b"bytes=0-3",
        b"bytes=0-3,10-20, -5",
        b"bytes=250-",
        b"bytes 2-6/256",
        b'W/"a", "b"',
        b"Sun, 06 Nov 1994 08:49:37 GMT",
    ],
    "records": [encode(RESPONSE), encode(INDEX)],
}
"""By the target's name."""
