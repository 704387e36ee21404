"""What there is to say of a cache at work: one table, for logs, listeners and the docs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import DEBUG, ERROR, INFO, WARNING
from types import MappingProxyType
from typing import Final, Protocol

REQUESTS: Final = "asgi_cache.requests"
FILLS: Final = "asgi_cache.fills"
PURGES: Final = "asgi_cache.purges"
STORE: Final = "asgi_cache.store"
HOOKS: Final = "asgi_cache.hooks"
"""Loggers, each of one kind of events; ``asgi_cache`` is above all of them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of events, as the log has it."""

    logger: str
    level: int
    message: str
    """What a line says; ``%(name)s`` stands for a field, and what comes from outside is quoted."""
    meaning: str
    """When it happens."""
    fields: tuple[str, ...] = ()
    """The names of what each record has besides, as attributes (``extra``)."""
    is_limited: bool = False
    """Of those that follow within a minute only the number is told, in ``left_out``."""


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "request": Kind(
            REQUESTS,
            DEBUG,
            "%(method)r under %(route)r: %(result)s, status %(status)d, %(size)d bytes, "
            "%(seconds).6f s",
            "a request was answered, or left to the app",
            (
                *("route", "method", "result", "status", "reason", "detail"),
                *("size", "seconds"),
            ),
        ),
        "stored": Kind(
            FILLS,
            INFO,
            "stored under %(route)r for %(ttl).0f s: status %(status)d, %(size)d bytes, "
            "which the app took %(seconds).3f s for",
            "a response of the app's was stored, or stored anew as the app said it is still good",
            ("route", "status", "size", "ttl", "seconds", "renewed"),
        ),
        "stale-for-failure": Kind(
            FILLS,
            WARNING,
            "the app failed under %(route)r; a stale response was served",
            "the app raised, and a stale response was served in its place (`stale_if_error`)",
            ("route",),
            is_limited=True,
        ),
        "public-conflict": Kind(
            FILLS,
            WARNING,
            "what %(route)r answers differs by user, and its rule says public: users may be shown "
            "what is for others; take public out of the rule",
            "what the app answers to all differs by user, within the lifetime of one response; "
            "told once for each rule",
            ("route",),
        ),
        "refresh-failed": Kind(
            FILLS,
            ERROR,
            "a stale response under %(route)r could not be refreshed",
            "the app raised, or took too long, where no client waited for it",
            ("route",),
            is_limited=True,
        ),
        "warmed": Kind(
            FILLS,
            INFO,
            "warmed %(stored)d of %(urls)d URLs",
            "what the setting `warm` lists was made in advance",
            ("stored", "urls"),
        ),
        "warm-failed": Kind(
            FILLS,
            ERROR,
            "a URL could not be warmed: %(url)r",
            "the app raised where a response was made in advance",
            ("url",),
        ),
        "warmed-in-vain": Kind(
            FILLS,
            WARNING,
            "a URL was warmed in vain (%(detail)s): %(url)r",
            "a response that was made in advance is not stored",
            ("url", "detail"),
        ),
        "purged": Kind(
            PURGES,
            INFO,
            "purged by %(selectors)s",
            "a purge was ordered in this process, and recorded",
            ("selectors", "soft"),
        ),
        "invalidated": Kind(
            PURGES,
            INFO,
            "a write under %(route)r has voided %(tags)d names",
            "an unsafe request succeeded, and what it made untrue is void (RFC 9111, section 4.4)",
            ("route", "tags"),
        ),
        "purge-waits": Kind(
            PURGES,
            WARNING,
            "a purge is not acknowledged; it is heeded here, and repeated until it is",
            "the store did not take a purge in time",
            ("waiting",),
            is_limited=True,
        ),
        "purges-delivered": Kind(
            PURGES,
            WARNING,
            "the store has taken all purges that were waiting",
            "what other processes did not know of has reached the log",
        ),
        "purges-lost": Kind(
            PURGES,
            ERROR,
            "purges were not acknowledged: %(waiting)d",
            "the store was closed before it had taken them; other processes do not know of them",
            ("waiting",),
        ),
        "purges-stuck": Kind(
            PURGES,
            ERROR,
            "purges could not be repeated, and will be tried again",
            "something else than the server went wrong when purges were repeated",
            is_limited=True,
        ),
        "log-lost": Kind(
            PURGES,
            WARNING,
            "the purge log was lost: nothing is served that was stored before",
            "the server has another log than before: it was emptied, or failed over",
        ),
        "store-unavailable": Kind(
            STORE,
            WARNING,
            "the store is out of reach, the app answers: %(why)s",
            "the store did not do what it was asked in time",
            ("why",),
            is_limited=True,
        ),
        "breaker-opened": Kind(
            STORE,
            WARNING,
            "the store is left alone, as it does not answer: %(why)s",
            "the circuit breaker has opened",
            ("why",),
        ),
        "breaker-closed": Kind(
            STORE,
            WARNING,
            "the store answers again",
            "the circuit breaker has closed",
        ),
        "record-forged": Kind(
            STORE,
            WARNING,
            "a record in the store is not believed: %(why)s",
            "a record was not sealed with one of the cache's keys",
            ("why",),
            is_limited=True,
        ),
        "store-broken": Kind(
            STORE,
            ERROR,
            "the store raised what it must not",
            "there is a mistake in a store; the app answers",
            is_limited=True,
        ),
        "user-id-failed": Kind(
            HOOKS,
            ERROR,
            "whose request this is could not be told; the app answers it",
            "`user_id` raised, or a verified user has no identity",
            ("route",),
            is_limited=True,
        ),
        "authorize-failed": Kind(
            HOOKS,
            ERROR,
            "whether this user may see what is stored could not be told",
            "`authorize` raised; the app answers",
            ("route",),
            is_limited=True,
        ),
        "advisor-failed": Kind(
            HOOKS,
            ERROR,
            "a request could not be learned from",
            "there is a mistake in the advisor (`observe`); the request was answered all the same",
            is_limited=True,
        ),
        "listener-failed": Kind(
            HOOKS,
            ERROR,
            "who listens to events raised",
            "a function given to `Observer.subscribe` raised",
            is_limited=True,
        ),
    }
)
"""Every kind of events, by name."""

LOGGERS: Final = MappingProxyType(
    {kind.logger: logging.getLogger(kind.logger) for kind in KINDS.values()}
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for who listens."""

    name: str
    """One of `KINDS`."""
    at: float
    """When; in seconds since the epoch."""
    fields: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def level(self) -> str:
        """How grave it is, in the words of `logging`."""
        return logging.getLevelName(KINDS[self.name].level)

    @property
    def text(self) -> str:
        """What a line in the log says of it."""
        return KINDS[self.name].message % self.fields


class Tell(Protocol):
    """Tells of an event."""

    def __call__(self, name: str, error: BaseException | None = None, /, **fields: object) -> None:
        """Tell that what is called *name* has happened, with its *fields*."""
