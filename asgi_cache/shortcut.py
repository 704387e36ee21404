"""The short way to a hit, which is the way of most requests.

It is for a GET or HEAD of what was asked for before, by a client without wishes of its own,
where the stored response is simply fresh. All that is decided about such a request was decided
when its line was resolved and when the response was stored. What is left is to look both up,
and to see that its time has not come and that nothing was purged.

Everything else is left to `exchange`, which would have sent the same bytes here.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final, TypeAlias, final

from starlette.types import Message, Scope

from asgi_cache.asking import FORWARDED, UNUSUAL, primary_key
from asgi_cache.errors import StoreUnavailable
from asgi_cache.holdings import Begun, Holdings
from asgi_cache.identity import NOBODY
from asgi_cache.observe.tally import Hits
from asgi_cache.outcome import Outcome
from asgi_cache.patience import patiently
from asgi_cache.policy.cache_control import REQUEST_FIELDS
from asgi_cache.policy.fields import Field, Fields, name_of
from asgi_cache.policy.key import select
from asgi_cache.policy.message import Request, StoredResponse, Variant, VariantIndex
from asgi_cache.policy.reuse import UNCONDITIONAL, undisputed
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.serving import LESS_THAN_ALL, reply
from asgi_cache.responder import CHUNK, age_field
from asgi_cache.services import Services
from asgi_cache.stores.base import MOST_READS, NOT_READY, Held, Ready
from asgi_cache.targets import MEMO_ENTRIES, Line, Pass, Target, Wanted

UNANSWERED: Final = UNUSUAL | REQUEST_FIELDS
"""Fields of requests that have to be looked at for longer."""

REMEMBERED: Final = 4096
"""Numbers of which it is remembered how a field with them is written."""

Answer: TypeAlias = tuple[Message, Message, Hits]
"""The head of a response, its body, and where that is to be noted."""


class Shortcut:
    """Answers from the store what can be answered at a glance."""

    def __init__(self, services: Services) -> None:
        identity = services.identity
        self._identity = identity
        self._always_asks = identity.asks_the_app
        self.holdings: Holdings = services.holdings
        self._store = services.holdings.store
        self._may_be_behind = self._store.lag > 0 or not self._store.is_current
        self._log = services.holdings.log
        self._clock = services.clock
        self._known = services.targets.known
        self._held: dict[Line | bytes, Held] = {}
        """What is kept ready: by line for requests that are no more than that, else by key."""
        self._adding = FORWARDED | identity.fields
        """Fields that may add to the key."""
        self._telling = UNANSWERED | LESS_THAN_ALL | self._adding | {b"host"}
        self._ages = Written(lambda age: (age_field(age),))
        self._statuses = Written(_status_writer(services.name))

    def take(self, scope: Scope) -> Taken:
        """Return the answer to a request, or what is to be done about it.

        What stands here is done for most requests, so there is no loop and hardly a call.
        """
        headers = scope["headers"]
        if type(headers) is not list:
            headers = scope["headers"] = list(headers)  # an iterator can be read only once
        try:
            others = iter(headers)
            name, host = next(others)
            names: Iterable[bytes] = map(name_of, others)
            if name != b"host":  # which most clients send first
                fields_by_name = dict(headers)
                if len(fields_by_name) != len(headers):
                    return None
                host, names = fields_by_name.pop(b"host", b""), fields_by_name
            line = (
                scope["method"],
                scope["scheme"],
                host,
                scope["root_path"],
                scope["path"],
                scope["raw_path"],
                scope["query_string"],
            )
        except (KeyError, StopIteration):  # a server may leave out what has a default
            return None
        held = self._held.get(line)
        if held is None or (ready := held.ready) is None:
            return self._take_first(scope, line, names)
        if "user" in scope or not self._telling.isdisjoint(names):
            return self._take_target(self._known.get(line), scope, line, is_plain=False)
        if (
            not ready.since <= self._clock() < ready.until
            or ready.changes != self._log.changes
            or type(stored := held.record) is not StoredResponse
            or (self._may_be_behind and not self._store.is_current)
        ):
            return self._take_target(self._known.get(line), scope, line, is_plain=True)
        if held.reads < MOST_READS:
            held.reads += 1
        fields = [*stored.fields, *ready.fields]
        return (
            {"type": "http.response.start", "status": stored.status, "headers": fields},
            {"type": "http.response.body", "body": stored.body},
            ready.hits,
        )

    def _take_first(self, scope: Scope, line: Line, names: Iterable[bytes]) -> Taken:
        """Return the answer to a request for which nothing is ready."""
        target = self._known.get(line)
        if target is None:
            return None
        if target.passing is not None:
            return target.passing
        is_plain = "user" not in scope and self._telling.isdisjoint(names)
        return self._take_target(target, scope, line, is_plain=is_plain)

    def _take_target(
        self, target: Target | None, scope: Scope, line: Line, *, is_plain: bool
    ) -> Answer | Pending | None:
        """Return the answer to a request; one that is *plain* is no more than its line."""
        headers = scope["headers"]
        if target is None or target.rule is None or target.key is None or self._always_asks:
            return None
        if not is_plain or target.rule.vary:
            wanted = self._with_fields(target, target.rule, scope)
            if wanted is None:
                return None
            return self.answer(wanted, headers, self._look(target, wanted.key), {})
        wanted = target.wanted
        if wanted is None:
            wanted = target.wanted = Wanted(target, target.rule, target.key)
        found = self.holdings.look(target.key)
        if isinstance(found, Held) and not target.is_head:
            self._keep_ready(line, found)
        return self.answer(wanted, headers, found, {})

    def _look(self, target: Target, key: bytes) -> Held | Future[Held | None] | None:
        """Return what is at hand under *key*, where the line of *target* does not say all."""
        found = self.holdings.look(key)
        if isinstance(found, Held) and found.ready is None and not target.is_head:
            self._keep_ready(key, found)
        return found

    def _keep_ready(self, name: Line | bytes, held: Held) -> None:
        """Have what is sent with *held* kept, as long as *name* is one of the latest."""
        if not isinstance(held.record, StoredResponse):
            return
        self._held.pop(name, None)
        if len(self._held) >= MEMO_ENTRIES:
            self._held.pop(next(iter(self._held))).ready = None
        self._held[name] = held
        held.ready = held.ready or NOT_READY

    def answer(
        self,
        wanted: Wanted,
        headers: Fields,
        found: Held | Future[Held | None] | None,
        begun: Begun,
        variant: Variant | None = None,
    ) -> Answer | Pending | None:
        """Return the answer to a request from what was *found* for it, or for its *variant*."""
        if isinstance(found, Future):
            begun[wanted.key if variant is None else variant.selector] = found
            return Pending(self, wanted, headers, begun, found, variant)
        if found is None:
            return None
        record = found.record
        if isinstance(record, StoredResponse):
            return self._answer_from(wanted, headers, found, record)
        if variant is not None or not isinstance(record, VariantIndex):
            return None
        variant = select(record, headers)
        if variant is None:
            return None
        found = self._look(wanted.target, variant.selector)
        return self.answer(wanted, headers, found, begun, variant)

    def _answer_from(
        self, wanted: Wanted, headers: Fields, held: Held, stored: StoredResponse
    ) -> Answer | None:
        if wanted.needs_leave and not stored.shareable:
            return None
        now = self._clock()
        ready = self._ready(wanted, held, stored, now)
        if ready is None:
            return None
        status, fields, body, hits = stored.status, stored.fields, stored.body, ready.hits
        is_head = wanted.target.is_head
        if wanted.asks_less:
            request = Request("HEAD" if is_head else "GET", headers, UNCONDITIONAL)
            answer = reply(request, stored, now)
            status, fields, body = answer.status, answer.fields, answer.body
            hits = wanted.target.tally.hits(status)
        elif is_head:
            body = b""
        return (
            {"type": "http.response.start", "status": status, "headers": [*fields, *ready.fields]},
            {"type": "http.response.body", "body": body},
            hits,
        )

    def _ready(
        self, wanted: Wanted, held: Held, stored: StoredResponse, now: float
    ) -> Ready | None:
        """Return what is to be sent with *stored*; nothing if it may not do."""
        changes, is_head = self._log.changes, wanted.target.is_head
        ready = None if is_head else held.ready  # HEAD may fall under another rule
        if ready is not None and ready.since <= now < ready.until and ready.changes == changes:
            return ready
        standing = undisputed(stored, wanted.rule, now)
        if standing is None or len(stored.body) > CHUNK:
            return None
        if not self.holdings.is_untouched(stored, wanted.tags):
            return None
        fields = (*self._ages[int(standing.age)], *self._statuses[int(standing.ttl)])
        tally = wanted.target.tally
        tally.settle()
        ready = Ready(fields, now, standing.until, changes, tally.hits(stored.status))
        if held.ready is not None and not is_head:
            held.ready = ready
        return ready

    def _with_fields(self, target: Target, rule: Rule, scope: Scope) -> Wanted | None:
        """Return what is asked for where fields, or a user, may add to what the line says."""
        headers = scope["headers"]
        fields = dict(headers)
        if len(fields) != len(headers) or not UNANSWERED.isdisjoint(fields):
            return None
        identity, whose, is_partitioned = self._identity, NOBODY, target.is_partitioned
        names = fields if rule.vary else self._adding.intersection(fields)
        added = [(name, fields[name]) for name in names]
        credentials = identity.credentials(added, cookies=rule.cookies == "safe")
        try:
            if is_partitioned or identity.knows(scope):
                whose = identity.partition_at_hand(scope, credentials)
        except Exception:  # noqa: BLE001 - `ask` will come upon it too, and logs it
            return None
        partition = whose if is_partitioned else NOBODY
        if partition and identity.authorizes:
            return None
        is_somebodys = bool(credentials) or whose != NOBODY
        key = target.key
        if key is None or added or partition or rule.vary:
            key = primary_key(target.state, rule, added, b"GET", partition)
        return Wanted(
            target,
            rule,
            key,
            partition,
            needs_leave=is_somebodys and not is_partitioned,
            asks_less=not LESS_THAN_ALL.isdisjoint(fields),
        )


@final
class Pending:
    """A request whose response is being looked up, with those of others."""

    __slots__ = ("_fields", "_future", "_shortcut", "_variant", "_wanted", "begun")

    def __init__(
        self,
        shortcut: Shortcut,
        wanted: Wanted,
        fields: Fields,
        begun: Begun,
        future: Future[Held | None],
        variant: Variant | None,
    ) -> None:
        self._shortcut = shortcut
        self._wanted = wanted
        self._fields = fields
        self._future = future
        self._variant = variant
        self.begun: Begun = begun

    async def answer(self, began_at: float) -> Answer | None:
        """Wait, and return the answer; nothing if it is not for this way.

        *began_at* is when the request came, by `time.perf_counter`.
        """
        try:
            found = await self._future  # which the store sees to in time
        except Exception:  # noqa: BLE001 - `exchange` comes upon it too, and deals with it
            return None
        shortcut = self._shortcut
        answer = shortcut.answer(self._wanted, self._fields, found, self.begun, self._variant)
        if not isinstance(answer, Pending):
            return answer
        patience = shortcut.holdings.patience(perf_counter() - began_at)
        try:
            return await patiently(patience, answer.answer(began_at))
        except StoreUnavailable:
            return None


Taken: TypeAlias = Answer | Pending | Pass | None
"""What comes of a short look at a request; ``None``: a longer one has to be taken."""


class Written(dict[int, tuple[Field, ...]]):
    """Numbers, and the fields that tell them, each written once."""

    def __init__(self, write: Callable[[int], tuple[Field, ...]]) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, number: int) -> tuple[Field, ...]:
        if len(self) >= REMEMBERED:
            self.clear()
        written = self[number] = self._write(number)
        return written


def _status_writer(name: bytes | None) -> Callable[[int], tuple[Field, ...]]:
    """Return what writes the ``Cache-Status`` of a hit that is fresh for so many seconds more."""
    if name is None:
        return lambda _: ()
    return lambda ttl: ((b"cache-status", Outcome(hit=True, ttl=ttl).cache_status(name)),)
