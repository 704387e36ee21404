"""What answers the admin API: each method is named in `operations`, and takes what that reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any, Final, TypeAlias, Unpack, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from asgi_cache.admin.access import WHO, address_of
from asgi_cache.admin.answers import (
    BreakerState,
    Explained,
    PastPurge,
    PastPurges,
    Purged,
    Rules,
    StatedRule,
    Warmed,
    WarmedAll,
)
from asgi_cache.admin.events import Streams
from asgi_cache.admin.inventory import Inventory
from asgi_cache.admin.problems import Unprocessable
from asgi_cache.admin.steered import Steered
from asgi_cache.errors import PurgeNotAcknowledged, StoreUnavailable
from asgi_cache.gathering import this_process
from asgi_cache.locating import absolute
from asgi_cache.observe.observer import Purged as Ordered
from asgi_cache.observe.plain import plain
from asgi_cache.observe.saying import say
from asgi_cache.observe.summary import summary
from asgi_cache.ordering import Orders
from asgi_cache.policy.key import KEY_BYTES
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import stated_in
from asgi_cache.selecting import Named, NamesNothing, Selectors
from asgi_cache.services import Services
from asgi_cache.stores.breaker import Breaker
from asgi_cache.warming import AT_ONCE, LONGEST

logger: logging.Logger = logging.getLogger("asgi_cache.admin")

TRIAL: Final = 1.0
"""Seconds that a request waits for a server that is tried again."""

HELD: Final = 600.0
"""Seconds for which the breaker is open by hand. Of several processes another one may be asked to
close it, so that it must not stay open for good."""

NO_KEY: Final = bytes(KEY_BYTES)
"""Under which nothing is stored."""

Parts: TypeAlias = Callable[[], tuple[Selectors, Services]]
"""Returns what the cache is made of now: for a test it exchanges that."""


class Endpoints:
    """Answers with plain values, or with a response; refuses with an ``HTTPException``."""

    def __init__(self, cache: Steered, parts: Parts, document: Mapping[str, Any]) -> None:
        self._cache = cache
        self._parts = parts
        self._document = document
        self._streams = Streams(self._summary, lambda: self._services.observer)

    @property
    def _services(self) -> Services:
        return self._parts()[1]

    @property
    def _orders(self) -> Orders:
        return Orders(*self._parts())

    @property
    def _inventory(self) -> Inventory:
        return Inventory(self._services, self._cache.settings.root_path)

    def _summary(self) -> Any:
        return summary(self._cache.stats())

    async def document(self, request: Request) -> Any:
        """Return the OpenAPI document."""
        del request
        return self._document

    async def stats(self, request: Request) -> Any:
        """Return what was counted, and what follows from it."""
        del request
        return self._summary()

    async def advice(self, request: Request) -> Any:
        """Return what was learned of the app's traffic."""
        del request
        return self._cache.advise().to_plain()

    async def rules(self, request: Request) -> Any:
        """Return the rules."""
        del request
        rules = self._services.targets.stated()
        return plain(Rules(tuple(_stated(*each) for each in rules)))

    async def events(self, request: Request) -> Response:
        """Stream what happens."""
        if self._streams.is_full:
            raise HTTPException(503, "as many listen as may", {"retry-after": "10"})
        if request.method == "HEAD":  # whose client waits for nothing
            return Response(media_type="text/event-stream")
        return StreamingResponse(self._streams.stream(), media_type="text/event-stream")

    async def explain(self, request: Request, **asked: Any) -> Any:
        """Say what would become of a request; a path is one of the host that was asked."""
        asked_host = f"{request.url.scheme}://{request.url.netloc}"
        try:
            url = absolute(asked.pop("url"), self._cache.settings.base_url or asked_host)
            said = await self._cache.explain(asked.pop("method"), url, **asked)
        except ValueError as error:
            raise Unprocessable("url", str(error)) from None
        values = {field.name: getattr(said, field.name) for field in fields(said)}
        return plain(Explained(**values, text=str(said)))

    async def purges(self, request: Request) -> Any:
        """Return the latest purges, the newest first."""
        del request
        return plain(PastPurges(tuple(map(_past, reversed(self._services.observer.recent_purges)))))

    async def purge(self, request: Request, *, dry_run: bool, **named: Unpack[Named]) -> Any:
        """Void what is named, or say what that would be."""
        try:
            tags = self._orders.selection(named).names
        except NamesNothing as error:
            raise Unprocessable(error.selector, str(error)) from None
        if dry_run:
            found = await self._inventory.count(tags, all_of=named["all_of"])
            return plain(found)
        acknowledged = True
        try:
            await self._orders.purge(who(request), **named)
        except PurgeNotAcknowledged:
            acknowledged = False
        self._audit(request, "purged %s (acknowledged: %s)", _shown(named), acknowledged)
        return plain(Purged(purged=True, acknowledged=acknowledged))

    async def entries(self, request: Request, **asked: Any) -> Any:
        """Return a page of what is stored."""
        del request
        return plain(await self._inventory.page(**asked))

    async def entry(self, request: Request, *, body: str) -> Any:
        """Return one stored response with its fields, and with its body if asked for."""
        key = request.path_params["key"]
        found = await self._inventory.entry(key, with_body=body == "1")
        if found is None:
            raise Unprocessable("key", f"nothing is stored under {key!r}", 404)
        return found

    async def warm(self, request: Request, **asked: Any) -> Any:
        """Have responses made and stored."""
        urls: tuple[str, ...] = asked["urls"]
        self._audit(request, "warms %s for user %s", urls, asked["user"])
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(url: str) -> Warmed:
            async with limit:
                return await self._warmed(url, asked["user"], asked["headers"])

        return plain(WarmedAll(tuple(await asyncio.gather(*map(one, urls)))))

    async def _warmed(self, url: str, user: str | None, headers: Mapping[str, str]) -> Warmed:
        limit = asyncio.timeout(LONGEST)
        try:
            async with limit:
                outcome = await self._cache.warm(url, user=user, headers=headers)
        except ValueError as error:
            return Warmed(url, error=str(error))
        except Exception as error:  # noqa: BLE001 - the others are warmed all the same
            if limit.expired():
                return Warmed(url, error=f"the app took more than {LONGEST:g} seconds")
            say(logger, logging.ERROR, "a URL could not be warmed: %r", url, error=error)
            return Warmed(url, error=f"the app raised {type(error).__name__}")
        stored, result = outcome.stored or outcome.hit, outcome.result
        return Warmed(url, stored, result, outcome.status, outcome.detail, None)

    async def breaker(self, request: Request) -> Any:
        """Return the state of the circuit breaker."""
        del request
        return plain(self._state_of(self._cache.store.breaker))

    async def set_breaker(self, request: Request, *, action: str) -> Any:
        """Open the breaker for a while, or have the server tried at once."""
        breaker = self._cache.store.breaker
        if breaker is None:
            raise Unprocessable(None, "the store is in this process: it has no breaker", 409)
        self._audit(request, "sets the circuit breaker: %s", action)
        if action == "open":
            breaker.hold(HELD)
        else:
            breaker.release()
            await self._until_tried(breaker)
        return plain(self._state_of(breaker))

    async def _until_tried(self, breaker: Breaker) -> None:
        """Have the server tried, and wait a moment for what comes of it."""
        deadline = time.monotonic() + TRIAL
        while not breaker.is_closed and time.monotonic() < deadline:
            with suppress(StoreUnavailable):
                await self._cache.store.get(NO_KEY, latest=True)
            await asyncio.sleep(TRIAL / 20)

    def _state_of(self, breaker: Breaker | None) -> BreakerState:
        if breaker is None:
            return BreakerState(None, by_hand=False, process=this_process())
        return BreakerState(breaker.state.value, breaker.is_held, this_process())

    def _audit(self, request: Request, what: str, *about: object) -> None:
        """Log who changes what; all that a request can say is escaped."""
        said = what % tuple(map(repr, about))
        say(logger, logging.INFO, "%r at %r %s", who(request), address_of(request), said)


def who(request: Request) -> str:
    """Return who asks: a name that the guard gave, or how they were let in."""
    return cast("str", request.scope[WHO])


def _past(ordered: Ordered) -> PastPurge:
    """Return what the API says of a purge."""
    return PastPurge(
        at=ordered.at,
        named=dict(ordered.named),
        all_of=ordered.all_of,
        soft=ordered.soft,
        by=ordered.by,
        acknowledged=ordered.acknowledged,
    )


def _shown(named: Named) -> dict[str, object]:
    return {name: each for name, each in named.items() if each or each == 0}


def _stated(pattern: str, rule: Rule | None, said_by: str) -> StatedRule:
    stated = {} if rule is None else stated_in(rule)
    return StatedRule(pattern, rule is None, stated, said_by)
