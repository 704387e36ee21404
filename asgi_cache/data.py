"""Values beside responses: the results of queries and functions, in the same store.

A value is kept as a response is that nobody asked for over HTTP: under the same rules, in
flights that run once for all who wait, and void with the same purges. What makes it is an app
that answers one question.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, Task
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from time import perf_counter
from typing import Any, Final, cast

from starlette.types import Message, Receive, Scope, Send

from asgi_cache.data_types import DataTypes
from asgi_cache.errors import (
    BacklogFull,
    CorruptRecord,
    PurgeNotAcknowledged,
    StoreUnavailable,
)
from asgi_cache.exchange import Exchange
from asgi_cache.holdings import Begun, Birth
from asgi_cache.identity import Identity
from asgi_cache.observe.tally import UNSEEN
from asgi_cache.patience import patiently
from asgi_cache.policy.cache_control import ResponseDirectives
from asgi_cache.policy.fields import Fields
from asgi_cache.policy.keeping import stored_response
from asgi_cache.policy.key import digest, hashing
from asgi_cache.policy.message import Request, Response, StoredResponse
from asgi_cache.policy.received import Received
from asgi_cache.policy.reuse import UNCONDITIONAL, undisputed
from asgi_cache.policy.rule import Rule
from asgi_cache.purging import Watch
from asgi_cache.request_body import Nobody
from asgi_cache.rules import Duration, RuleReader
from asgi_cache.services import Services
from asgi_cache.stores.base import Held
from asgi_cache.tags import EVERYTHING, cache_tags, data_tag, is_writable, named_tag, with_ancestors
from asgi_cache.targets import Target

_being_made: ContextVar[frozenset[str]] = ContextVar("asgi_cache_values", default=frozenset())
"""The keys of the values that are made around what runs: nobody waits there for one of them."""

ANEW: Final = ((b"cache-control", b"no-cache"),)
"""The fields of a request that wants nothing that is stored."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What a value's rule is said of: no path has parameters here."""

    methods: frozenset[str] | None = frozenset({"GET"})
    parameters: frozenset[str] = frozenset()


