"""The short way to a hit, which is the way of most requests.

It is for a GET or HEAD of what was asked for before, by a client without wishes of its own,
where the stored response is simply fresh. All that is decided about such a request was decided
when its line was resolved and when the response was stored. What is left is to look both up,
and to see that its time has not come and that nothing was purged.

Everything else is left to `exchange`, which would have sent the same bytes here.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from operator import itemgetter
from typing import Final, TypeAlias

from starlette.types import Message, Scope

from asgi_cache.asking import FORWARDED, UNUSUAL, primary_key
from asgi_cache.errors import StoreUnavailable
from asgi_cache.holdings import Begun, Holdings
from asgi_cache.identity import NOBODY
from asgi_cache.outcome import Outcome
from asgi_cache.policy.fields import Fields
from asgi_cache.policy.key import select
from asgi_cache.policy.message import Request, StoredResponse, VariantIndex
from asgi_cache.policy.reuse import UNCONDITIONAL, unchanged_until, undisputed_age
from asgi_cache.policy.serving import LESS_THAN_ALL, reply
from asgi_cache.responder import CHUNK, Field, age_field
from asgi_cache.services import Services
from asgi_cache.stores.base import MOST_READS, Held
from asgi_cache.targets import MEMO_ENTRIES, Line, Wanted

UNANSWERED: Final = UNUSUAL | {b"cache-control", b"pragma"}
"""Fields of requests that have to be looked at for longer."""

REMEMBERED: Final = 4096
"""Numbers of which it is remembered how a field with them is written."""

Messages: TypeAlias = tuple[Message, Message]
"""The head of a response, and its body."""


class Pass:
    """The app's own answer is what there is for such a request, and nothing comes of it."""


PASS: Final = Pass()

_name_of: Final = itemgetter(0)


class Ready:
    """What is sent for a line, as long as nothing else would have to be."""

    __slots__ = ("changes", "fields", "held", "since", "until")

    def __init__(
        self, held: Held, fields: list[Field], since: float, until: float, changes: int
    ) -> None:
        self.held: Held = held
        self.fields: list[Field] = fields
        self.since: float = since
        self.until: float = until
        self.changes: int = changes
        """How much was known to be purged."""


