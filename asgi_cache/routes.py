"""The app's own routes, as far as their handlers say how responses are kept.

They are Starlette's and FastAPI's. Which of them answers a request is found as the app finds
it: by asking each in its turn whether it matches.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import isclass
from types import MappingProxyType
from typing import Any, Final, cast
from weakref import ReferenceType, ref

from starlette.routing import BaseRoute
from starlette.routing import Match as Matched
from starlette.types import Scope

from asgi_cache.decorators import ADDED, STATED, Statement, joined
from asgi_cache.errors import ConfigurationError
from asgi_cache.observe.saying import say
from asgi_cache.patterns import METHODS, STORABLE
from asgi_cache.policy.invalidation import SAFE_METHODS
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import Match, RuleReader

logger: logging.Logger = logging.getLogger(__name__)

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})

DEEPEST: Final = 16
"""Middlewares that are looked through for the app with the routes."""


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the handler of a route says."""

    rule: Rule
    only_adds: bool
    """It names tags, and leaves all else to the mapping."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A route, with what is stated of its methods; or a mounted app, with what is *below*."""

    route: Any
    pattern: str
    stated: Mapping[str, _Stated]
    below: tuple[_Node, ...] | None = None

    @property
    def says_something(self) -> bool:
        return bool(self.stated) or any(node.says_something for node in self.below or ())


@dataclass(frozen=True, slots=True)
class _Place:
    """What a route limits its rule to."""

    methods: frozenset[str]
    parameters: frozenset[str]


class Routes:
    """The routes of an app that has some, read when one is first asked for."""

    def __init__(self, reader: RuleReader) -> None:
        self._reader = reader
        self._apps: list[ReferenceType[Any]] = []
        self._tables: list[tuple[_Node, ...]] | None = None
        """What the handlers of each app state; nothing of apps whose routes are not known."""
        self._nodes: tuple[_Node, ...] | None = None

    def attach(self, app: object) -> None:
        """Take note of *app*, whose routes may not be complete yet."""
        self._apps = [known for known in self._apps if known() is not app]
        with suppress(TypeError):  # what nothing can refer to weakly is no app of Starlette's
            self._apps.append(ref(app))
        self._tables = self._nodes = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths of the routes that have a rule."""
        return tuple(dict.fromkeys(_patterns(self.read())))

    def stated(self) -> Iterator[tuple[str, str, Rule]]:
        """Yield path and method of each route that has a rule, and the rule."""
        for pattern, stated in _all_stated(self.read()):
            for method, each in stated.items():
                yield pattern, method, each.rule

    def match(self, scope: Scope, method: str) -> Match | None:
        """Return the rule of the route that answers a request, if its handler states one."""
        nodes = self.read(scope)
        if not nodes:
            return None
        return _match(nodes, {"path_params": {}, **scope, "type": "http", "method": method})

    def template(self, scope: Scope) -> tuple[str, dict[str, str]] | None:
        """Return the path of the route that a request falls under, and its parameters' values.

        It is found anew each time, which takes a while.
        """
        app = scope.get("app") or next(filter(None, (known() for known in self._apps)), None)
        return _template(_routes_of(app), {"path_params": {}, **scope, "type": "http"}, "")

    def templates(self) -> Iterator[str]:
        """Yield the paths of all routes that answer requests, as `template` names them."""
        for app in filter(None, (known() for known in self._apps)):
            yield from _templates(_routes_of(app), "")

    def read(self, scope: Mapping[str, Any] = EMPTY) -> tuple[_Node, ...]:
        """Read the routes, once; *scope* may name the app.

        Raises:
            ConfigurationError: What a handler states is no rule.
        """
        if self._nodes is not None:
            return self._nodes
        if self._tables is None:
            apps = [app for app in (known() for known in self._apps) if app is not None]
            routes = [_routes_of(app) for app in apps]
            self._tables = [self._table_of(each) for each in routes] if any(routes) else []
        if not self._tables:
            if "app" not in scope:
                return ()  # a request may know more
            self._tables = [self._table_of(_routes_of(scope["app"]))]
        self._nodes = self._tables[-1] if _agree(self._tables) else ()
        return self._nodes

    def _table_of(self, routes: Sequence[Any]) -> tuple[_Node, ...]:
        nodes = tuple(self._nodes_of(routes, "", frozenset()))
        return nodes if any(node.says_something for node in nodes) else ()

    def _nodes_of(
        self, routes: Sequence[Any], prefix: str, parameters: frozenset[str]
    ) -> Iterator[_Node]:
        for route in _flat(routes):
            path = prefix + (getattr(route, "path", None) or "")
            names = parameters | frozenset(getattr(route, "param_convertors", None) or ())
            below = getattr(route, "routes", None)
            if below is not None:
                yield _Node(route, path, {}, tuple(self._nodes_of(below, path, names)))
            else:
                yield _Node(route, path, self._stated(route, path, names))

    def _stated(self, route: Any, path: str, parameters: frozenset[str]) -> dict[str, _Stated]:
        """Return what is stated of each of a route's methods, if anything is."""
        by_statements: dict[tuple[Statement, ...], list[str]] = {}
        for method in getattr(route, "methods", None) or METHODS:
            statements = tuple(_statements(route, method, path))
            if statements:
                by_statements.setdefault(statements, []).append(method)
        stated: dict[str, _Stated] = {}
        for statements, methods in by_statements.items():
            read = self._read_statements(statements, methods, path, parameters)
            stated |= dict.fromkeys(methods, read)
        return stated

    def _read_statements(
        self,
        statements: tuple[Statement, ...],
        methods: Sequence[str],
        path: str,
        parameters: frozenset[str],
    ) -> _Stated:
        stated = joined(statements)
        named = cast("Collection[str]", stated.get("methods", ()))
        storable = {m for m in methods if m in STORABLE and (m != "POST" or m in named)}
        where = f"decorators of '{'|'.join(sorted(methods))} {path}'"
        rule = self._reader.read(stated, _Place(frozenset(storable), parameters), where)
        assert rule is not None  # noqa: S101 - a table is never "never"
        return _Stated(rule, only_adds=stated.keys() <= ADDED)


