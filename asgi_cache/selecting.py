"""What a purge names: from the words of whoever orders it to the tags of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from asgi_cache.config import Settings
from asgi_cache.identity import partition_of
from asgi_cache.locating import absolute
from asgi_cache.tags import (
    EVERYTHING,
    data_tag,
    is_writable,
    named_tag,
    path_tag,
    route_tag,
    user_tag,
)
from asgi_cache.targets import Targets
from asgi_cache.wording import suggest

_T = TypeVar("_T")


class Selected(TypedDict, total=False):
    """What a purge names; see `Cache.purge`."""

    tags: str | Iterable[str]
    key: str | Iterable[str]
    url: str | Iterable[str]
    path: str | Iterable[str]
    route: str | Iterable[str]
    user: str | int | None


class Named(Selected, total=False):
    """What a purge names, and how."""

    everything: bool
    all_of: bool
    soft: bool
    wait: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be purged: in the words of who ordered it, and as the tags of the log."""

    words: dict[str, tuple[str, ...]]
    names: list[str]


class NamesNothing(ValueError):
    """What is to be purged could not name a stored response; *selector* is where that is said."""

    def __init__(self, selector: str | None, why: str) -> None:
        super().__init__(why)
        self.selector = selector


class Selectors:
    """Turns what is to be purged into tags.

    Every method raises ``ValueError`` (`select`: `NamesNothing`) for what could not name a
    stored response: a purge that hits nothing by mistake would be noticed by its users only.
    """

    def __init__(self, targets: Targets, settings: Settings) -> None:
        self._targets = targets
        self._settings = settings

    def select(
        self,
        *,
        tags: str | Iterable[str] = (),
        key: str | Iterable[str] = (),
        url: str | Iterable[str] = (),
        path: str | Iterable[str] = (),
        route: str | Iterable[str] = (),
        user: str | int | None = None,
        everything: bool = False,
    ) -> Selection:
        """Return the tags of all that any of these name; see `Cache.purge`."""
        given = {
            "tags": _each(tags),
            "key": _each(key),
            "url": _each(url),
            "path": _each(path),
            "route": _each(route),
            "user": () if user is None else (str(user),),
            "everything": ("true",) if everything else (),
        }
        words = {selector: tuple(named) for selector, named in given.items()}
        names = [
            *_written("tags", self.tags, words["tags"]),
            *_written("key", self.keys, words["key"]),
            *_written("url", self.urls, words["url"]),
            *_written("path", self.paths, words["path"]),
            *_written("route", self.routes, words["route"]),
            *_written("user", self.user, user),
            *self.everything(everything),
        ]
        if not names:
            raise NamesNothing(
                None, "purge what? tags=, key=, url=, path=, route=, user= or everything=True"
            )
        return Selection({selector: named for selector, named in words.items() if named}, names)

    def tags(self, names: str | Iterable[str]) -> list[str]:
        """Return the tags of *names* that rules, responses or handlers give."""
        return [named_tag(_text(name, "tags")) for name in _each(names)]

    def keys(self, keys: str | Iterable[str]) -> list[str]:
        """Return the tags of the values under *keys*."""
        return [data_tag(_text(key, "key")) for key in _each(keys)]

    def urls(self, urls: str | Iterable[str]) -> list[str]:
        """Return the tags of absolute URLs, or of paths on the setting ``base_url``."""
        settings = self._settings
        located = [absolute(_text(url, "url"), settings.base_url) for url in _each(urls)]
        return [self._targets.url_tag(url, settings.root_path) for url in located]

    def paths(self, paths: str | Iterable[str]) -> list[str]:
        """Return the tags of all that is at or below *paths*."""
        return [path_tag(_path(path)) for path in _each(paths)]

    def routes(self, patterns: str | Iterable[str]) -> list[str]:
        """Return the tags of the rules with these *patterns*."""
        return [route_tag(self._route(pattern)) for pattern in _each(patterns)]

    def user(self, user: str | int | None) -> list[str]:
        """Return the tag of a user's partition."""
        return [] if user is None else [user_tag(partition_of(_text(str(user), "user")))]

    def everything(self, everything: bool) -> list[str]:
        """Return the tag of all there is."""
        return [EVERYTHING] if everything else []

    def _route(self, pattern: str) -> str:
        patterns = self._targets.patterns
        if pattern not in patterns:
            near = suggest(pattern, patterns) if patterns else ": no rule is known here"
            raise ValueError(f"route={pattern!r} is no rule's pattern{near}")
        return pattern


def _written(selector: str, tags_of: Callable[[_T], list[str]], named: _T) -> list[str]:
    """Return the tags of what a selector has *named*, each of which the log can take."""
    try:
        names = tags_of(named)
    except ValueError as error:
        raise NamesNothing(selector, str(error)) from None
    for name in names:
        if not is_writable(name):
            why = f"{name!r} is not text that anything could be called by"
            raise NamesNothing(selector, why)
    return names


def _each(named: str | Iterable[str]) -> Iterable[str]:
    return (named,) if isinstance(named, str) else named


def _text(name: object, argument: str) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{argument}={name!r} names nothing: it is a string that is not empty")
    return name


def _path(path: str) -> str:
    if not path.startswith("/") or set("?#") & set(path):
        raise ValueError(f"path={path!r} is not a path such as '/tasks'; url= takes a query")
    return path
