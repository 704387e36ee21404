"""What is stored, page by page: which URL it is of, and whether it has been purged since."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from asgi_cache.admin.answers import Entries, Entry, Purged
from asgi_cache.admin.problems import Unprocessable
from asgi_cache.observe.plain import plain
from asgi_cache.policy.fields import combined
from asgi_cache.policy.message import StoredResponse
from asgi_cache.services import Services
from asgi_cache.stores.base import Listed, Page
from asgi_cache.tags import named_tag, owner_tag

PAGE: Final = 500
"""Records that a store is asked for at a time."""

LOOK: Final = 0.4
"""Seconds after which a page is not made longer."""

COUNT: Final = 2.0
"""Seconds after which a dry run counts no further."""

SAMPLE: Final = 10

LONGEST_BODY: Final = 1024 * 1024
"""Bytes of a body that are shown."""

SECRET: Final = frozenset({b"set-cookie", b"authorization", b"proxy-authenticate"})
"""Fields whose values are not shown."""


class _Seen(NamedTuple):
    """A stored response with what its URL tells of it."""

    listed: Listed
    route: str
    tags: tuple[str, ...]
    """All that it can be purged by."""
    judged: StoredResponse | None
    """What purges have left of it."""


class Inventory:
    """Walks through what a store has."""

    def __init__(self, services: Services, root_path: str) -> None:
        self._services = services
        self._root_path = root_path

    async def page(
        self, *, prefix: str | None, tag: str | None, limit: int, cursor: str | None
    ) -> Entries:
        """Return up to *limit* of what is stored, or as much of it as is found in time."""
        place, skipped = _read_cursor(cursor)
        deadline, scanned = time.monotonic() + LOOK, 0
        entries: list[Entry] = []
        while True:
            page = await self._page(place)
            scanned += page.scanned
            for number, listed in enumerate(page.listed[skipped:], skipped):
                if not _is_wanted(listed.stored, prefix, tag):
                    continue
                if len(entries) == limit:
                    return Entries(tuple(entries), f"{place}~{number}", scanned)
                entries.append(self._entry(self._seen(listed)))
            place, skipped = page.cursor, 0
            if not place:
                return Entries(tuple(entries), None, scanned)
            if time.monotonic() >= deadline:
                return Entries(tuple(entries), f"{place}~0", scanned)

    async def count(self, tags: Sequence[str], *, all_of: bool) -> Purged:
        """Say what a purge of *tags* would void that is good now, as far as there is time."""
        quantifier, matching = (all if all_of else any), 0
        sample: list[str] = []
        deadline, place = time.monotonic() + COUNT, ""
        known: set[bytes] = set()
        is_told_by_record = all(tag.startswith(named_tag("")) for tag in tags)
        while True:
            page = await self._page(place)
            for listed in page.listed:
                stored = listed.stored
                if is_told_by_record and not quantifier(tag in stored.tags for tag in tags):
                    continue
                seen = self._seen(listed)
                is_named = quantifier(tag in seen.tags for tag in tags)
                if is_named and seen.judged is not None and stored.key not in known:
                    known.add(stored.key)
                    matching += 1
                    if len(sample) < SAMPLE:
                        sample.append(stored.url)
            place = page.cursor
            if not place or time.monotonic() >= deadline:
                return Purged(matching=matching, sample=tuple(sample), complete=not place)

    async def entry(self, key: str, *, with_body: bool) -> dict[str, Any] | None:
        """Return what is stored under *key*; nothing if there is nothing, or no response."""
        try:
            record = await self._services.holdings.store.get(bytes.fromhex(key), latest=True)
        except ValueError:
            return None
        if not isinstance(record, StoredResponse):
            return None
        seen = self._seen(Listed(record, len(record.body)))
        described: dict[str, Any] = plain(self._entry(seen))
        described["headers"] = [
            [name.decode("latin-1"), "..." if name in SECRET else value.decode("latin-1")]
            for name, value in record.fields
        ]
        return described | (_body(record) if with_body else {})

    async def _page(self, place: str) -> Page:
        await asyncio.sleep(0)  # so that requests have their turn between pages
        try:
            return await self._services.holdings.store.scan(place, PAGE)
        except ValueError:
            raise Unprocessable("cursor", "cursor=... is none that was given here") from None

    def _seen(self, listed: Listed) -> _Seen:
        stored = listed.stored
        route, free = self._services.targets.free_tags(stored.url, self._root_path)
        if stored.owner:
            free = (*free, owner_tag(stored.owner))
        judged = self._services.holdings.log.judge(stored, lambda: free)
        return _Seen(listed, route, (*free, *stored.tags), judged)

    def _entry(self, seen: _Seen) -> Entry:
        stored = seen.judged or seen.listed.stored
        age = stored.age_at(self._services.clock())
        return Entry(
            key=stored.key.hex(),
            url=stored.url,
            route=seen.route,
            status=stored.status,
            age=age,
            ttl=stored.lifetime - age,
            stored_at=stored.stored_at,
            size=seen.listed.size,
            tags=tuple(_name(tag) for tag in stored.tags),
            valid=seen.judged is not None,
            etag=None if stored.etag is None else stored.etag.decode("latin-1"),
        )


def _read_cursor(cursor: str | None) -> tuple[str, int]:
    """Return where a store is to go on, and how much of that is known already."""
    if cursor is None:
        return "", 0
    place, sign, number = cursor.partition("~")
    if not sign or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise Unprocessable("cursor", "cursor=... is none that was given here")
    return place, int(number)


def _is_wanted(stored: StoredResponse, prefix: str | None, tag: str | None) -> bool:
    if tag is not None and named_tag(tag) not in stored.tags:
        return False
    if prefix is None or stored.url.startswith(prefix):
        return True
    return prefix.startswith("/") and _after_host(stored.url).startswith(prefix)


def _after_host(url: str) -> str:
    split = urlsplit(url)
    return url[len(split.scheme) + len(split.netloc) + 3 :] if split.netloc else ""


def _name(tag: str) -> str:
    """Return what rules and apps call a tag."""
    return tag.removeprefix(named_tag(""))


def _body(stored: StoredResponse) -> dict[str, Any]:
    """Return the body as text if it is some, else in base64."""
    shown = stored.body[:LONGEST_BODY]
    about = {"truncated": len(shown) < len(stored.body)}
    if combined(stored.fields, b"content-encoding") is None:
        try:
            return {"body": shown.decode(), "encoding": "utf-8", **about}
        except UnicodeDecodeError:
            pass
    return {"body": b64encode(shown).decode(), "encoding": "base64", **about}
