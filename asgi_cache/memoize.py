"""Functions whose results are stored, and functions that make such results untrue."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial, update_wrapper
from hashlib import blake2b
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar, cast
from urllib.parse import quote

from asgi_cache.data_types import DataTypes
from asgi_cache.errors import ConfigurationError, UnsupportedValue
from asgi_cache.tags import SLOT
from asgi_cache.threads import Threads, in_thread
from asgi_cache.wording import shorten, suggest

P = ParamSpec("P")
R = TypeVar("R")


class Arguments:
    """What a function's calls are told apart by, and what is made of it: keys and tags.

    Raises:
        ConfigurationError: A template names what is no parameter, or the function is none
            whose result could be stored.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        types: DataTypes,
        key: str | None,
        ignore: Sequence[str] = (),
    ) -> None:
        self.name: str = f"{function.__module__}.{function.__qualname__}"
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(f"{self.name} is a generator: what it yields is not stored")
        self._signature = inspect.signature(function)
        self._types = types
        self._ignore = frozenset(ignore)
        self._template = key
        for name in ignore:
            self._check(name, f"ignore={shorten(list(ignore))}")
        if key is not None:
            self.check(key, "key")

    def check(self, template: str, what: str) -> None:
        """See that each slot of *template*, which is *what*, is a parameter that counts."""
        for name in SLOT.findall(template):
            self._check(name, f"{what}={shorten(template)}")
            if name in self._ignore:
                raise ConfigurationError(
                    f"{self.name}: {what}={shorten(template)} has {{{name}}}, which is ignored"
                )

    def _check(self, name: str, where: str) -> None:
        parameters = self._signature.parameters
        if name not in parameters:
            near = suggest(name, parameters)
            raise ConfigurationError(f"{self.name}: {where} has {name!r}, no parameter{near}")

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, with defaults, without those ignored."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return {n: v for n, v in bound.arguments.items() if n not in self._ignore}

    def key(self, arguments: Mapping[str, Any]) -> str:
        """Return the key of a call's result.

        What a template has filled in is quoted, so that no argument can be written that
        reads like two.
        """
        if self._template is None:
            return f"{self.name}({self._digest(arguments)})"
        return SLOT.sub(lambda slot: quote(str(arguments[slot[1]]), safe=""), self._template)

    @property
    def own_tags(self) -> list[str]:
        """The tags of what the function returns, whatever its arguments."""
        return [self.name] if self._template is None else []

    def tags(self, templates: Sequence[str], arguments: Mapping[str, Any]) -> list[str]:
        """Fill in *templates* of tags."""
        return [SLOT.sub(lambda slot: str(arguments[slot[1]]), text) for text in templates]

    def _digest(self, arguments: Mapping[str, Any]) -> str:
        state = blake2b(digest_size=16)
        for name, value in arguments.items():
            plain = sorted(value.items()) if self._is_open(name) else value
            try:
                state.update(self._types.pack([name, plain]))
            except UnsupportedValue as error:
                raise UnsupportedValue(
                    f"{self.name}: argument {name!r} cannot be part of a key: {error}; "
                    f"or leave it out: ignore=[{name!r}]"
                ) from None
        return state.hexdigest()

    def _is_open(self, name: str) -> bool:
        return self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD


Call: TypeAlias = Callable[
    [Mapping[str, Any], Callable[[], Awaitable[Any]]], Coroutine[Any, Any, Any]
]
"""What becomes of a call: takes its arguments, and what runs the function; returns the result."""


class Memoized(Generic[P, R]):
    """A function whose calls take a way around it; else it is what it was."""

    def __init__(
        self, function: Callable[P, R], arguments: Arguments, call: Call, threads: Threads
    ) -> None:
        update_wrapper(self, function)
        self.__wrapped__: Callable[P, R] = function
        self.name: str = arguments.name
        """A tag that the results of all calls carry, if their keys are made of it."""
        self._arguments = arguments
        self._call = call
        self._threads = threads
        self._is_async = inspect.iscoroutinefunction(function)

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of the result for these arguments: ``cache.purge(key=f.key(7))``."""
        return self._arguments.key(self._arguments.bound(args, kwargs))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result: a stored one, or that of the function."""
        arguments = self._arguments.bound(args, kwargs)
        function = partial(self.__wrapped__, *args, **kwargs)
        if self._is_async:
            return cast("R", self._call(arguments, cast("Callable[[], Awaitable[Any]]", function)))
        begin = partial(self._call, arguments, partial(in_thread, function))
        return self._threads.run(cast("Callable[[], Coroutine[Any, Any, R]]", begin))

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., R]:
        """Bind a method."""
        return self if instance is None else MethodType(self, instance)
