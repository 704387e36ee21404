"""URLs as users name them: absolute, or paths of the host that their clients use."""

from __future__ import annotations

from urllib.parse import urlsplit


def absolute(url: str, base: str = "") -> str:
    """Return *url* with scheme, host and path; what it lacks of the first two is *base*.

    Raises:
        ValueError: It is no path, and names no host.
    """
    if base and url.startswith("/"):
        return base + url
    split = urlsplit(url)
    if split.scheme not in {"http", "https"} or not split.netloc:
        raise ValueError(
            f"{url!r} is not an absolute URL such as 'https://example.org/tasks'; "
            "a path needs the setting base_url"
        )
    return split._replace(path=split.path or "/").geturl()
