"""What a successful unsafe request makes untrue (RFC 9111, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from asgi_cache.policy.fields import combined
from asgi_cache.policy.message import Fields

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Methods that change nothing (RFC 9110, section 9.2.1); any other one invalidates."""

POINTERS = (b"location", b"content-location")


def is_successful(status: int) -> bool:
    """Whether the request did what it asked for: only then is anything invalid (section 4.4)."""
    return 200 <= status < 400


def invalidated_urls(url: str, fields: Fields) -> Iterator[str]:
    """Yield *url*, and what ``Location`` and ``Content-Location`` name on the same origin.

    Another origin's URLs are left alone, since the response has no say over them.
    """
    yield url
    for name in POINTERS:
        value = combined(fields, name)
        target = value and same_origin(url, value)
        if target and target != url:
            yield target


def same_origin(url: str, reference: bytes) -> str | None:
    """Resolve *reference* against *url*; nothing if it is malformed or of another origin."""
    try:
        target = urlsplit(urljoin(url, reference.decode("latin-1")))
        base = urlsplit(url)
        same = (target.scheme, target.netloc.lower()) == (base.scheme, base.netloc.lower())
    except ValueError:  # such as an unclosed bracket in the host
        return None
    return target._replace(fragment="").geturl() if same else None
