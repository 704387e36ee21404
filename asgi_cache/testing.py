"""What tests of a cached app use: a cache of each test's own, a clock, and what to assert.

Nothing here imports a test framework. The fixtures of `pytest_asgi_cache` are made of this.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Protocol, Unpack
from uuid import uuid4

from http_sf import StructuredFieldError, parse
from redis.asyncio import Redis
from starlette.types import Scope

from asgi_cache.cache import Cache
from asgi_cache.outcome import PASSED
from asgi_cache.policy.storing import CLAUSES
from asgi_cache.purging import PurgeLog
from asgi_cache.selecting import Selected
from asgi_cache.shortcut import Shortcut
from asgi_cache.stores.base import Purge
from asgi_cache.stores.memory import MemoryStore
from asgi_cache.tags import EVERYTHING, path_tags, with_ancestors
from asgi_cache.targets import Target, Targets

__all__ = [
    "Answered",
    "Clock",
    "Kit",
    "assert_bypass",
    "assert_hit",
    "assert_miss",
    "assert_stored",
    "controlled",
]

PARTS: Final = (
    *("settings", "store", "observer", "data"),
    *("_services", "_selectors", "_is_counting"),
)
"""The attributes of a cache that are exchanged for a test."""

OWN: Final = frozenset(
    {"shortcut", "sync", "_app", "_by", "_is_to_be_warmed", "_threads", "_warming"}
)
"""Those that it keeps: others hold them, or they are about the app or from it."""

REASONS: Final[Mapping[str, str]] = {
    "uri-miss": "nothing is stored for this URL and this user",
    "vary-miss": "variants are stored, but none that the request's fields select",
    "stale": "what is stored is not fresh any more, or demands validation",
    "request": "the client asked for another answer than the stored one",
    "bypass": "the request goes past the store",
    "method": "answers to this method are not taken from the store",
}
"""What ``fwd`` means (RFC 9211, section 2.2), as this cache uses it."""

DETAILS: Final[Mapping[str, str]] = {
    **{clause.detail: f"the response is not stored because {clause.meaning}" for clause in CLAUSES},
    **{name: f"the request {meaning}" for name, meaning in PASSED.items()},
}


class Clock:
    """A clock that stands still until it is moved; it begins at *now*, or at the real time."""

    def __init__(self, now: float | None = None) -> None:
        self.now: float = time.time() if now is None else now

    def __call__(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass.

        Raises:
            ValueError: They are negative: a cache may count on time that does not run back.
        """
        if seconds < 0:
            raise ValueError(f"advance by {seconds:g} s? Time does not run back")
        self.now += seconds


class Answered(Protocol):
    """Any client's response: httpx's, Starlette's test client's, requests'."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields, by names in which case is of no account."""
        ...


def assert_hit(response: Answered, *, name: str | None = None) -> None:
    """Assert that *response* came from the store.

    Of several caches that answered, the first counts, which is the nearest to the app; or the
    one that goes by *name*.
    """
    status = _Status(response, name)
    _require("a hit", status, holds="hit" in status.parameters)


def assert_miss(response: Answered, *, name: str | None = None) -> None:
    """Assert that the app was asked, as nothing in the store would do, or not any more.

    What goes past the store is no miss: `assert_bypass`.
    """
    status = _Status(response, name)
    reason = status.parameters.get("fwd", "bypass")
    _require("a miss", status, holds=str(reason) != "bypass")


def assert_stored(response: Answered, *, name: str | None = None) -> None:
    """Assert that *response* came from the app, and is in the store now."""
    status = _Status(response, name)
    _require("a response that is being stored", status, holds="stored" in status.parameters)


def assert_bypass(response: Answered, *, name: str | None = None) -> None:
    """Assert that the store had no part in *response*: ``fwd=bypass``, or no ``Cache-Status``."""
    status = _Status(response, name)
    holds = not status.parameters or str(status.parameters.get("fwd")) == "bypass"
    _require("an answer that goes past the store", status, holds=holds)