def storing_operations(app: object) -> Iterator[tuple[str, str]]:
    """Yield path and method of the routes of *app* whose responses their handlers have stored.

    Those of mounted apps are not among them.
    """
    for route in _flat(_routes_of(app)):
        path = getattr(route, "path_format", "")
        for method in SAFE_METHODS.intersection(getattr(route, "methods", None) or ()):
            statements = tuple(_statements(route, method, path))
            if not joined(statements).keys() <= ADDED:
                yield path, method


def _match(nodes: Sequence[_Node], scope: Scope) -> Match | None:
    for node in nodes:
        matched, added = node.route.matches(scope)
        if matched is not Matched.FULL:
            continue
        below = {**scope, **added}
        if node.below is not None:
            return _match(node.below, below)
        stated = node.stated.get(scope["method"])
        if stated is None:
            return None
        params = {name: str(value) for name, value in below["path_params"].items()}
        only_adds, said_by = stated.only_adds, "its handler"
        return Match(stated.rule, node.pattern, params, only_adds=only_adds, said_by=said_by)
    return None


def _agree(tables: Sequence[tuple[_Node, ...]]) -> bool:
    """Whether all apps behind one cache state the same; else nothing of it can be heeded.

    Nobody could tell whose route a request is for.
    """
    stated = [list(_all_stated(table)) for table in tables]
    if all(each == stated[-1] for each in stated):
        return True
    say(
        logger,
        logging.ERROR,
        "one Cache is in front of several apps, and their handlers state different rules, "
        "which are ignored: give each app a Cache of its own",
    )
    return False


def _template(
    routes: Sequence[Any], scope: Scope, prefix: str
) -> tuple[str, dict[str, str]] | None:
    for route in _flat(routes):
        matched, added = route.matches(scope)
        if matched is not Matched.FULL:
            continue
        path, below = prefix + (getattr(route, "path", None) or ""), {**scope, **added}
        inner = getattr(route, "routes", None)
        if inner is not None:  # of what is mounted and has no routes, nothing is known
            return _template(inner, below, path) if inner else None
        params = {name: str(value) for name, value in below["path_params"].items()}
        return path, params
    return None


def _templates(routes: Sequence[Any], prefix: str) -> Iterator[str]:
    for route in _flat(routes):
        path, inner = prefix + (getattr(route, "path", None) or ""), getattr(route, "routes", None)
        if inner is None:
            yield path
        else:
            yield from _templates(inner, path)


def _all_stated(nodes: Sequence[_Node]) -> Iterator[tuple[str, Mapping[str, _Stated]]]:
    for node in nodes:
        yield node.pattern, node.stated
        yield from _all_stated(node.below or ())


def _patterns(nodes: Sequence[_Node]) -> Iterator[str]:
    for node in nodes:
        if node.stated:
            yield node.pattern
        yield from _patterns(node.below or ())


def _routes_of(app: object) -> list[Any]:
    """Return the routes of *app*, or of the one that it is a middleware of."""
    for _ in range(DEEPEST):
        routes = getattr(app, "routes", None)
        if isinstance(routes, list):
            return [route for route in routes if isinstance(route, BaseRoute)]
        app = getattr(app, "app", None)
        if app is None:
            break
    return []


def _flat(routes: Sequence[Any]) -> Sequence[Any]:
    """Return *routes* with those of FastAPI's included routers in the place of these."""
    fastapi = sys.modules.get("fastapi.routing")
    return routes if fastapi is None else list(fastapi.iter_route_contexts(routes))


def _statements(route: Any, method: str, path: str) -> Iterator[Statement]:
    """Yield what is stated of a route: first by its routers, last by its handler.

    Raises:
        ConfigurationError: The handler's own word makes no sense for such a method.
    """
    yield from _depended_on(getattr(route, "dependant", None))
    endpoint = getattr(route, "endpoint", None)
    yield from getattr(endpoint, STATED, ())
    if isclass(endpoint):
        endpoint = getattr(endpoint, method.lower(), None)
        yield from getattr(endpoint, STATED, ())
    for statement in getattr(endpoint, STATED, ()):
        _check(statement, getattr(route, "methods", None) or {method}, path)


def _check(statement: Statement, methods: Collection[str], path: str) -> None:
    """Refuse what a handler says of itself to no effect; a router says it of others as well."""
    where = f"'{'|'.join(sorted(methods))} {path}'"
    stores = statement.options.keys() - {"purge"}
    named = cast("Collection[str]", statement.options.get("methods", ()))
    if stores and SAFE_METHODS.isdisjoint(methods) and "POST" not in named:
        raise ConfigurationError(
            f"@cached of {where}: what answers GET is stored, and what answers POST where "
            "that is asked for: methods=['POST']"
        )
    if "purge" in statement.options and SAFE_METHODS.issuperset(methods):
        raise ConfigurationError(f"@invalidates of {where}: GET and HEAD make nothing untrue")


def _depended_on(dependant: Any) -> Iterator[Statement]:
    for each in getattr(dependant, "dependencies", ()):
        if isinstance(each.call, Statement):
            yield each.call
        yield from _depended_on(each)
