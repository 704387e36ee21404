"""What a successful unsafe request makes untrue (RFC 9111, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urljoin, urlsplit

from asgi_cache.policy.fields import Fields, lines

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Methods that change nothing (RFC 9110, section 9.2.1); any other one invalidates."""

POINTERS = (b"location", b"content-location")

DEFAULT_PORTS = {"http": 80, "https": 443}


def is_successful(status: int) -> bool:
    """Whether the request did what it asked for: only then is anything invalid (section 4.4)."""
    return 200 <= status < 400


def pointed_to(url: str, fields: Fields) -> Iterator[str]:
    """Yield the URLs that ``Location`` and ``Content-Location`` name on the origin of *url*.

    Another origin's URLs are left alone, since the response has no say over them.
    """
    for reference in (value for name in POINTERS for value in lines(fields, name)):
        target = same_origin(url, reference)
        if target is not None and target != url:
            yield target


def same_origin(url: str, reference: bytes) -> str | None:
    """Resolve *reference* against *url*; nothing if it is malformed or of another origin.

    The origin is spelled as in *url*, so that equal URLs are equal strings.
    """
    try:
        base = urlsplit(url)
        target = urlsplit(urljoin(url, reference.decode("latin-1")))
        same = _origin(target) == _origin(base)
    except ValueError:  # such as an unclosed bracket in the host
        return None
    if not same:
        return None
    return target._replace(netloc=base.netloc, path=target.path or "/", fragment="").geturl()


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port (RFC 9110, section 4.3.1)."""
    return url.scheme, url.hostname, url.port or DEFAULT_PORTS.get(url.scheme)
