"""Tags: the names under which stored responses are purged.

Some come free with the request: its URL, every prefix of its path, its route, its user.
The others are said by rules, by the app's response or by its handler, and are stored with
the response. A kind in front of each name keeps them apart, so that no tag of an app's can
be mistaken for a URL or for everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from hashlib import blake2b
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qsl

from http_sf import parse

from asgi_cache.policy.fields import Fields, combined, lines, members

EVERYTHING: Final = "*"
"""The tag that every stored response carries."""

LIMIT: Final = 128
"""Tags beyond which a response cannot be stored, since it could not be purged as it asks."""

LENGTH_LIMIT: Final = 1024
"""Characters of a tag beyond which the same holds."""

SLOT: Final = re.compile(r"\{(user|query\.[^{}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
"""What a template has filled in: a path parameter, ``{user}`` or ``{query.NAME}``."""

_handlers_tags: ContextVar[list[str] | None] = ContextVar("asgi_cache_tags", default=None)


def cache_tags(*tags: str) -> None:
    """Tag the response that the running handler is about to make.

    Where nothing is being stored, as in a test of the handler alone, it does nothing.
    """
    collected = _handlers_tags.get()
    if collected is not None:
        collected.extend(tags)


class collecting_tags:  # noqa: N801 - it is called like a function
    """Take what the handler that runs meanwhile says with `cache_tags`."""

    __slots__ = ("_token",)

    def __enter__(self) -> list[str]:
        collected: list[str] = []
        self._token = _handlers_tags.set(collected)
        return collected

    def __exit__(self, *_: object) -> None:
        _handlers_tags.reset(self._token)


def url_tag(origin: str, path: str, query: bytes) -> str:
    """Return the tag of a URL: its origin, its decoded path, the part of the query that counts.

    URLs that an app may take for the same have the same tag; rather too much is purged. The
    log is not told what may be secret in a query.
    """
    url = f"{origin}{path}?{query.decode('latin-1')}".encode("utf-8", "surrogatepass")
    return f"url:{blake2b(url, digest_size=16).hexdigest()}"


def path_tag(path: str) -> str:
    """Return the tag of all that is at or below *path*, on any host."""
    return f"path:{path.rstrip('/')}"


def path_tags(path: str) -> Iterator[str]:
    """Yield the tags that *path* falls under: itself, and each of its prefixes."""
    prefix = path.rstrip("/")
    while prefix:
        yield f"path:{prefix}"
        prefix = prefix.rpartition("/")[0]
    yield "path:"


def route_tag(pattern: str) -> str:
    """Return the tag of all responses that fall under the rule with *pattern*."""
    return f"route:{pattern}"


def owner_of(partition: bytes) -> bytes:
    """Return what records and the log have in place of a partition, which may say who it is."""
    return blake2b(partition, digest_size=16).digest() if partition else b""


def user_tag(partition: bytes) -> str:
    """Return the tag of a partition; the log does not hold who its user is."""
    return owner_tag(owner_of(partition))


def owner_tag(owner: bytes) -> str:
    """Return the tag of what is stored for *owner*, as records have it."""
    return f"user:{owner.hex()}"


def with_user_tag(tags: tuple[str, ...], partition: bytes) -> tuple[str, ...]:
    """Return *tags*, and that of the partition unless it is nobody's."""
    return (*tags, user_tag(partition)) if partition else tags


def data_tag(key: str) -> str:
    """Return the tag of the value under *key*."""
    return f"data:{key}"


def named_tag(name: str) -> str:
    """Return the tag that an app or a rule calls *name*."""
    return f"tag:{name}"


def with_ancestors(names: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of *names*, each also under what stands before its slashes.

    ``project:7/tasks`` is purged with ``project:7``.
    """
    found: dict[str, None] = {}
    for name in names:
        prefix = name
        while prefix:
            found[named_tag(prefix)] = None
            prefix = prefix.rpartition("/")[0]
    return tuple(found)


def rendered(
    templates: Sequence[str], params: Mapping[str, str], query: bytes, user: str
) -> list[str]:
    """Fill in *templates* for one request; a query parameter that is absent is empty."""
    if not templates:
        return []
    values = {"user": user, **params}
    values |= {f"query.{n}": v for n, v in parse_qsl(query.decode("latin-1"))}
    return [SLOT.sub(lambda slot: values.get(slot[1], ""), text) for text in templates]


Members: TypeAlias = list[tuple[object, object]]

TAG_FIELDS: Final = frozenset({b"cache-tag", b"surrogate-key"})
"""Fields that tell caches how to purge; clients have no use for them."""

TAGGING: Final = TAG_FIELDS | {b"cache-groups"}
"""Fields that name what a response is purged by."""


def response_tags(fields: Fields) -> list[str]:
    """Return the tags in ``Cache-Tag`` (between commas) and ``Surrogate-Key`` (spaces)."""
    listed = members(combined(fields, b"cache-tag") or b"")
    keys = [key for line in lines(fields, b"surrogate-key") for key in line.split()]
    return [name.decode("latin-1") for name in (*listed, *keys)]


def group_tags(fields: Fields, name: bytes, origin: str) -> list[str]:
    """Return the tags of the groups that the field *name* lists (RFC 9875, sections 2 and 3).

    A group is of one origin. A field that is not a list of strings is ignored.
    """
    value = combined(fields, name)
    if value is None:
        return []
    try:
        groups = [member for member, _ in cast("Members", parse(value, tltype="list"))]
    except ValueError:
        return []
    if not all(type(group) is str for group in groups):
        return []
    return [f"group:{origin} {group!s}" for group in groups]


def are_storable(tags: Sequence[str]) -> bool:
    """Whether a response can carry *tags*: few enough, none too long, none with line breaks."""
    return len(tags) <= LIMIT and all(
        len(tag) <= LENGTH_LIMIT and tag.isprintable() for tag in tags
    )


def is_writable(name: str) -> bool:
    """Whether *name* can be written in UTF-8: what cannot is in no log, and names nothing."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
