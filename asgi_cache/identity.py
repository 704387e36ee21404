"""Whose request is it? The one place that decides who may see a stored response.

A response of a route that a rule makes cacheable is kept in the partition of the user who
asked for it. The partition is part of the key, so another user's request cannot name it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from inspect import isawaitable
from itertools import chain
from math import inf
from typing import Any, TypeAlias
from uuid import UUID

from starlette.requests import Request as StarletteRequest
from starlette.types import Scope

from asgi_cache.policy.bearer import expiry
from asgi_cache.policy.fields import Fields, has_any, is_token, lines, name_of
from asgi_cache.policy.key import digest

UserId: TypeAlias = Callable[[StarletteRequest], Awaitable[str | int | None] | str | int | None]
"""The app's own answer to whose request it is. What it returns must have been verified."""

Authorize: TypeAlias = Callable[[StarletteRequest], Awaitable[bool] | bool]
"""The app's own answer to whether who asks may see what is stored for them, still."""

NOBODY = b""
"""The partition of requests that carry no credentials at all."""


def partition_of(user: str) -> bytes:
    """Return the partition of the user whose id is *user*."""
    return b"user:" + user.encode("utf-8", "surrogatepass")


class Identity:
    """Finds the partition of a request from what counts as credentials."""

    def __init__(
        self,
        credentials: Sequence[str],
        secret: bytes,
        user_id: UserId | None = None,
        authorize: Authorize | None = None,
        *,
        until_token_expires: bool = False,
    ) -> None:
        self.fields: frozenset[bytes] = frozenset(
            name.partition(":")[0].encode() for name in credentials
        )
        """The names of the fields that may show whose request it is."""
        self._names = frozenset(name.encode() for name in credentials if ":" not in name)
        self._cookies = tuple(
            name.partition(":")[2] for name in credentials if name.startswith("cookie:")
        )
        self._state = blake2b(digest_size=16, key=blake2b(secret).digest())
        self._user_id = user_id
        self.asks_the_app: bool = user_id is not None
        """A function of the app's tells whose request it is."""
        self._authorize = authorize
        self._until_token_expires = until_token_expires

    def credentials(self, fields: Fields, *, cookies: bool) -> list[bytes]:
        """Return what the request shows of who it is from; empty if it shows nothing."""
        if not has_any(fields, self.fields):
            return []
        shown = [pair for pair in fields if pair[0] in self._names]
        if not cookies:
            shown = [pair for pair in shown if pair[0] != b"cookie"]
        if len(shown) > 1:
            shown.sort(key=name_of)  # the order of fields that differ in name says nothing
        parts = list(chain.from_iterable(shown))
        return parts + self._session_cookies(fields) if cookies and self._cookies else parts

    def _session_cookies(self, fields: Fields) -> list[bytes]:
        """Return the cookies that count, from a ``Cookie`` field that may hold others."""
        shown: list[bytes] = []
        for value in lines(fields, b"cookie"):
            pairs = [pair.strip(b" \t") for pair in value.split(b";")]
            names = [pair.partition(b"=")[0] for pair in pairs]
            if not all(map(is_token, filter(None, names))):
                return [b"cookie", value]  # an app may read names in it that are not seen here
            shown += [
                part
                for name, pair in zip(names, pairs, strict=True)
                if name.decode("latin-1") in self._cookies
                for part in (b"cookie", pair)
            ]
        return shown

    def knows(self, scope: Scope) -> bool:
        """Whether something else than the fields may tell whose request it is."""
        return self._user_id is not None or is_verified(scope.get("user"))

    @property
    def authorizes(self) -> bool:
        """Whether a function of the app's tells who may see what is stored for them."""
        return self._authorize is not None

    async def may_see(self, scope: Scope) -> bool:
        """Whether who asks may be shown what is stored for them."""
        if self._authorize is None:
            return True
        answer = self._authorize(StarletteRequest(scope))
        return (await answer if isawaitable(answer) else answer) is True

    def until(self, fields: Fields) -> float:
        """Return the instant up to which who sends *fields* may be shown what they are answered."""
        return expiry(fields) if self._until_token_expires else inf

    async def partition(self, scope: Scope, credentials: Sequence[bytes]) -> bytes:
        """Name the partition: by the verified user, else by a hash of the whole credentials.

        A hash of everything shown cannot be forged without showing the same, which an
        unverified claim inside a token could.

        Raises:
            LookupError: It is somebody's request, and nothing tells whose.
        """
        if self._user_id is None:
            return self.partition_at_hand(scope, credentials)
        answer = self._user_id(StarletteRequest(scope))
        user = named(await answer if isawaitable(answer) else answer)
        return self._partition_for(scope, user, credentials)

    def partition_at_hand(self, scope: Scope, credentials: Sequence[bytes]) -> bytes:
        """Name the partition where the app need not be asked for it; the same otherwise."""
        return self._partition_for(scope, verified_user(scope.get("user")), credentials)

    def _partition_for(self, scope: Scope, user: str | None, credentials: Sequence[bytes]) -> bytes:
        if user is not None:
            return partition_of(user)
        if credentials:
            return b"hash:" + digest(credentials, after=self._state)
        if is_verified(scope.get("user")):
            raise LookupError("a verified user has no identity and shows no credentials")
        return NOBODY


def user_name(partition: bytes) -> str:
    """Return who *partition* belongs to: the user's id, else the hash of the credentials."""
    kind, _, name = partition.partition(b":")
    return name.decode("utf-8", "replace") if kind == b"user" else name.hex()


def verified_user(user: Any) -> str | None:
    """Return the identity of a user whom an authentication middleware has verified."""
    if not is_verified(user):
        return None
    try:
        return named(user.identity)
    except NotImplementedError:  # a user class of Starlette's that has none
        return None


def named(identity: object) -> str | None:
    """Return a user's id as text; ``None`` if there is none.

    Raises:
        TypeError: It is of a type whose text may be the same for two users.
    """
    if identity is None or identity == "":
        return None
    if isinstance(identity, bool) or not isinstance(identity, str | int | UUID):
        raise TypeError(f"a user's id is a str, an int or a UUID, not {type(identity).__name__}")
    return str(identity)


def is_verified(user: Any) -> bool:
    """Whether an authentication middleware knows who this is."""
    return bool(getattr(user, "is_authenticated", False))
