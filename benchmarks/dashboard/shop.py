"""A shop with 50,000 products, all of them stored, and customers who ask for some again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware
from tests.bare import ask

STORED: Final = 50_000
AT_ONCE: Final = 500
TOKEN: Final = "a-token-for-this-run"  # noqa: S105 - of an app that nobody else reaches

PATHS: Final = ("/products/{}", "/products/{}/reviews", "/search?q=shoes+{}", "/stock/{}", "/me")
WEIGHTS: Final = (50, 20, 15, 10, 5)

RULES: Final = {
    "/products/{product}": {"ttl": "1h", "tags": ["products", "product:{product}"]},
    "/products/{product}/reviews": {"ttl": "5s", "stale_while_revalidate": "1m"},
    "/search": {"ttl": "30s", "tags": ["search"]},
    "/stock/**": None,
    "/cache/**": None,
}


class Shop:
    """The app, its cache, and who comes by."""

    def __init__(self, seed: int = 7) -> None:
        self.cache = Cache(store="memory://?max=256mb", rules=RULES)
        self._random = Random(seed)  # noqa: S311 - it is for chance, not for secrets
        routes = [
            Mount("/cache", self.cache.admin(token=TOKEN)),
            Route("/{path:path}", self._answer, methods=["GET", "POST"]),
        ]
        app = Starlette(routes=routes, lifespan=self._lifespan)
        self.app = CacheMiddleware(app, cache=self.cache)

    async def _answer(self, request: Request) -> Response:
        await asyncio.sleep(self._random.lognormvariate(-3.6, 0.7))
        private = {"Cache-Control": "private"} if request.url.path == "/me" else None
        return JSONResponse({"path": request.url.path, "text": "…" * 200}, headers=private)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Fill the store before anybody is let in; then have customers come by."""
        for start in range(0, STORED, AT_ONCE):
            asking = (ask(self.app, f"/products/{start + each}") for each in range(AT_ONCE))
            await asyncio.gather(*asking)
        customers = [asyncio.create_task(self._come_by()) for _ in range(8)]
        yield
        for customer in customers:
            customer.cancel()

    async def _come_by(self) -> None:
        while True:
            path = self._random.choices(PATHS, WEIGHTS)[0]
            number = int(self._random.paretovariate(0.6)) % STORED
            await ask(self.app, path.format(number))
            if self._random.random() < 0.004:
                await self.cache.purge(tags=f"product:{number}")
            await asyncio.sleep(self._random.expovariate(12))
