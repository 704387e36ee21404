"""What is asked of each cache: each part of a probe opens an app, and says yes, no or a number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.peers.handlers import Handler, Reply
from tests.bare import Answer, Message

Ask = Callable[..., Awaitable[Answer]]
Behind = Callable[..., AbstractAsyncContextManager[Ask]]
"""Opens a handler behind the cache, for so many seconds of freshness as ``ttl`` says."""

PAST_ONE_SECOND = 2.5
"""Seconds until what was stored for one second is stale, in whole seconds too."""
CLIENTS = 100
DIGITS = 1234567890
"""A body of ten bytes, each range of which is JSON again."""


class Inconclusive(Exception):
    """A probe did not come to its question: a mistake of this program, not of the peer's."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One row of the table, and what has to hold for its ``yes``."""

    name: str
    title: str
    parts: Mapping[str, Callable[[Behind], Awaitable[bool | int]]]


def counted(*fields: tuple[str, str]) -> Handler:
    """Make a handler whose body says how often it ran."""

    async def answer(_: str, __: Mapping[str, str]) -> Reply:
        return Reply(handler.runs, fields)

    handler = Handler(answer)
    return handler


def echo(field: str, *fields: tuple[str, str], declared: bool) -> Handler:
    """Make a handler whose body is the value of a request field."""

    async def answer(_: str, given: Mapping[str, str]) -> Reply:
        return Reply(given.get(field), fields)

    return Handler(answer, reads=field, declared=declared)


async def second_get_is_a_hit(behind: Behind) -> bool:
    """The control: what caches nothing would pass most of the others."""
    handler = counted()
    async with behind(handler) as ask:
        first, second = await ask(), await ask()
    return handler.runs == 1 and first.body == second.body == b"1"


async def own_response(behind: Behind, *, field: str, declared: bool) -> bool:
    """Another user's response must not be one's own."""
    handler = echo(field, declared=declared)
    async with behind(handler) as ask:
        answers = [await ask({field: user}) for user in ("user=alice", "user=bob")]
    return [answer.body for answer in answers] == [b'"user=alice"', b'"user=bob"']


async def own_response_again(behind: Behind, *, declared: bool) -> bool:
    """Each of two users is answered from the cache the second time."""
    handler = echo("authorization", declared=declared)
    async with behind(handler) as ask:
        users = ("alice", "bob", "alice", "bob")
        bodies = [(await ask({"authorization": user})).body for user in users]
    return handler.runs == 2 and bodies == [b'"alice"', b'"bob"'] * 2


async def not_stored(behind: Behind, *, directive: str) -> bool:
    """The handler runs for each request."""
    handler = counted(("cache-control", directive))
    async with behind(handler) as ask:
        bodies = [(await ask()).body for _ in range(2)]
    return bodies == [b"1", b"2"]


async def cookie_stays_private(behind: Behind, *fields: tuple[str, str]) -> bool:
    """The first client gets its cookie, and the second one does not get that cookie too."""

    async def answer(_: str, __: Mapping[str, str]) -> Reply:
        return Reply(fields=(("set-cookie", f"session={handler.runs}"),))

    handler = Handler(answer)
    async with behind(handler) as ask:
        first, second = [(await ask(fields)).all("set-cookie") for _ in range(2)]
    return first == ["session=1"] and first != second


async def vary_is_respected(behind: Behind, *, declared: bool) -> bool:
    """A client that prefers German does not get what was stored for English."""
    handler = echo("accept-language", ("vary", "Accept-Language"), declared=declared)
    async with behind(handler) as ask:
        bodies = [(await ask({"accept-language": language})).body for language in ("en", "de")]
    return bodies == [b'"en"', b'"de"']


async def not_poisoned(behind: Behind, *, field: str, declared: bool) -> bool:
    """What one client put into a field, and the handler repeats, is not what others are sent."""

    async def answer(_: str, given: Mapping[str, str]) -> Reply:
        return Reply(given.get(field, "nothing"))

    async with behind(Handler(answer, reads=field, declared=declared)) as ask:
        evil, clean = await ask({field: "evil.example"}), await ask()
    if evil.body != b'"evil.example"':
        raise Inconclusive("the handler did not repeat the field")
    return clean.status == 200 and b"evil" not in clean.body


async def origin_is_not_everybodys(behind: Behind) -> bool:
    """A response that one origin may read does not keep others out."""

    async def answer(_: str, given: Mapping[str, str]) -> Reply:
        allowed = ("access-control-allow-origin", given.get("origin", "none"))
        return Reply("hello", (allowed,))

    origins = ("https://evil.example", "https://good.example")
    async with behind(Handler(answer, reads="origin")) as ask:
        answers = [await ask({"origin": origin}) for origin in origins]
    return [answer.all("access-control-allow-origin") for answer in answers] == [
        [origin] for origin in origins
    ]


