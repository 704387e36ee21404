"""Requests that nobody made, so that what they ask for is stored before somebody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from starlette.authentication import AuthCredentials, SimpleUser
from starlette.types import Scope

from asgi_cache.identity import Identity, partition_of
from asgi_cache.observe.events import Tell
from asgi_cache.outcome import Outcome

AT_ONCE = 4
"""URLs that are warmed at a time: the app has other work when it starts."""

LONGEST = 25.0
"""Seconds that the response to one URL may take: an endless one has no client who would leave."""


class WarmedUser(SimpleUser):
    """The user for whom a response is made in advance."""

    @property
    def identity(self) -> str:
        """Return the user's id."""
        return self.username


class KnownUser(Identity):
    """Whose request it is has been said by who makes it, and nothing else tells."""

    def __init__(self, identity: Identity, user: str) -> None:
        self._identity = identity
        self.fields: frozenset[bytes] = identity.fields
        self._partition = partition_of(user)
        self.asks_the_app = False

    def credentials(self, fields: Sequence[tuple[bytes, bytes]], *, cookies: bool) -> list[bytes]:
        """Return what the request shows of who it is from."""
        return self._identity.credentials(fields, cookies=cookies)

    def knows(self, scope: Scope) -> bool:
        """Whether something else than the fields tells whose request it is: yes."""
        del scope
        return True

    def partition_at_hand(self, scope: Scope, credentials: Sequence[bytes]) -> bytes:
        """Return the partition of the user who was named."""
        del scope, credentials
        return self._partition

    async def may_see(self, scope: Scope) -> bool:
        """Whether the response may be looked at: it is shown to nobody."""
        del scope
        return True

    def until(self, fields: Sequence[tuple[bytes, bytes]]) -> float:
        """Return the instant up to which who sends *fields* may be shown what they are answered."""
        return self._identity.until(fields)


def as_fields(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return *headers* as ASGI has them."""
    return [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers.items()]


def warming_scope(
    url: str, root_path: str, headers: Mapping[str, str], user: str | int | None
) -> Scope:
    """Return the scope of a GET request for *url*, as a server would make it."""
    split = urlsplit(url)
    fields = [(b"host", split.netloc.encode()), *as_fields(headers)]
    port = split.port or (443 if split.scheme == "https" else 80)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": split.scheme,
        "path": unquote(split.path),
        "raw_path": split.path.encode(),
        "root_path": root_path,
        "query_string": split.query.encode(),
        "headers": fields,
        "client": None,
        "server": (split.hostname, port),
        "extensions": {},
    }
    if user is not None:
        scope["user"], scope["auth"] = WarmedUser(str(user)), AuthCredentials(["authenticated"])
    return scope


async def warm_all(
    warm: Callable[[str], Awaitable[Outcome]], urls: Sequence[str], tell: Tell
) -> None:
    """Warm *urls*, a few at a time; nobody hears of what fails but who is told."""
    limit, stored = asyncio.Semaphore(AT_ONCE), 0

    async def one(url: str) -> None:
        nonlocal stored
        async with limit:
            try:
                async with asyncio.timeout(LONGEST):
                    outcome = await warm(url)
            except Exception as error:  # noqa: BLE001 - the others are warmed all the same
                tell("warm-failed", error, url=url)
                return
            if outcome.stored or outcome.hit or outcome.collapsed:
                stored += 1
            else:
                tell("warmed-in-vain", url=url, detail=outcome.detail)

    await asyncio.gather(*map(one, urls))
    tell("warmed", stored=stored, urls=len(urls))