class Shortcut:
    """Answers from the store what can be answered at a glance."""

    def __init__(self, services: Services) -> None:
        identity = services.identity
        self._identity = identity
        self._always_asks = identity.asks_the_app
        self._holdings = services.holdings
        self._store = services.holdings.store
        self._may_be_behind = self._store.lag > 0 or not self._store.is_current
        self._log = services.holdings.log
        self._clock = services.clock
        self._known = services.targets.known
        self._ready: dict[Line, Ready] = {}
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
        if name != b"host":
            return self._take_otherwise(scope)
        ready = self._ready.get(line)
        if ready is None:
            return self._take_first(scope, line)
        if "user" in scope or not self._telling.isdisjoint(map(_name_of, others)):
            return self._take_otherwise(scope)
        if (
            not ready.since <= self._clock() < ready.until
            or ready.changes != self._log.changes
            or type(stored := ready.held.record) is not StoredResponse
            or (self._may_be_behind and not self._store.is_current)
        ):
            return self._take_line(line, headers)
        if ready.held.reads < MOST_READS:
            ready.held.reads += 1
        return (
            {
                "type": "http.response.start",
                "status": stored.status,
                "headers": ready.fields.copy(),
            },
            {"type": "http.response.body", "body": stored.body},
        )

    def _take_first(self, scope: Scope, line: Line) -> Taken:
        """Return the answer to a request of which it is not known how many are like it."""
        target = self._known.get(line)
        if target is None:
            return None
        if target.is_passed:
            return PASS
        headers = scope["headers"]
        names = map(_name_of, headers[1:])
        is_plain = target.plain is not None and not target.plain.needs_fields
        if not is_plain or "user" in scope or not self._telling.isdisjoint(names):
            return self._take_otherwise(scope)
        return self._take_line(line, headers)

    def _take_line(self, line: Line, headers: Fields) -> Messages | Pending | None:
        """Return the answer to a request that is no more than *line*; it will be ready then."""
        target = self._known.get(line)
        wanted = None if target is None else target.plain
        if wanted is None or self._always_asks:
            return None
        return self.answer(wanted, headers, self._store.look(wanted.key), line)

    def answer(
        self,
        wanted: Wanted,
        headers: Fields,
        found: Held | Future[Held | None] | None,
        line: Line | None = None,
    ) -> Messages | Pending | None:
        """Return the answer to a request from what was *found* for it.

        With *line*, the request is no more than that, and so are others.
        """
        if isinstance(found, Future):
            return Pending(self, self._holdings, wanted, headers, Begun(wanted.key, found), line)
        record = None if found is None else found.record
        if isinstance(record, VariantIndex):
            variant = select(record, headers)
            if variant is None:
                return None
            return self.answer(wanted, headers, self._store.look(variant.selector))
        if found is None or record is None:
            return None
        if line is None or wanted.is_head:
            return self._answer_one(wanted, headers, record)
        return self._answer_line(line, wanted, found, record)

    def _answer_one(
        self, wanted: Wanted, headers: Fields, stored: StoredResponse
    ) -> Messages | None:
        """Return the answer to a request that may be like no other."""
        now = self._clock()
        fields = self._fields(wanted, stored, now)
        if fields is None:
            return None
        if not wanted.asks_less:
            body = b"" if wanted.is_head else stored.body
            return _messages(stored.status, fields, body)
        request = Request("HEAD" if wanted.is_head else "GET", headers, UNCONDITIONAL)
        answer = reply(request, stored, now)
        own = fields[len(stored.fields) :]
        return _messages(answer.status, [*answer.fields, *own], answer.body)

    def _answer_line(
        self, line: Line, wanted: Wanted, held: Held, stored: StoredResponse
    ) -> Messages | None:
        """Return the answer that is ready, or make it so."""
        now, ready, changes = self._clock(), self._ready.get(line), self._log.changes
        if (
            ready is None
            or ready.held is not held
            or not ready.since <= now < ready.until
            or ready.changes != changes
        ):
            fields = self._fields(wanted, stored, now)
            if fields is None:
                return None
            until = unchanged_until(stored, wanted.rule, now)
            ready = Ready(held, fields, now, until, changes)
            self._keep_ready(line, ready)
        return _messages(stored.status, ready.fields.copy(), stored.body)

    def _keep_ready(self, line: Line, ready: Ready) -> None:
        self._ready.pop(line, None)
        if len(self._ready) >= MEMO_ENTRIES:
            del self._ready[next(iter(self._ready))]
        self._ready[line] = ready

    def _fields(self, wanted: Wanted, stored: StoredResponse, now: float) -> list[Field] | None:
        """Return the fields to be sent with *stored*; nothing if it may not do."""
        age = undisputed_age(stored, wanted.rule, now)
        if age is None or (wanted.needs_leave and not stored.shareable):
            return None
        if len(stored.body) > CHUNK or not self._holdings.is_untouched(stored, wanted.all_tags):
            return None
        ttl = int(stored.lifetime - age)
        return [*stored.fields, *self._ages[int(age)], *self._statuses[ttl]]

    def _take_otherwise(self, scope: Scope) -> Taken:
        """Return the answer where fields, or a user, may add to what the line asks for."""
        headers = scope["headers"]
        fields = dict(headers)
        if len(fields) != len(headers) or not UNANSWERED.isdisjoint(fields):
            return None
        try:
            target = self._known[
                scope["method"],
                scope["scheme"],
                fields.get(b"host", b""),
                scope["root_path"],
                scope["path"],
                scope["raw_path"],
                scope["query_string"],
            ]
        except KeyError:
            return None
        if target.is_passed:
            return PASS
        if target.plain is None or self._always_asks:
            return None
        wanted = self._with_fields(target.plain, scope, fields)
        if wanted is None:
            return None
        return self.answer(wanted, headers, self._store.look(wanted.key))

    def _with_fields(
        self, plain: Wanted, scope: Scope, fields: dict[bytes, bytes]
    ) -> Wanted | None:
        """Return what is asked for where it is somebody's request, or came through a proxy."""
        identity, rule, whose = self._identity, plain.rule, NOBODY
        if plain.needs_fields:
            added = list(fields.items())
        else:
            added = [(name, fields[name]) for name in self._adding.intersection(fields)]
        credentials = identity.credentials(added, cookies=rule.cookies == "safe")
        if plain.is_partitioned or identity.knows(scope):
            try:
                whose = identity.partition_at_hand(scope, credentials)
            except Exception:  # noqa: BLE001 - `ask` will come upon it too, and logs it
                return None
        partition = whose if plain.is_partitioned else NOBODY
        key = primary_key(plain.state, rule, added, b"GET", partition)
        is_somebodys = bool(credentials) or whose != NOBODY
        needs_leave = is_somebodys and not plain.is_partitioned
        return Wanted(
            key=key,
            rule=rule,
            tags=plain.tags,
            state=plain.state,
            partition=partition,
            is_head=plain.is_head,
            is_partitioned=plain.is_partitioned,
            needs_leave=needs_leave,
            needs_fields=plain.needs_fields,
            asks_less=not LESS_THAN_ALL.isdisjoint(fields),
        )


class Pending:
    """A request whose response is being looked up, with those of others."""

    __slots__ = ("_fields", "_holdings", "_line", "_shortcut", "_wanted", "begun")

    def __init__(
        self,
        shortcut: Shortcut,
        holdings: Holdings,
        wanted: Wanted,
        fields: Fields,
        begun: Begun,
        line: Line | None,
    ) -> None:
        self._shortcut = shortcut
        self._holdings = holdings
        self._wanted = wanted
        self._fields = fields
        self._line = line
        self.begun: Begun = begun

    async def messages(self) -> Messages | None:
        """Wait, and return the answer; nothing if it is not for this way."""
        try:
            found = await self.begun.future
        except StoreUnavailable:
            return None  # which `exchange` will find too, and deal with
        self._holdings.note_success()
        answer = self._shortcut.answer(self._wanted, self._fields, found, self._line)
        return await answer.messages() if isinstance(answer, Pending) else answer


def _messages(status: int, fields: list[Field], body: bytes) -> Messages:
    return (
        {"type": "http.response.start", "status": status, "headers": fields},
        {"type": "http.response.body", "body": body},
    )


Taken: TypeAlias = Messages | Pending | Pass | None
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
