"""What an app answers with a cache in front of it, beside what it answers without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgi_cache import CacheMiddleware
from tests.bare import Answer, Fields, ask

HIT, MISS = "hit", "fwd=uri-miss; stored"
ADDED = frozenset({"age", "cache-control", "cache-status", "content-length", "etag"})
"""The fields that the cache may add to a response; a stream that has ended has a length."""

RULES = {"/**": "5m"}


def wrapped(app: Any) -> CacheMiddleware:
    """Put a cache that stores whatever may be stored in front of the whole of *app*."""
    return CacheMiddleware(app, rules=RULES)


def inside(app: Any) -> Any:
    """Put it where `add_middleware` does: behind what is added to *app* later."""
    app.add_middleware(CacheMiddleware, rules=RULES)
    return app


def what_became(answer: Answer) -> str | None:
    """Return what ``Cache-Status`` says without the cache's name, if it says anything."""
    if "cache-status" not in answer:
        return None
    return answer.cache_status.removeprefix("asgi-cache; ")


async def answers_alike(
    make: Callable[[], Any],
    target: str = "/",
    fields: Fields = (),
    *,
    then: tuple[str | None, ...] = (MISS, HIT),
    cache: Callable[[Any], Any] = wrapped,
    **options: Any,
) -> list[Answer]:
    """Ask an app twice with a cache and once without; check that nothing else differs.

    *make* makes the app anew, and *then* is what becomes of the requests. Status and body are
    the same, byte for byte, and so are the fields, in number and value, but for those that the
    cache adds where the app has none of that name.
    """
    plain = await ask(make(), target, fields, **options)
    app = cache(make())
    answers = [await ask(app, target, fields, **options) for _ in then]
    assert [what_became(answer) for answer in answers] == list(then)
    own = {name for name, _ in plain.fields}
    for answer in answers:
        kept = [(n, v) for n, v in answer.fields if n in own or n not in ADDED]
        assert (answer.status, sorted(kept)) == (plain.status, sorted(plain.fields))
        assert answer.body == plain.body
    return answers