class Data:
    """Finds, makes and keeps values."""

    def __init__(
        self, services: Services, reader: RuleReader, types: DataTypes, salt: Sequence[str]
    ) -> None:
        # Whose a value is, is for its key to say.
        nobody = Identity((), b"")
        self._services = replace(services, identity=nobody, name=None)
        self._holdings = services.holdings
        self._reader = reader
        self.types: DataTypes = types
        self._salt = [part.encode() for part in salt]
        self._rules: dict[tuple[Duration, ...], Rule] = {}

    def rule(
        self,
        ttl: Duration,
        stale_while_revalidate: Duration = 0.0,
        stale_if_error: Duration = 0.0,
        early_refresh: float = 0.0,
    ) -> Rule:
        """Return the rule for values that are kept so long.

        Raises:
            ConfigurationError: One of them is no duration.
        """
        given = (ttl, stale_while_revalidate, stale_if_error, early_refresh)
        rule = self._rules.get(given)
        if rule is None:
            names = ("ttl", "stale_while_revalidate", "stale_if_error", "early_refresh")
            stated = dict(zip(names, given, strict=True)) | {"public": True}
            read = self._reader.read(stated, _Place(), "a value")
            rule = self._rules[given] = cast("Rule", read)
        return rule

    def target(self, key: str, rule: Rule) -> Target:
        """Return what is asked for where the value under *key* is.

        Raises:
            ValueError: It is no text.
        """
        if not key or not is_writable(key):
            raise ValueError(f"key={key!r} is not text that anything could be called by")
        state = hashing([*self._salt, b"data", key.encode()])
        return Target(
            rule=rule,
            pattern="data",
            url=f"data:{key}",
            stored_url=f"data:{key}",
            origin="",
            query=b"",
            params={},
            make_tags=partial(_tags, key),
            state=state,
            tally=self._services.observer.values,
            passing=None,
            is_observed=False,
            is_head=False,
            is_partitioned=False,
            key=digest([b"GET", b""], after=state),
        )

    async def get(self, target: Target) -> tuple[Any] | None:
        """Return the value under *target*'s key in a tuple, if it is there and fresh."""
        looked = self._look(target)
        if not isinstance(looked, dict):
            self._count("hit")
            return looked
        found = await self._find(target, looked)
        self._count("miss" if found is None else "hit")
        return found

    async def _find(self, target: Target, looked: Begun) -> tuple[Any] | None:
        finding = self._holdings.find(_key(target), (), lambda: target.tags, begun=looked)
        try:
            found = await patiently(self._holdings.patience(), finding)
        except StoreUnavailable:
            return None
        return self._fresh(target, found.stored)

    async def get_or_make(
        self, target: Target, make: Callable[[], Any], tags: Sequence[str]
    ) -> Any:
        """Return the value under *target*'s key, which *make* makes if it is not there.

        If it is asked for by what makes it, that would wait for itself; so it is made then.

        Raises:
            Exception: What *make* raised.
            UnsupportedValue: What it returned cannot be stored.
        """
        looked = self._look(target)
        if not isinstance(looked, dict):
            self._count("hit")
            return looked[0]
        question = _Question(self.types, make, tags, target.url)
        if target.url in _being_made.get():
            return self.types.unpack(await question.answer())
        answer = await self._ask(target, question, looked)
        try:
            return self.types.unpack(answer)
        except CorruptRecord:  # another version of the app has stored it, say
            answer = await self._ask(target, question, {}, ANEW)
            return self.types.unpack(answer)

    async def write(
        self,
        target: Target,
        run: Callable[[], Awaitable[Any]],
        tags: Sequence[str],
        names: Sequence[str],
    ) -> Any:
        """Have *run* write where values belong, purge *names*, and store what it returned.

        Nobody knows what it has written if it fails, unless it says that this is nothing. What
        voids a value with *tags* meanwhile is counted, whoever purges it and however.
        """
        if not self._holdings.log.identity:
            await self.get(target)  # the log is known once anything was looked up
        with self._holdings.log.watching([*names, *with_ancestors(tags), EVERYTHING]) as watch:
            try:
                value = await run()
            except BacklogFull:
                raise
            except BaseException:
                with suppress(PurgeNotAcknowledged):  # it is repeated
                    await self._holdings.purge(names)
                raise
            born = await self._holdings.purge(names)
            await self._put(target, value, tags, born, watch)
        return value

    async def purge(self, names: Sequence[str]) -> None:
        """Void what carries any of *names*, as the log has them."""
        await self._holdings.purge(names)

    async def _put(
        self, target: Target, value: object, tags: Sequence[str], born: Birth, watch: Watch
    ) -> None:
        """Store *value*, unless something of its tags was purged besides by who stores it.

        It was *born* with that purge. Two that write at once, and purge in another order than
        they have written in, would else leave behind what the first one wrote.
        """
        if watch.purges != 1:
            return
        body, now = self.types.pack(value), self._services.clock()
        key, rule = _key(target), _rule(target)
        response = Response(200, (), ResponseDirectives())
        received = Received.at(now, Request("GET", (), UNCONDITIONAL), response, rule, now)
        stored = stored_response(
            received, key, body, *born, with_ancestors(tags), url=target.stored_url
        )
        keeping = self._holdings.keep(stored, None, key, lambda: target.tags)
        await patiently(self._holdings.patience(), keeping)

    async def _ask(
        self, target: Target, question: _Question, begun: Begun, fields: Fields = ()
    ) -> bytes:
        client, services = _Client(), self._services
        scope: Scope = {"type": "http", "method": "GET", "headers": list(fields)}
        patience = services.holdings.patience()
        exchange = Exchange(services, question, scope, client.receive, client.send, patience, begun)
        answering = self._counted(exchange, target)
        if self._holdings.store.is_shared:
            await self._until_answered(client, answering)
        else:
            await answering
        return b"".join(client.parts)

    def _count(self, result: str) -> None:
        self._services.observer.values.results[result][UNSEEN] += 1

    async def _counted(self, exchange: Exchange, target: Target) -> None:
        began_at = perf_counter()
        try:
            await exchange.answer(target, _rule(target))
        finally:
            exchange.count(began_at)

    async def _until_answered(self, client: _Client, answering: Coroutine[Any, Any, None]) -> None:
        """Wait until *client* has its answer, and not for what is left to do in the store."""
        task = self._services.flights.attend(answering)
        answered = asyncio.get_running_loop().create_future()
        client.on_end = partial(_note, answered)
        task.add_done_callback(client.on_end)
        try:
            await answered
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        if task.done():
            task.result()

    def _look(self, target: Target) -> tuple[Any] | Begun:
        """Return the value that this process has and may use; else look-ups that are begun."""
        key = _key(target)
        held = self._holdings.look(key)
        if isinstance(held, Held) and isinstance(held.record, StoredResponse):
            return self._fresh(target, held.record) or {}
        return {key: held} if isinstance(held, Future) else {}

    def _fresh(self, target: Target, stored: StoredResponse | None) -> tuple[Any] | None:
        if stored is None or not self._holdings.is_untouched(stored, lambda: target.tags):
            return None
        if undisputed(stored, _rule(target), self._services.clock()) is None:
            return None
        try:
            return (self.types.unpack(stored.body),)
        except CorruptRecord:
            return None


class _Question:
    """The app that answers one question: with what *make* returns, packed."""

    def __init__(
        self, types: DataTypes, make: Callable[[], Any], tags: Sequence[str], name: str
    ) -> None:
        self._types = types
        self._name = name
        self._make = make
        self._tags = tags

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        del scope, receive
        body = await self.answer()
        cache_tags(*self._tags)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    async def answer(self) -> bytes:
        """Return what is made, packed."""
        token = _being_made.set(_being_made.get() | {self._name})
        try:
            made = self._make()
            return self._types.pack(await made if isawaitable(made) else made)
        finally:
            _being_made.reset(token)


class _Client(Nobody):
    """Takes the answer to one question."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.parts: list[bytes] = []
        self.on_end: Callable[[object], None] | None = None

    async def send(self, message: Message) -> None:
        """Take a message, and keep what it has of the body."""
        self.parts.append(message.get("body", b""))
        await super().send(message)
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and self.on_end is not None:
            self.on_end(message)


def _note(answered: Future[None], ended: object) -> None:
    """Note that the answer is there, or will not be; and retrieve what a task has raised."""
    if isinstance(ended, Task) and not ended.cancelled():
        ended.exception()
    if not answered.done():
        answered.set_result(None)


def _tags(key: str) -> tuple[str, ...]:
    return data_tag(key), EVERYTHING


def _key(target: Target) -> bytes:
    return cast("bytes", target.key)


def _rule(target: Target) -> Rule:
    return cast("Rule", target.rule)


def purged_with(key: str, tags: Iterable[str]) -> list[str]:
    """Return the tags by which all that a new value under *key* makes untrue is purged."""
    return [data_tag(key), *map(named_tag, tags)]
