"""What users do with values: read through the cache, write through it, memoize."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypedDict, TypeVar, Unpack, overload

from asgi_cache.data import Data, purged_with
from asgi_cache.memoize import Arguments, Memoized
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import Duration
from asgi_cache.threads import Threads

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


UNREFRESHED: Final = Rule(early_refresh=0.0, public=True)
"""For reading a value that nobody can make anew here."""


class Keeping(TypedDict, total=False):
    """For how long a value is used after its ``ttl``, or made anew before; as in a rule.

    Nobody waits for what is made then: it is made in the background, so that *factory* and
    functions must need nothing of a request that may have ended, such as its session.
    """

    stale_while_revalidate: Duration
    stale_if_error: Duration
    early_refresh: float


class DataCache:
    """The part of a cache that keeps values, under keys of the app's own.

    Values are what `Cache` ``(types=...)`` can store; each that is read is a new object. Keys are
    shared by all users: whose a value is, is for the key to say. A value is purged by its tags,
    like responses and together with them, or by its key.
    """

    def __init__(self, data: Data, threads: Threads) -> None:
        self.data: Data = data
        """What is built on values uses this; it is no part of what is promised."""
        self._threads = threads

    async def get(self, key: str, default: T | None = None) -> Any | T | None:
        """Return the value under *key*; *default* if there is none, or none that is fresh."""
        self._threads.note_loop()
        found = await self.data.get(self.data.target(key, UNREFRESHED))
        return default if found is None else found[0]

    @overload
    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], Awaitable[T]],
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        **keeping: Unpack[Keeping],
    ) -> T: ...

    @overload
    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], T],
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        **keeping: Unpack[Keeping],
    ) -> T: ...

    async def get_or_set(
        self,
        key: str,
        factory: Callable[[], Any],
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        **keeping: Unpack[Keeping],
    ) -> Any:
        """Return the value under *key*; the first who asks has *factory* make it.

        Others who ask meanwhile, in any process, wait for that. What *factory* names with
        `cache_tags` is added to *tags*.

        Raises:
            Exception: What *factory* raised. Nothing is stored then, and those who waited have
                it made for themselves.
            UnsupportedValue: What it returned is of a type that cannot be stored.
            ValueError: *key* is no text.
        """
        self._threads.note_loop()
        target = self.data.target(key, self.data.rule(ttl, **keeping))
        return await self.data.get_or_make(target, factory, tags)

    async def put(
        self,
        key: str,
        value: object,
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        purge: Sequence[str] = (),
    ) -> None:
        """Store *value*, which was just written where it belongs, under *key*.

        First all is purged that it makes untrue: what was there, whatever carries one of its
        *tags*, and what *purge* names. It takes one entry in the log, so that no reader finds
        a part of it old and another new. Of two that write at the same time, `writes` knows
        which was first, and this does not.

        Raises:
            PurgeNotAcknowledged: As `Cache.purge`; the value is not stored.
            UnsupportedValue: It is of a type that cannot be stored.
            StoreUnavailable: It was not stored in time; what is untrue is void.
        """
        self._threads.note_loop()

        async def written() -> object:
            return value

        target = self.data.target(key, self.data.rule(ttl))
        await self.data.write(target, written, tags, purged_with(key, (*tags, *purge)))

    def memoize(
        self,
        ttl: Duration,
        *,
        key: str | None = None,
        tags: Sequence[str] = (),
        ignore: Sequence[str] = (),
        **keeping: Unpack[Keeping],
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]:
        """Have the results of a function stored, by its arguments.

        All of them are the key, but for those that *ignore* names, such as a session; or only
        those in *key*, a template such as ``"user:{user_id}"``. *tags* are templates, too. A
        plain function stays one: it may be called in threads and scripts, and runs in a thread.

        Raises:
            ConfigurationError: A template does not fit the function.
        """
        rule = self.data.rule(ttl, **keeping)

        def decorate(function: Callable[P, R]) -> Memoized[P, R]:
            arguments = Arguments(function, self.data.types, key, ignore)
            for template in tags:
                arguments.check(template, "tags")

            async def call(given: Mapping[str, Any], run: Callable[[], Awaitable[Any]]) -> Any:
                self._threads.note_loop()
                target = self.data.target(arguments.key(given), rule)
                names = [*arguments.own_tags, *arguments.tags(tags, given)]
                return await self.data.get_or_make(target, run, names)

            return Memoized(function, arguments, call, self._threads)

        return decorate

    def writes(
        self,
        key: str,
        *,
        ttl: Duration,
        tags: Sequence[str] = (),
        purge: Sequence[str] = (),
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]:
        """Have a function that writes store what it returns, the new value, under *key*.

        *key*, *tags* and *purge* are templates over its arguments; with the *key* of a memoized
        function what it returns is that one's result from now on. When it has returned, and so
        has written, all is purged that this makes untrue, as by `put`. If another write to
        the same ends meanwhile, neither's value is stored, as nobody here knows which of them
        came first. If the function raises, what it may have written is purged.

        Raises:
            ConfigurationError: A template does not fit the function.
        """
        rule = self.data.rule(ttl)

        def decorate(function: Callable[P, R]) -> Memoized[P, R]:
            arguments = Arguments(function, self.data.types, key)
            for what, templates in (("tags", tags), ("purge", purge)):
                for template in templates:
                    arguments.check(template, what)

            async def call(given: Mapping[str, Any], run: Callable[[], Awaitable[Any]]) -> Any:
                self._threads.note_loop()
                own = arguments.key(given)
                target = self.data.target(own, rule)
                own_tags = arguments.tags(tags, given)
                names = purged_with(own, (*own_tags, *arguments.tags(purge, given)))
                return await self.data.write(target, run, own_tags, names)

            return Memoized(function, arguments, call, self._threads)

        return decorate
