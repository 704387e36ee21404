"""The middleware: an ASGI app that answers for another one when it can."""

from __future__ import annotations

from time import perf_counter
from typing import Unpack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_cache.cache import SCOPE_KEY, Cache
from asgi_cache.errors import ConfigurationError
from asgi_cache.options import CacheOptions
from asgi_cache.shortcut import Pending
from asgi_cache.targets import Pass


class CacheMiddleware:
    """A shared HTTP cache in front of *app*.

    Give it a `Cache` to hold on to, or the keyword arguments of one. Websockets and
    everything else that is not HTTP go to the app untouched.
    """

    def __init__(
        self, app: ASGIApp, *, cache: Cache | None = None, **options: Unpack[CacheOptions]
    ) -> None:
        if cache is not None and options:
            raise ConfigurationError(
                f"CacheMiddleware: {', '.join(sorted(options))} given beside cache=; "
                "a Cache has its own settings"
            )
        if not isinstance(cache, Cache | None):
            raise ConfigurationError(f"CacheMiddleware: cache={cache!r} is not a Cache")
        self.app = app
        self.cache: Cache = Cache(**options) if cache is None else cache
        self.cache.attach(app)
        self._take = self.cache.shortcut.take
        self._is_counting = self.cache.settings.metrics
        self._observer = self.cache.observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request; pass everything else on."""
        if scope["type"] == "http":
            began_at = perf_counter()
            answer = self._take(scope)
            pending = None
            if type(answer) is Pending:
                pending, answer = answer, await answer.answer(began_at)
            if isinstance(answer, tuple):
                head, body, hits = answer
                await send(head)
                await send(body)
                if self._is_counting:
                    seconds = perf_counter() - began_at
                    hits.bytes += len(body["body"])
                    hits.times.append(seconds)
                    if hits.is_logged:
                        self._observer.log_hit(hits, scope["method"], body["body"], seconds)
                return
            scope[SCOPE_KEY] = self.cache
            if isinstance(answer, Pass):
                if self._is_counting:
                    self._observer.note_passed(answer.tally, scope["method"])
                await self.app(scope, receive, send)
            else:
                await self.cache.handle(self.app, scope, receive, send, pending, began_at)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, self._attending(send))
        else:
            scope[SCOPE_KEY] = self.cache
            await self.app(scope, receive, send)

    def _attending(self, send: Send) -> Send:
        """Prepare the cache when the app has started, and close it when the app has stopped."""

        async def attend(message: Message) -> None:
            if message["type"] in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
                await self.cache.close()
            if message["type"] == "lifespan.startup.complete":
                self.cache.read_routes()
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self.cache.begin_warming()

        return attend
