"""The app of the simulated processes: it says what it knew, in a body that can be checked."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.bare import Response

LENGTHS = (1, 100, 5000)
TIMES = (0.001, 0.01, 0.1, 0.3)

RULES = {
    "/stale": {"ttl": 4, "stale_while_revalidate": 30, "tags": ["all", "stale"]},
    "/failing": {"ttl": 2, "stale_if_error": 60, "tags": ["all"]},
    "/strict": {"ttl": 600, "coherence": "strict", "tags": ["all"]},
    "/public": {"ttl": 600, "public": True, "tags": ["all"]},
    "/**": {"ttl": 600, "tags": ["all"]},
}
PATHS = ("/plain", "/stale", "/failing", "/strict", "/public", "/private", "/vary")


class Truth:
    """What the database of all processes holds: a version of each path."""

    def __init__(self, draw):
        self.draw = draw
        self.versions = Counter()
        self.runs = Counter()

    def change(self, path):
        """Commit a change; the new version."""
        self.versions[path] += 1
        return self.versions[path]

    async def __call__(self, scope, receive, send):
        """Answer one request."""
        if scope["method"] == "POST":
            await asyncio.sleep(self.draw.random() * 0.02)
            await Response(b"%d" % self.change(scope["path"])).send_to(scope, send)
        else:
            await self._read(scope, send)

    async def _read(self, scope, send):
        """Read the version at one moment, and answer at another."""
        path, fields = scope["path"], dict(scope["headers"])
        user = fields.get(b"authorization", b"").decode()
        accept = fields.get(b"accept", b"").decode()
        version = self.versions[path]
        self.runs[path, user, accept] += 1
        await asyncio.sleep(self.draw.choice(TIMES))
        if path == "/failing" and self.draw.random() < 0.3:
            await self._fail(scope, send)
        else:
            await self._answer(scope, send, f"{path}|{user}|{accept}|{version}|".encode())

    async def _fail(self, scope, send):
        if self.draw.random() < 0.5:
            raise ZeroDivisionError
        await Response(b"sorry", status=503).send_to(scope, send)

    async def _answer(self, scope, send, head):
        body = head + b"x" * self.draw.choice(LENGTHS)
        special = {"/private": {"Cache-Control": "private"}, "/vary": {"Vary": "Accept"}}
        fields = special.get(scope["path"], {})
        third = len(body) // 3
        chunks = (body[:third], body[third : 2 * third], body[2 * third :])
        streamed = self.draw.random() < 0.4

        async def slowly(message):
            await send(message)
            if streamed:
                await asyncio.sleep(self.draw.random() * 0.02)

        await Response(body, fields, chunks=chunks if streamed else None).send_to(scope, slowly)


def parsed(body):
    """Return path, user, accept and version of a body; nothing if it is not whole."""
    parts = body.split(b"|")
    if len(parts) != 5 or parts[4].strip(b"x") or len(parts[4]) not in LENGTHS:
        return None
    path, user, accept, version, _ = parts
    return path.decode(), user.decode(), accept.decode(), int(version)
