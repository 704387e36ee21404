"""A shared HTTP cache for ASGI applications."""

from importlib.metadata import version as _version

from asgi_cache.advisor.advice import Advice
from asgi_cache.advisor.deciding import RouteAdvice
from asgi_cache.cache import Cache
from asgi_cache.config import Settings
from asgi_cache.data_types import DataType
from asgi_cache.decorators import cached, invalidates
from asgi_cache.errors import (
    BacklogFull,
    CacheError,
    CircuitOpen,
    ConfigurationError,
    CorruptRecord,
    Forged,
    LeftBehind,
    PurgeNotAcknowledged,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnavailable,
    UnsupportedValue,
)
from asgi_cache.explaining import Explanation
from asgi_cache.identity import Authorize, UserId
from asgi_cache.middleware import CacheMiddleware
from asgi_cache.observe.stats import Stats
from asgi_cache.options import CacheOptions
from asgi_cache.outcome import Outcome
from asgi_cache.policy.message import StoredResponse, Variant, VariantIndex
from asgi_cache.policy.rule import Rule
from asgi_cache.stores.base import LogReader, Purge, Record, Store
from asgi_cache.tags import cache_tags
from asgi_cache.write_behind import Backlog, DeadLetter, Write, WriteBehind

__all__ = [
    "Advice",
    "Authorize",
    "Backlog",
    "BacklogFull",
    "Cache",
    "CacheError",
    "CacheMiddleware",
    "CacheOptions",
    "CircuitOpen",
    "ConfigurationError",
    "CorruptRecord",
    "DataType",
    "DeadLetter",
    "Explanation",
    "Forged",
    "LeftBehind",
    "LogReader",
    "Outcome",
    "Purge",
    "PurgeNotAcknowledged",
    "Record",
    "RouteAdvice",
    "Rule",
    "Settings",
    "Stats",
    "Store",
    "StoreError",
    "StoreRefused",
    "StoreTimeout",
    "StoreUnavailable",
    "StoredResponse",
    "UnsupportedValue",
    "UserId",
    "Variant",
    "VariantIndex",
    "Write",
    "WriteBehind",
    "__version__",
    "cache_tags",
    "cached",
    "invalidates",
]

__version__: str = _version("asgi-cache")
