"""What an operator says about the responses of a route: one frozen record of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rule:
    """How the responses of the routes it names are kept. Durations are seconds.

    A rule supplies what the app left unsaid. It never overrides a restriction
    that the app's response states.
    """

    ttl: float | None = None
    """Freshness lifetime where the app states none."""
    client_ttl: float = 0.0
    """``max-age`` for clients and proxies downstream; 0 lets them keep a copy to validate."""
    stale_while_revalidate: float = 0.0
    """How long after its lifetime a response is served while it is being refreshed."""
    stale_if_error: float = 0.0
    """How long after its lifetime a response is served when the app fails."""
    early_refresh: float = 1.0
    """How eagerly a response is refreshed before its lifetime ends (XFetch's beta); 0: never."""
    public: bool = False
    """The same answer for every user, whatever credentials a request carries."""
    query: tuple[str, ...] | None = None
    """Names of the query parameters that count; the app sees no others. ``None``: all."""
    ignore_query: tuple[str, ...] = ()
    """Names of the query parameters that do not count; the app does not see them."""
    sort_query: bool = False
    """Whether the order of query parameters is of no account."""
    vary: tuple[str, ...] = ()
    """Request fields that are part of the key from the start."""
    tags: tuple[str, ...] = ()
    """Names to purge by; ``{task_id}``, ``{query.page}`` and ``{user}`` are filled in."""
    purge: tuple[str, ...] = ()
    """The tags that a successful POST, PUT, PATCH or DELETE on the route purges; as ``tags``."""
    status_ttl: Mapping[int, float] = field(default_factory=dict)
    """Freshness lifetime for a status code, before ``ttl``: negative caching."""
    methods: tuple[str, ...] = ("GET", "HEAD")
    """Methods that are answered from the store; with ``POST`` its body is part of the key."""
    client_bypass: bool = True
    """Whether a client's ``no-cache``, ``max-age`` or ``Pragma`` makes the app answer."""
    cookies: Literal["safe", "rfc9111"] = "safe"
    """``safe``: nothing with ``Set-Cookie`` is stored, and ``Cookie`` is a credential."""
    errors: Literal["safe", "rfc9111"] = "safe"
    """``safe``: of errors 404, 405, 410, 414, 501 and those in ``status_ttl`` may be stored."""
    heuristic: float = 0.0
    """That part of the time since ``Last-Modified`` counts as freshness; 0 turns it off."""
    max_body: int = 8 * 1024 * 1024
    """Bytes beyond which a body is passed on but not stored."""
    max_header: int = 64 * 1024
    """Bytes of fields, names and values together, beyond which a response is not stored."""
    max_fills: float | None = None
    """Responses that each process stores anew in a second; more than that go past the store."""
    max_user_fills: float | None = 100.0
    """The same for any one user, who takes nothing from others then.

    Requests that do not show whose they are have no such limit: many may be nobody.
    """
    coherence: Literal["bounded", "strict"] = "bounded"
    """``strict``: each look-up asks the store that all processes share, not a copy of its own."""
    unlinked: Literal["forward", "serve"] = "forward"
    """``serve``: own copies answer while the store is out of reach, even if purged elsewhere."""
    store_private: bool = False
    """Store ``private`` responses too, in their user's own partition."""
    observe: bool = False
    """Whether nothing is stored or served, and only learned what could be, for `Cache.advise`."""
