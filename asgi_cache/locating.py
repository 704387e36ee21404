"""URLs as users name them: absolute, or paths of the host that their clients use."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def absolute(url: str, base: str = "") -> str:
    """Return *url* with scheme, host and path; what it lacks of the first two is *base*.

    Raises:
        ValueError: It is no path, and names no host.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{url!r} has characters that a URL has only escaped, such as %20")
    if base and url.startswith("/"):
        return base + url
    try:
        split = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from None
    if not _has_port(split):
        raise ValueError(f"{url!r} has a port that is no number from 0 to 65535")
    if split.scheme not in {"http", "https"} or not split.netloc:
        raise ValueError(
            f"{url!r} is not an absolute URL such as 'https://example.org/tasks'; "
            "a path needs the setting base_url"
        )
    return split._replace(path=split.path or "/").geturl()


def _has_port(split: SplitResult) -> bool:
    """Whether the port is a number, or left out."""
    try:
        return split.port is None or split.port >= 0
    except ValueError:
        return False
