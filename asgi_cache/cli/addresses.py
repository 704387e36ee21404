"""URLs on a command line that are asked over HTTP, and what to say of those that cannot be."""

from __future__ import annotations

from urllib.parse import urlsplit

from asgi_cache.cli.failing import Exit, Failure
from asgi_cache.stores.urls import shown


def check_address(url: str, name: str = "") -> None:
    """Go on if *url*, which the argument *name* gives, is one that an HTTP client can ask.

    Raises:
        Failure: It has another scheme, or none, or no host.
    """
    try:
        split = urlsplit(url)
        usable = split.scheme in {"http", "https"} and bool(split.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise Failure(Exit.USAGE, f"{name}{shown(url)!r} is no URL with http:// or https://")


def unusable(url: str, error: Exception, name: str = "") -> Failure:
    """Return what to say of a *url* that the HTTP client refuses.

    Its own words may quote a part of a password that was not escaped.
    """
    why = "it is no valid URL" if "@" in url else str(error) or type(error).__name__
    return Failure(Exit.USAGE, f"{name}{shown(url)}: {why}")
