"""Traffic of which all is known: thirty routes of an app, and what each of them is like."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import Clock, ask

HOUR = 3600.0


@dataclass(frozen=True)
class Truth:
    """What a route is like."""

    path: str
    kind: str
    every: float = 0.0
    """Seconds between changes; 0: it does not change."""
    takes: float = 0.05
    """Seconds of the app's."""
    urls: int = 5
    users: int = 0
    """How many send credentials; 0: nobody does."""
    by_user: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    written: bool = False
    """It changes where it is written to, and only then."""
    parameter: str | None = None
    """A parameter of the query that the answer does not depend on."""


TRUTHS = (
    *(Truth(f"/pages/{n}/{{name}}", "static") for n in range(4)),
    Truth("/logos/{name}", "static", users=40, urls=1),
    *(Truth(f"/lists/{n}/{{name}}", "semi-static", every=16 * HOUR) for n in range(4)),
    *(Truth(f"/feeds/{n}/{{name}}", "dynamic", every=1.5 * HOUR, urls=2) for n in range(4)),
    *(Truth(f"/ticks/{n}", "volatile", every=1.0, urls=1) for n in range(4)),
    *(Truth(f"/mine/{n}", "personal", users=3, by_user=True, urls=1) for n in range(3)),
    *(Truth(f"/pings/{n}", "cheap", takes=0.0005) for n in range(2)),
    Truth("/session", "secret", fields=(("set-cookie", "s=1"),)),
    Truth("/token", "secret", fields=(("cache-control", "no-store"),)),
    Truth("/account", "secret", users=5, fields=(("cache-control", "private"),)),
    Truth("/search/{name}", "rare", urls=100_000),
    *(Truth(f"/tasks/{n}/{{name}}", "static", written=True) for n in range(3)),
    Truth("/campaigns/{name}", "static", parameter="utm"),
)
assert len(TRUTHS) == 30


@dataclass
class World:
    """The app, its users, and the time that passes."""

    seed: int
    rules: dict[str, object] = field(default_factory=dict)
    observe: bool = False

    def __post_init__(self) -> None:
        self.clock, self.draw = Clock(), random.Random(self.seed)
        self.spent = 0.0
        self.began_at = self.clock.now
        self.versions = defaultdict(int)
        self.cache = Cache(
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
            rules=self.rules,
            observe=self.observe,
        )
        self.cache._services.watcher.timer = lambda: self.spent
        routes = [Route(truth.path, self.endpoint(truth), methods=["GET"]) for truth in TRUTHS]
        routes += [
            Route(truth.path, self.endpoint(truth, writes=True), methods=["PUT"])
            for truth in TRUTHS
            if truth.written
        ]
        self.app = CacheMiddleware(Starlette(routes=routes), cache=self.cache)

    def endpoint(self, truth: Truth, *, writes: bool = False):
        async def answer(request):
            name = request.path_params.get("name", "")
            if writes:
                self.versions[truth.path, name] += 1
                return Response(status_code=204)
            self.spent += truth.takes
            user = request.headers.get("authorization", "") if truth.by_user else ""
            passed = self.clock.now - self.began_at
            change = passed // truth.every if truth.every else self.versions[truth.path, name]
            body = f"{truth.path} {name} {user} {change} " + "x" * 200
            return Response(body, headers=dict(truth.fields))

        return answer

    async def run(self, requests: int, hours: float) -> Counter[tuple[str, str]]:
        """Make that many requests in so many hours; what ``Cache-Status`` said of them, by path."""
        said: Counter[tuple[str, str]] = Counter()
        for _ in range(requests):
            self.clock.advance(self.draw.expovariate(requests / (hours * HOUR)))
            truth = self.draw.choice(TRUTHS)
            path = truth.path.replace("{name}", str(self.draw.randrange(truth.urls)))
            if truth.written and self.draw.random() < 0.05:
                await ask(self.app, path, method="PUT")
                continue
            if truth.parameter:
                path += f"?{truth.parameter}={self.draw.randrange(50)}"
            who = self.draw.randrange(truth.users) if truth.users else 0
            user = f"Bearer {who}" if truth.users and (who or truth.by_user) else None
            got = await ask(self.app, path, [("Authorization", user)] if user else ())
            is_hit = "cache-status" in got and "; hit" in got["cache-status"]
            said[truth.path, "hit" if is_hit else "other"] += 1
        return said
