"""The keyword arguments that a cache is made of, for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from redis.asyncio import Redis

from asgi_cache.config import Settings
from asgi_cache.data_types import DataType
from asgi_cache.identity import Authorize, UserId
from asgi_cache.stores.base import Store


class Options(TypedDict, total=False):
    """The keyword arguments that are settings, as users write them; see `Settings`."""

    namespace: str
    version: str
    rules: Mapping[str, object]
    durations: Mapping[str, object]
    cookies: Literal["safe", "rfc9111"]
    errors: Literal["safe", "rfc9111"]
    heuristic: float
    max_body: int | str
    max_header: int | str
    max_flights: int
    credentials: Sequence[str]
    hosts: Sequence[str] | None
    targeted_fields: Sequence[str]
    show_tags: bool
    cache_status: bool
    cache_status_name: str
    observe: bool
    metrics: bool
    secret: str
    until_token_expires: bool
    signing_keys: Sequence[str]
    encryption_keys: Sequence[str]
    warm: Sequence[str]
    base_url: str
    root_path: str


class CacheOptions(Options, total=False):
    """All keyword arguments of a `Cache`."""

    settings: Settings | None
    store: str | Redis | Store | None
    user_id: UserId | None
    authorize: Authorize | None
    types: Sequence[type | DataType[Any]]
    clock: Callable[[], float]