async def error_is_not_everybodys(behind: Behind, *, status: int) -> bool:
    """An error that one request provoked, and that a middleware calls fresh, is its own."""

    async def answer(_: str, given: Mapping[str, str]) -> Reply:
        failed = "x-odd" in given
        fields = (("cache-control", "max-age=60"),)
        return Reply("no" if failed else "yes", fields, status if failed else 200)

    async with behind(Handler(answer, reads="x-odd")) as ask:
        provoked, other = await ask({"x-odd": "1"}), await ask()
    if provoked.status != status:
        raise Inconclusive("the handler did not fail")
    return (other.status, other.body) == (200, b'"yes"')


async def get_after_head(behind: Behind, *, bodiless: bool) -> bool:
    """The response to a HEAD request has no body to give to a GET."""
    handler = counted()
    handler.bodiless_head = bodiless
    async with behind(handler) as ask:
        head, get = await ask(method="HEAD"), await ask()
    return head.status == get.status == 200 and get.body in (b"1", b"2")


async def lines_are_kept(behind: Behind) -> bool:
    """A response from the cache has both lines of a field."""
    links = [("link", "</a>; rel=next"), ("link", "</b>; rel=prev")]
    handler = counted(*links)
    async with behind(handler) as ask:
        answers = [await ask() for _ in range(2)]
    return handler.runs == 1 and all(
        a.all("link") == [value for _, value in links] for a in answers
    )


async def not_modified(behind: Behind, *fields: tuple[str, str]) -> bool:
    """Whoever has the response gets 304 for its ETag."""
    handler = counted(*fields)
    async with behind(handler) as ask:
        sent = [tag for _ in range(2) for tag in (await ask()).all("etag")]
        return bool(sent) and (await ask({"if-none-match": sent[0]})).status == 304


async def no_cache_reaches_the_handler(behind: Behind) -> bool:
    """A client can ask for a response that was made for it."""
    handler = counted()
    async with behind(handler) as ask:
        await ask()
        answer = await ask({"cache-control": "no-cache"})
    return answer.body == b"2"


async def put_ends_the_stored_response(behind: Behind) -> bool:
    """After a PUT that succeeds, a GET shows what it did."""
    stored = "old"

    async def answer(method: str, _: Mapping[str, str]) -> Reply:
        nonlocal stored
        stored = "new" if method == "PUT" else stored
        return Reply(stored)

    async with behind(Handler(answer)) as ask:
        bodies = [(await ask(method=method)).body for method in ("GET", "PUT", "GET")]
    return bodies == [b'"old"', b'"new"', b'"new"']


def digits() -> Handler:
    """Make a handler that can answer with its first four bytes itself."""

    async def answer(_: str, given: Mapping[str, str]) -> Reply:
        if given.get("range") != "bytes=0-3":
            return Reply(DIGITS)
        return Reply(1234, (("content-range", "bytes 0-3/10"),), status=206)

    return Handler(answer, reads="range")


async def range_from_the_cache(behind: Behind) -> bool:
    """A part of what is stored is sent without asking the app."""
    handler = digits()
    async with behind(handler) as ask:
        await ask()
        part = await ask({"range": "bytes=0-3"})
    return handler.runs == 1 and (part.status, part.body) == (206, b"1234")


async def part_is_not_the_whole(behind: Behind) -> bool:
    """What was sent to a client that wanted a part is not sent to one that wants all."""
    async with behind(digits()) as ask:
        await ask({"range": "bytes=0-3"})
        whole = await ask()
    return (whole.status, whole.body) == (200, b"1234567890")


async def first_chunk_is_not_held_back(behind: Behind) -> bool:
    """The client has the first chunk while the handler still makes the last one."""
    arrived = asyncio.Event()
    early = False

    async def on_message(message: Message) -> None:
        if b"first" in message.get("body", b""):
            arrived.set()

    async def answer(_: str, __: Mapping[str, str]) -> Reply:
        async def chunks() -> Any:
            nonlocal early
            yield b"first"
            try:
                async with asyncio.timeout(0.5):
                    early = await arrived.wait()
            except TimeoutError:
                early = False
            yield b"last"

        return Reply(chunks=chunks())

    async with behind(Handler(answer)) as ask:
        got = await ask(on_message=on_message)
    return early and got.body == b"firstlast"