class _Status:
    """What ``Cache-Status`` says of one cache (RFC 9211, section 2)."""

    def __init__(self, response: Answered, name: str | None) -> None:
        self.field: str | None = response.headers.get("cache-status")
        members = _members(self.field or "")
        chosen = [p for member, p in members if name is None or str(member) == name]
        self.parameters: Mapping[str, Any] = chosen[0] if chosen else {}

    def __str__(self) -> str:
        """Say what the field says, and what that means."""
        if self.field is None:
            return (
                "there is no Cache-Status: its path has no rule or the rule None, its method is "
                "not one that is cached, or no CacheMiddleware is in front of the app"
            )
        reason, detail = (str(self.parameters.get(key, "")) for key in ("fwd", "detail"))
        meant = [
            "it was answered from the store" if "hit" in self.parameters else "",
            REASONS.get(reason, ""),
            DETAILS.get(detail, ""),
        ]
        return f"Cache-Status is {self.field!r}: {'; '.join(filter(None, meant)) or 'no more'}"


def _members(field: str) -> list[tuple[object, dict[str, Any]]]:
    try:
        members: Any = parse(field.encode(), tltype="list") if field else []
    except StructuredFieldError:
        raise AssertionError(f"Cache-Status is not a list (RFC 9211): {field!r}") from None
    return list(members)


def _require(what: str, status: _Status, *, holds: bool) -> None:
    if not holds:
        raise AssertionError(f"expected {what}, but {status}")


class _NotedPurges(PurgeLog):
    """A purge log that forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[Purge] = []

    def advance(self, purges: Iterable[Purge]) -> None:
        """Take note of *purges*, in the log's order."""
        purges = [*purges]
        self.noted += purges
        super().advance(purges)


class _Passing(Targets):
    """Targets none of which is answered from the store; writes to them purge what they did."""

    def __init__(self, of: Targets) -> None:
        self._of = of
        self.known = {}  # by which the shortcut would answer

    @property
    def patterns(self) -> tuple[str, ...]:
        return self._of.patterns

    def attach(self, app: object) -> None:
        self._of.attach(app)

    def read_routes(self) -> None:
        self._of.read_routes()

    def url_tag(self, url: str, root_path: str = "") -> str:
        return self._of.url_tag(url, root_path)

    def resolve(self, scope: Scope, method: str) -> Target | None:
        target = self._of.resolve(scope, method)
        if target is None or target.rule is None or method != scope["method"]:
            return target
        return replace(target, rule=replace(target.rule, methods=()))


class _Twin(Cache):
    """A cache of the same rules, with a store and a clock of its own."""

    _make_log: Callable[[], PurgeLog] = _NotedPurges


