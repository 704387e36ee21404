"""The short way to a hit, which is the way of most requests.

It is for a GET or HEAD of what was asked for before, by a client without wishes of its own,
where the stored response is simply fresh. All that is decided about such a request was decided
when its line was resolved and when the response was stored. What is left is to look both up,
and to see that its time has not come and that nothing was purged.

Everything else is left to `exchange`, which would have sent the same bytes here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from starlette.types import Message, Scope

from asgi_cache.asking import FORWARDED, UNUSUAL, primary_key
from asgi_cache.identity import NOBODY
from asgi_cache.outcome import Outcome
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.reuse import undisputed_age
from asgi_cache.policy.serving import LESS_THAN_ALL
from asgi_cache.responder import CHUNK, Field, age_field
from asgi_cache.services import Services
from asgi_cache.targets import Target, Wanted

UNANSWERED = UNUSUAL | LESS_THAN_ALL | {b"cache-control", b"pragma"}
"""Fields of requests that may have to be answered otherwise than all others."""

STATUSES_REMEMBERED = 4096
"""Values of ``Cache-Status`` that need not be written again."""


class Shortcut:
    """Answers from the store what can be answered at a glance."""

    def __init__(self, services: Services) -> None:
        self._known = services.targets.known
        self._identity = services.identity
        self._holdings = services.holdings
        self._clock = services.clock
        self._telling = services.identity.fields | FORWARDED
        self._always_asks = services.identity.asks_the_app
        self._status_fields = _status_fields(services.name)

    def recall(self, scope: Scope) -> Wanted | None:
        """Return what a request asks for; nothing if that is to be found out yet."""
        headers = scope["headers"]
        if type(headers) is not list:
            return None
        fields = dict(headers)
        if len(fields) != len(headers) or not UNANSWERED.isdisjoint(fields):
            return None
        try:
            line = (
                scope["method"],
                scope["scheme"],
                fields.get(b"host", b""),
                scope["root_path"],
                scope["path"],
                scope["raw_path"],
                scope["query_string"],
            )
        except KeyError:  # a server may leave out what has a default
            return None
        target = self._known.get(line)
        if target is None or self._always_asks:
            return None
        if self._telling.isdisjoint(fields) and scope.get("user") is None:
            return target.plain
        return self._recall_from(scope, target)

    def _recall_from(self, scope: Scope, target: Target) -> Wanted | None:
        """Return what is asked for where fields, or a verified user, add to the line."""
        plain, identity, headers = target.plain, self._identity, scope["headers"]
        if plain is None:
            return None
        credentials = identity.credentials(headers, cookies=plain.rule.cookies == "safe")
        whose, partition = NOBODY, NOBODY
        try:
            if target.is_partitioned:
                whose = partition = identity.partition_at_hand(scope, credentials)
            elif identity.knows(scope):
                whose = identity.partition_at_hand(scope, credentials)
        except Exception:  # noqa: BLE001 - who has to do with it will hear of it from `ask`
            return None
        key = primary_key(target, plain.rule, headers, b"GET", partition)
        is_somebodys = bool(credentials) or whose != NOBODY
        needs_leave = is_somebodys and not target.is_partitioned
        return Wanted(key, plain.rule, plain.tags, partition, plain.is_head, needs_leave)

    def head(self, wanted: Wanted, stored: StoredResponse) -> Message | None:
        """Return the head to send before the body of *stored*; nothing if it may not do."""
        now = self._clock()
        age = undisputed_age(stored, wanted.rule, now)
        if age is None or len(stored.body) > CHUNK or (wanted.needs_leave and not stored.shareable):
            return None
        if not self._holdings.is_untouched(stored, wanted.all_tags):
            return None
        ttl = int(stored.lifetime - age)
        fields = [*stored.fields, age_field(int(age)), *self._status_fields(ttl)]
        return {"type": "http.response.start", "status": stored.status, "headers": fields}


def _status_fields(name: bytes | None) -> Callable[[int], tuple[Field, ...]]:
    """Return what makes the ``Cache-Status`` of a hit that is fresh for so many seconds more."""

    @lru_cache(STATUSES_REMEMBERED)
    def fields(ttl: int) -> tuple[Field, ...]:
        if name is None:
            return ()
        return ((b"cache-status", Outcome(hit=True, ttl=ttl).cache_status(name)),)

    return fields