async def runs_for_concurrent_misses(behind: Behind) -> int:
    """Many clients ask for the same at once, and a handler takes 50 ms."""

    async def answer(_: str, __: Mapping[str, str]) -> Reply:
        await asyncio.sleep(0.05)
        return Reply()

    handler = Handler(answer)
    async with behind(handler) as ask:
        answers = await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    if {(a.status, a.body) for a in answers} != {(200, b'"hello"')}:
        raise Inconclusive("not all clients were answered")
    return handler.runs


async def stale_is_better_than_an_error(behind: Behind, *, failure: Reply | Exception) -> bool:
    """The app fails after what it said may be used in that case."""

    async def answer(_: str, __: Mapping[str, str]) -> Reply:
        if handler.runs == 1:
            return Reply("good", (("cache-control", "max-age=1, stale-if-error=60"),))
        if isinstance(failure, Exception):
            raise failure
        return failure

    handler = Handler(answer)
    async with behind(handler, ttl=1) as ask:
        await ask()
        await asyncio.sleep(PAST_ONE_SECOND)
        later = await ask()
    if handler.runs == 1:
        raise Inconclusive("the stored response was not stale")
    return (later.status, later.body) == (200, b'"good"')


def _both_ways(part: Any, **settings: Any) -> Mapping[str, Any]:
    """Ask for a handler that reads the request, and for one that declares an argument."""
    return {
        "the handler reads the field from the request": partial(part, declared=False, **settings),
        "the handler declares it as an argument": partial(part, declared=True, **settings),
    }


PROBES = (
    Probe("hit", "A second GET is answered from the cache", {"": second_get_is_a_hit}),
    Probe(
        "authorization",
        "Another `Authorization`: not another user's response",
        _both_ways(own_response, field="authorization"),
    ),
    Probe(
        "cookie",
        "Another `Cookie`: not another user's response",
        _both_ways(own_response, field="cookie"),
    ),
    Probe(
        "own",
        "Responses to `Authorization` are cached, for each user",
        _both_ways(own_response_again),
    ),
    Probe(
        "restrictions",
        "The handler's `private` and `no-store` are respected",
        {
            "private": partial(not_stored, directive="private, max-age=60"),
            "no-store": partial(not_stored, directive="no-store"),
        },
    ),
    Probe(
        "set-cookie",
        "`Set-Cookie` is not sent to another client",
        {
            "clients without cookies": cookie_stays_private,
            "clients with the same cookie": lambda behind: cookie_stays_private(
                behind, ("cookie", "theme=dark")
            ),
        },
    ),
    Probe("vary", "The handler's `Vary` is respected", _both_ways(vary_is_respected)),
    Probe(
        "forwarded",
        "`X-Forwarded-Host` that the handler repeats: not sent to others",
        _both_ways(not_poisoned, field="x-forwarded-host"),
    ),
    Probe(
        "origin",
        "`Access-Control-Allow-Origin` for one origin: not sent to others",
        {"": origin_is_not_everybodys},
    ),
    Probe(
        "error",
        "An error with `max-age` that one request provoked: not sent to others",
        {
            "400": partial(error_is_not_everybodys, status=400),
            "500": partial(error_is_not_everybodys, status=500),
        },
    ),
    Probe(
        "head",
        "HEAD, then GET: the whole body",
        {
            "a handler that sends no body to HEAD": partial(get_after_head, bodiless=True),
            "one that leaves that to the server": partial(get_after_head, bodiless=False),
        },
    ),
    Probe("lines", "A field sent twice is kept twice (`Link`)", {"": lines_are_kept}),
    Probe(
        "not-modified",
        "`If-None-Match` with the ETag it was sent: 304",
        {
            "an ETag of the cache": not_modified,
            "an ETag of the handler": lambda behind: not_modified(behind, ("etag", '"v1"')),
        },
    ),
    Probe(
        "no-cache", "A client's `no-cache` reaches the handler", {"": no_cache_reaches_the_handler}
    ),
    Probe("put", "PUT ends the stored response to GET", {"": put_ends_the_stored_response}),
    Probe("range", "A range of a stored response: 206 from the cache", {"": range_from_the_cache}),
    Probe("part", "A 206 is never taken for the whole", {"": part_is_not_the_whole}),
    Probe(
        "stream",
        "A stream's first chunk is sent before its last is made",
        {"": first_chunk_is_not_held_back},
    ),
    Probe(
        "stale",
        "The handler fails: `stale-if-error`",
        {
            "an exception": partial(
                stale_is_better_than_an_error, failure=RuntimeError("no database")
            ),
            "503": partial(stale_is_better_than_an_error, failure=Reply("down", status=503)),
        },
    ),
    Probe(
        "misses",
        f"Runs of the handler for {CLIENTS} concurrent misses",
        {"": runs_for_concurrent_misses},
    ),
)
