"""The messages that the policy reasons about, and what is kept of them."""

from __future__ import annotations

from math import inf

from asgi_cache.policy.cache_control import RequestDirectives, ResponseDirectives
from asgi_cache.policy.fields import Fields
from asgi_cache.values import value

CLOCK_TOLERANCE = 60.0
"""Seconds by which the clocks of processes may differ."""


@value
class Request:
    """A request as the policy sees it."""

    method: str
    fields: Fields
    directives: RequestDirectives
    has_credentials: bool = False
    """It carries something that says whose request this is (RFC 9111, section 3.5)."""
    partitioned: bool = False
    """Its key proves whose it is, so that nobody else can reach what is stored under it."""
    url: str = ""
    """Its target URI (RFC 9110, section 7.1)."""
    until: float = inf
    """The instant at which its right to see what it asks for ends."""


@value
class Response:
    """The head of a response that the app has begun to send."""

    status: int
    fields: Fields
    directives: ResponseDirectives


@value
class StoredResponse:
    """A complete response as it is kept, with everything a later decision needs.

    All that can be computed once is computed when it is stored; serving it
    reads, compares and sends.
    """

    key: bytes
    """The 16-byte digest it is stored under; a store that returns another one is wrong."""
    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    """As they are sent again, but for ``Age`` and ``Cache-Status``; the app's own come first."""
    body: bytes
    stored_at: float
    """When the response arrived, in seconds since the epoch."""
    initial_age: float
    """Its age in seconds at that moment (``corrected_initial_age``, section 4.2.3)."""
    lifetime: float
    """Freshness lifetime in seconds (section 4.2.1)."""
    added: int = 0
    """How many of ``fields`` the cache added; they are the last ones."""
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    must_validate: bool = False
    """``no-cache``: never reused without validation."""
    must_revalidate: bool = False
    """Never served stale: ``must-revalidate``, ``proxy-revalidate``, ``s-maxage``."""
    shareable: bool = False
    """The app itself lets it answer requests that carry credentials."""
    etag: bytes | None = None
    """The entity tag clients see: the app's own, else one made from the body."""
    etag_is_ours: bool = False
    """The app does not know the entity tag, so it cannot validate by it."""
    last_modified: bytes | None = None
    cost: float = 0.0
    """Seconds that the app took to make it."""
    tags: tuple[str, ...] = ()
    """What it is purged by, besides what comes free with the request."""
    log: bytes = b""
    """Identity of the purge log that ``birth`` is a position of."""
    birth: int = 0
    """The log's position when the app was asked; later purges apply to it."""
    url: str = ""
    """Which URL it is of, with the part of the query that is in the key; ``data:KEY``: a value."""
    owner: bytes = b""
    """A 16-byte digest of the partition of the user whose it is; nothing: nobody's."""

    @property
    def app_fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """What the app sent, without what the cache added."""
        return self.fields[: len(self.fields) - self.added]

    def age_at(self, now: float) -> float:
        """Its age in seconds at *now*.

        Clocks differ a little, so that it may seem to come from the near future. If it
        comes from further away, a clock was set back, and nobody knows how old it is.
        """
        elapsed = now - self.stored_at
        if elapsed < -CLOCK_TOLERANCE:
            return self.initial_age - elapsed
        return self.initial_age + max(0.0, elapsed)


@value
class Variant:
    """Where one of several responses to a URL is kept, and which requests select it."""

    vary: tuple[bytes, ...]
    """The names of the fields that selected it, in lower case and sorted."""
    selector: bytes
    """Digest of the primary key and those fields' normalised values in its request."""
    language_selector: bytes | None = None
    """The same, but with ``Accept-Language`` replaced by the language it was answered in."""


@value
class VariantIndex:
    """What is stored under a primary key whose responses vary: the newest variant first."""

    key: bytes
    variants: tuple[Variant, ...]