class Kit:
    """A cache under control: its clock, and what was purged since the test began."""

    def __init__(self, cache: Cache, clock: Clock, purges: list[Purge]) -> None:
        self.cache: Cache = cache
        self.clock: Clock = clock
        self._purges = purges

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass for the cache; nothing else notices."""
        self.clock.advance(seconds)

    @contextmanager
    def disabled(self) -> Generator[None]:
        """Have the app answer every request meanwhile, as if nothing in front of it stored.

        Writes purge what they always do. Values, of `Cache.memoize` and the like, are kept.
        """
        parts = vars(self.cache)
        services = parts["_services"]
        passing = replace(services, targets=_Passing(services.targets))
        shortcut = Shortcut(passing)
        parts["_services"] = passing
        _exchange_contents(self.cache.shortcut, shortcut)
        try:
            yield
        finally:
            parts["_services"] = services
            _exchange_contents(self.cache.shortcut, shortcut)

    def assert_purged(self, **named: Unpack[Selected]) -> None:
        """Assert that a purge since the test began voids what each of these names.

        A purge of what stands above voids it too: of ``project:7`` the tag ``project:7/tasks``,
        of ``/tasks`` the path ``/tasks/7``, of everything all there is.

        Raises:
            ValueError: Nothing is named.
        """
        wanted = [
            (f"{argument}={name!r}", names)
            for argument, given in named.items()
            for name, names in self._names(argument, given)
        ]
        if not wanted:
            raise ValueError("assert that what was purged? tags=, key=, url=, path=, route=, user=")
        missing = [text for text, names in wanted if not self._is_purged(names)]
        if missing:
            said = [" and ".join(purge.tags) for purge in self._purges] or ["nothing"]
            raise AssertionError(
                f"expected a purge of {', '.join(missing)}; purged was: {'; '.join(said)}"
            )

    def _names(self, argument: str, given: Any) -> Iterator[tuple[object, set[str]]]:
        """Yield each that is named, with all names by which a purge voids it."""
        select = vars(self.cache)["_selectors"]
        for name in [given] if isinstance(given, str | int) else given:
            match argument:
                case "tags":
                    yield name, {*select.tags(name), *with_ancestors([str(name)])}
                case "path":
                    yield name, {*select.paths(name), *path_tags(str(name))}
                case "key" | "url" | "route":
                    yield name, {*getattr(select, f"{argument}s")(name)}
                case "user":
                    yield name, {*select.user(name)}
                case _:
                    raise TypeError(f"assert_purged has no argument {argument!r}")

    def _is_purged(self, names: set[str]) -> bool:
        names = names | {EVERYTHING}
        return any(
            names.issuperset(purge.tags) if purge.all_of else not names.isdisjoint(purge.tags)
            for purge in self._purges
        )


class controlled(AbstractContextManager[Kit], AbstractAsyncContextManager[Kit]):  # noqa: N801 - it is called like a function
    """Have *cache* begin empty, by a clock that stands still, and be what it was afterwards.

    Whoever holds the cache, such as a middleware, a handler or a memoized function, works with
    what the test stores. That is in memory, or in the *store* that is named, in a namespace of
    this test alone, so that tests that run at the same time on one Redis do not meet. The
    clock begins at *now*, or at the real time. Nothing is warmed.

    ``with`` is for tests that are not asynchronous, and for all whose store is memory;
    ``async with`` also lets what the event loop does for the cache end there.
    """

    def __init__(
        self, cache: Cache, *, store: str | Redis = "memory://", now: float | None = None
    ) -> None:
        self._cache = cache
        self._store = store
        self._now = now
        self._twin: Cache | None = None

    def __enter__(self) -> Kit:
        """Begin.

        Raises:
            ConfigurationError: *store* names none.
        """
        clock = Clock(self._now)
        settings = self._cache.settings
        namespace = f"{settings.namespace}:test:{uuid4().hex}"
        settings = replace(settings, namespace=namespace, warm=())
        twin = _Twin(settings=settings, store=self._store, clock=clock, **vars(self._cache)["_by"])
        app = vars(self._cache)["_app"]
        if app is not None:
            twin.attach(app)
        self._exchange(twin)
        log = vars(self._cache)["_services"].holdings.log
        return Kit(self._cache, clock, log.noted)

    def __exit__(self, *_: object) -> None:
        """End; in a thread, as an event loop may be running in this one."""
        if not isinstance(self._cache.store, MemoryStore):
            ending = threading.Thread(target=asyncio.run, args=(self._cache.close(),))
            ending.start()
            ending.join()
        self._restore()

    async def __aenter__(self) -> Kit:
        """Begin; as `__enter__`."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, when what the cache still does in the background has ended."""
        try:
            await self._cache.close()
        finally:
            self._restore()

    def _exchange(self, twin: Cache) -> None:
        """Exchange what both are made of; again, to restore it."""
        self._twin = twin
        mine, others = vars(self._cache), vars(twin)
        for name in PARTS:
            mine[name], others[name] = others[name], mine[name]
        _exchange_contents(self._cache.shortcut, twin.shortcut)

    def _restore(self) -> None:
        if self._twin is not None:
            self._exchange(self._twin)
            self._twin = None
        app = vars(self._cache)["_app"]
        if app is not None:  # which may have been built by a request of the test
            vars(self._cache)["_services"].targets.attach(app)


def _exchange_contents(one: Shortcut, other: Shortcut) -> None:
    """Exchange what two shortcuts work with; a middleware holds on to one of them."""
    one.__dict__, other.__dict__ = other.__dict__, one.__dict__
