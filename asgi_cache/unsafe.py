"""Requests that change something: what a success makes untrue is voided (RFC 9111, 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from starlette.types import ASGIApp, Message, Receive, Scope

from asgi_cache.asking import OWN, Unanswerable, ask
from asgi_cache.delivery import Delivery
from asgi_cache.errors import StoreUnavailable
from asgi_cache.flight import has_background
from asgi_cache.identity import user_name
from asgi_cache.policy.fields import Fields, combined
from asgi_cache.policy.invalidation import is_successful, pointed_to, same_origin
from asgi_cache.policy.rule import Rule
from asgi_cache.request_body import WatchedReceive
from asgi_cache.responder import Responder
from asgi_cache.run import Run
from asgi_cache.services import Services
from asgi_cache.tags import collecting_tags, group_tags, named_tag, rendered
from asgi_cache.targets import Target

under_way: set[asyncio.Future[bool]] = set()
"""Purges that are being recorded, so that they are not collected before they are done."""

ABOUT_CONTENT = frozenset({b"content-length", b"transfer-encoding"})


class Unsafe:
    """One unsafe request for *target*; *own* is what GET of the same URL would ask for."""

    def __init__(
        self,
        services: Services,
        target: Target,
        own: Target,
        scope: Scope,
        responder: Responder,
    ) -> None:
        self._services = services
        self._target = target
        self._own = own
        self._scope = scope
        self._responder = responder
        self._delivery: Delivery | None = None
        self._recording: Run | None = None
        self._voided: list[str] = []
        self._is_recorded = False
        """What this request makes untrue is void."""
        self._changes = services.holdings.changes
        self._answered = False
        self._watched: WatchedReceive | None = None
        self._handlers_tags: list[str] = []

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        """Run *app*; its client hears of a success only after the invalidation.

        A client that has been told of its write must never read what was there before. An
        app may commit after it has answered, so that what was read in between is voided too.
        """
        try:
            self._watched = WatchedReceive(receive)
            with collecting_tags() as self._handlers_tags:
                await app(self._scope, self._watched, self.send)
        except asyncio.CancelledError:
            if not self._answered and OWN not in self._scope:  # nobody knows how far the app came
                await self._invalidate(())
            raise
        finally:
            if self._delivery is not None:
                await self._delivery.end()
            spared = self._spared()
            if again := [tag for tag in self._voided if tag not in spared]:
                await self._purge(again)

    def _spared(self) -> Collection[str]:
        """Return the tags of the answer that was stored, which is what it is after the commit."""
        stored = self._recording is not None and self._recording.kept
        return () if not stored else (*self._own.tags, *stored.tags)

    async def send(self, message: Message) -> None:
        """Take one message of the app's."""
        self._answered = True
        is_head = message["type"] == "http.response.start" and OWN not in self._scope
        if is_head and is_successful(message["status"]):
            message = {**message, "headers": list(message.get("headers", ()))}
            fields = [(name.lower(), value) for name, value in message["headers"]]
            await self._invalidate(fields)
            self._recording = await self._record_answer(fields)
        if self._recording is not None:
            await self._recording.send(message)
        else:
            await self._responder.message(message)

    async def _invalidate(self, fields: Fields) -> None:
        """Void the request's own URL, those that the response points to, and the rule's tags."""
        own, root_path = self._own, self._scope.get("root_path", "")
        targets = self._services.targets
        tags = [
            *([] if own.rule is None else [own.tags[0]]),
            *(targets.url_tag(url, root_path) for url in pointed_to(own.url, fields)),
            *group_tags(fields, b"cache-group-invalidation", own.origin),
            *map(named_tag, await self._rule_tags()),
        ]
        if tags:
            self._voided = tags
            self._services.observer.invalidations += 1
            self._services.tell("invalidated", route=self._target.pattern, tags=len(tags))
            self._is_recorded = await self._purge(tags)

    async def _purge(self, tags: list[str]) -> bool:
        """Record a purge, and say whether it was; a client that leaves does not stop it."""
        if not has_background():
            return await self._record(tags)
        task = asyncio.ensure_future(self._record(tags))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return await asyncio.shield(task)

    async def _record(self, tags: list[str]) -> bool:
        try:
            await self._services.holdings.purge(tags, hasty=True)
        except StoreUnavailable:
            return False  # which the store tells of
        return True

    async def _rule_tags(self) -> list[str]:
        """Return the tags that the route's rule says a success purges."""
        target = self._target
        if target.rule is None or not target.rule.purge:
            return []
        needs_user = any("{user}" in template for template in target.rule.purge)
        user = await self._user(target.rule) if needs_user else ""
        return rendered(target.rule.purge, target.params, target.query, user)

    async def _user(self, rule: Rule) -> str:
        identity = self._services.identity
        credentials = identity.credentials(self._scope["headers"], cookies=rule.cookies == "safe")
        try:
            return user_name(await identity.partition(self._scope, credentials))
        except Exception as error:  # noqa: BLE001 - {user} is left empty, and the write goes on
            self._services.tell("user-id-failed", error, route=self._target.pattern)
            return ""

    async def _record_answer(self, fields: Fields) -> Run | None:
        """Begin to record a response to POST that says it is one to GET as well.

        It is born after the invalidation, which it survives (RFC 9110, section 9.3.3). If
        anything else was purged since the request came, it may be older than that.
        """
        own, birth = self._own, self._services.holdings.birth()  # before anything is awaited
        if not self._is_recorded or self._services.holdings.changes != self._changes + 1:
            return None
        located = combined(fields, b"content-location")
        is_own = located is not None and same_origin(own.url, located) == own.url
        if self._scope["method"] != "POST" or own.rule is None or not is_own:
            return None
        if self._scope.get("query_string", b"") != own.query:
            return None  # the app has seen more of the query than the key would hold
        headers = [pair for pair in self._scope["headers"] if pair[0] not in ABOUT_CONTENT]
        scope = {**self._scope, "method": "GET", "headers": headers}
        asked = await ask(scope, nothing_more, own, own.rule, self._services)
        if isinstance(asked, Unanswerable):
            return None
        self._responder.outcome.forwarded = "method"
        posted = replace(asked, request=replace(asked.request, method="POST"))
        self._delivery = Delivery(posted, None, self._services, self._responder)
        run = Run(posted, None, self._services, birth, self._delivery.take)
        run.attend(self._watched, self._handlers_tags)
        return run


async def nothing_more() -> Message:
    """Receive nothing: the app has the request already."""
    return {"type": "http.disconnect"}
