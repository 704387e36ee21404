"""``make pairs COUNT=100000``: requests of two users at a time, and what of one the other is sent.

Everything is drawn from a seed: what users ask for and how they are told from one another, what
the app says of its answers, and what happens in between. The app puts the name of whoever asks
into all that it answers, unless it says that the answer is for everybody. So nobody may ever be
sent another's name.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from random import Random
from typing import Any

from starlette.authentication import SimpleUser

from asgi_cache import CacheMiddleware
from asgi_cache.stores.memory import MemoryStore
from tests.bare import Answer, Clock, Response, ask

NAMES = ("alice", "bobby", "carol", "daisy")
EVERYBODY = "everybody"
FIELDS = ("authorization", "cookie", "x-api-key", "x-who")
RULES: dict[str, Any] = {
    "/own/*": 30,
    "/stale/*": {"ttl": 5, "stale_while_revalidate": 60, "stale_if_error": 60, "tags": ["{user}"]},
    "/kept/*": {"ttl": 30, "store_private": True, "purge": ["{user}"]},
    "/posted/*": {"ttl": 30, "methods": ["GET", "POST"], "vary": ["Accept-Language"]},
    "/strict/*": {"ttl": 30, "coherence": "strict", "status_ttl": {404: 9, 500: 9}},
    "/all/*": {"ttl": 30, "public": True},
    "/never/*": None,
}
PLACES = (*(pattern[:-1] for pattern in RULES), "/free/")
RESTRICTIONS = (
    *("private", "no-cache", "no-store", "private, max-age=9"),
    *("max-age=9, must-revalidate", 'max-age=9, private="x-name"', "max-age=9, no-cache"),
)
SHARING = ("public, max-age=9", "s-maxage=9", "public, max-age=2, stale-while-revalidate=9")
WISHES = (
    *(
        {},
        {},
        {},
        {},
        {},
        {},
        {},
        {},
        {"Cache-Control": "no-cache"},
        {"Cache-Control": "max-stale"},
    ),
    *({"Range": "bytes=0-3"}, {"If-None-Match": '"1"'}, {"Accept-Language": "de"}),
    *({"X-Forwarded-Host": "a.example"}, {"Cache-Control": "max-age=3"}),
)


@dataclass
class Pairs:
    """A cache, an app behind it, and users who ask two at a time."""

    seed: int
    leaks: list[str] = field(default_factory=list)
    requests: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        """Make the cache."""
        self._random = Random(self.seed)
        self._clock = Clock()
        store = MemoryStore(2**20, clock=self._clock)
        self._cache = CacheMiddleware(
            self._answer,
            store=store,
            rules=RULES,
            clock=self._clock,
            user_id=_who_by_field if self.seed % 2 else None,
            until_token_expires=bool(self.seed % 3),
        )

    async def run(self, count: int) -> None:
        """Have so many pairs ask, or stop at the first leak."""
        for _ in range(count):
            await self._pair()
            if self.leaks:
                break
        await self._cache.cache.close()

    async def _pair(self) -> None:
        random, path = self._random, self._path()
        users = random.sample((*NAMES, ""), 2)
        asking = [self._ask(path, user) for user in users]
        if random.random() < 0.3:
            await asyncio.gather(*asking)
        else:
            for each in asking:
                await each
                self._clock.advance(random.choice((0, 0, 0, 0, 1, 7)))
        if random.random() < 0.05:
            await self._cache.cache.purge(path=path, soft=random.random() < 0.5)

    def _path(self) -> str:
        place, number = self._random.choice(PLACES), self._random.randrange(2)
        return f"{place}{number}"

    async def _ask(self, path: str, user: str) -> None:
        random = self._random
        method = random.choice(("GET",) * 20 + ("HEAD", "HEAD", "POST", "PUT"))
        fields = dict(random.choice(WISHES))
        extra: dict[str, Any] = {}
        if user:
            ways = (*FIELDS[: 4 if self.seed % 2 else 3], "verified")
            how = random.choice((*ways, *[ways[NAMES.index(user)]] * 9))
            if how == "verified":
                extra["user"] = SimpleUser(user)
            else:
                fields[how] = f"session={user}" if how == "cookie" else user
        answer = await ask(self._cache, path, fields, method=method, **extra)
        self.requests += 1
        self.hits += "cache-status" in answer and "; hit" in answer["cache-status"]
        self._check(answer, user, f"{method} {path} {fields} {extra}")

    def _check(self, answer: Answer, user: str, asked: str) -> None:
        sent = repr(answer.messages)
        for name in NAMES:
            if name != user and name in sent:
                self.leaks.append(
                    f"seed {self.seed}: {user or 'nobody'} was sent {sent} for {asked}"
                )

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Be the app, which names who asks, unless it says that the answer is for everybody."""
        random, path = self._random, scope["path"]
        asked = {name.decode(): value.decode() for name, value in scope["headers"]}
        name = _name_in(asked) or getattr(scope.get("user"), "username", "nobody")
        is_public = path.startswith("/all/")
        is_for_all = random.random() < (0.8 if is_public else 0.2)
        body = EVERYBODY if is_for_all else name
        said = {"Cache-Control": self._directives(is_for_all, is_public)}
        if not is_for_all:
            said["X-Name"] = name
        if random.random() < 0.1:
            said["Set-Cookie"] = f"seen={name}"
        if random.random() < 0.3:
            said["ETag"] = f'"{body}"'
        if random.random() < 0.2:
            said["Vary"] = random.choice(("Accept-Language", "Cookie", "Authorization, Accept"))
        if random.random() < 0.1:
            said |= {"Content-Location": path, "Location": path, "Cache-Tag": "tagged"}
        is_known = asked.get("if-none-match", "") == said.get("ETag")
        status = 304 if is_known else random.choice((200,) * 12 + (404, 500, 203))
        await asyncio.sleep(0)
        fields = {field: value for field, value in said.items() if value}
        await Response(body.encode(), fields, status).send_to(scope, send)

    def _directives(self, is_for_all: bool, is_public: bool) -> str:
        random = self._random
        if is_for_all:
            return random.choice(SHARING)
        if is_public:  # what a rule calls public, the app has to call private where it is not
            return random.choice(("private", "no-store", "private, max-age=9"))
        return random.choice(("", "max-age=9", *RESTRICTIONS))


def _name_in(fields: dict[str, str]) -> str:
    said = " ".join(fields.get(name, "") for name in FIELDS)
    return next((name for name in NAMES if name in said), "")


def _who_by_field(request: Any) -> str | None:
    """Return what the app says of whose request it is, by a field that is no credential."""
    verified = getattr(request.scope.get("user"), "username", None)
    return request.headers.get("x-who", verified)


def main() -> int:
    """Run so many pairs with different seeds; 1 if anything leaked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    each, done, hits = 5000, 0, 0
    for seed in range(arguments.seed, arguments.seed + -(-arguments.count // each)):
        pairs = Pairs(seed)
        asyncio.run(pairs.run(each))
        done, hits = done + pairs.requests, hits + pairs.hits
        for leak in pairs.leaks:
            sys.stdout.write(f"{leak}\n")
            return 1
    sys.stdout.write(f"{done:,} requests of two users at a time, {hits:,} hits: no leak\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
