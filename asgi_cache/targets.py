"""What a request's line and Host field ask for: which rule it falls under, and which key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, unquote, urlsplit

from starlette.types import Scope

from asgi_cache.policy.fields import lines
from asgi_cache.policy.key import filtered_query
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import RuleSet
from asgi_cache.tags import EVERYTHING, path_tags, route_tag, url_tag

MEMO_ENTRIES = 4096
"""Request lines whose target is remembered."""

LENGTH_LIMIT = 8192
"""Bytes of path and query beyond which a request is not looked up at all."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")

_Line: TypeAlias = tuple[str, str, bytes, str, str, bytes | None, bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks for, as far as its line says so."""

    rule: Rule | None
    """``None``: an operator said that it is never cached."""
    pattern: str | None
    """The pattern of the rule; ``None`` where no rule matched."""
    url: str
    origin: str
    """Scheme and host."""
    query: bytes
    """The part of the query string that counts, which is all that the app is given."""
    parts: tuple[bytes, ...]
    """What the line contributes to the primary key."""
    params: Mapping[str, str]
    """The path parameters of the pattern."""
    tags: tuple[str, ...]
    """The tags that come free with the request's line; its URL's is the first."""


class Targets:
    """Resolves request lines to targets, and remembers the latest of them."""

    def __init__(
        self, rules: RuleSet, unruled: Rule, salt: Sequence[str], hosts: Sequence[str] | None
    ) -> None:
        self._rules = rules
        self._unruled = unruled
        self._salt = tuple(part.encode() for part in salt)
        self._hosts = None if hosts is None else {host.lower().encode() for host in hosts}
        self._memo: dict[_Line, Target] = {}

    def host(self, scope: Scope) -> bytes | None:
        """Return the Host field in lower case; nothing if it cannot be part of a key.

        Two fields, or one that is no host at all, could be read in one way here and in
        another by the app. A request without any is an HTTP/1.0 one.
        """
        hosts = lines(scope["headers"], b"host")
        if len(hosts) > 1:
            return None
        host = hosts[0].lower() if hosts else b""
        if self._hosts is not None:
            return host if host in self._hosts else None
        return host if _HOST.fullmatch(host) else None

    def resolve(self, scope: Scope, host: bytes) -> Target:
        """Return the target of a request."""
        line = (
            scope["method"],
            scope.get("scheme", "http"),
            host,
            scope.get("root_path", ""),
            scope["path"],
            scope.get("raw_path"),
            scope.get("query_string", b""),
        )
        target = self._memo.get(line)
        if target is None:
            if len(self._memo) >= MEMO_ENTRIES:
                self._memo.clear()
            target = self._memo[line] = self._resolve(*line)
        return target

    def url_tags(self, url: str) -> tuple[str, ...]:
        """Return the tags of the stored responses to GET that *url* names."""
        split = urlsplit(url)
        query = split.query.encode("latin-1", "replace")
        match = self._rules.match("GET", unquote(split.path))
        rule = match.rule if match else None
        return (url_tag(url_without_query(url), filtered_query(query, rule or self._unruled)),)

    def _resolve(
        self,
        method: str,
        scheme: str,
        host: bytes,
        root_path: str,
        path: str,
        raw_path: bytes | None,
        query: bytes,
    ) -> Target:
        below = route_path(path, root_path)
        match = self._rules.match(method, below)
        rule = self._unruled if match is None else match.rule
        pattern, params = (match.pattern, match.params) if match else (None, {})
        wire_path = quote(path, safe="/").encode() if raw_path is None else raw_path
        kept = filtered_query(query, rule or self._unruled)
        location = f"{scheme}://{host.decode('latin-1')}{wire_path.decode('latin-1')}"
        parts = (
            *self._salt,
            scheme.encode(),
            host,
            root_path.encode("utf-8", "surrogatepass"),
            path.encode("utf-8", "surrogatepass"),
            wire_path,
            kept,
        )
        url = location + ("?" + query.decode("latin-1") if query else "")
        routes = [] if pattern is None else [route_tag(pattern)]
        tags = (url_tag(location, kept), EVERYTHING, *routes, *path_tags(below))
        origin = f"{scheme}://{host.decode('latin-1')}"
        return Target(rule, pattern, url, origin, kept, parts, params, tags)


def route_path(path: str, root_path: str) -> str:
    """Return *path* as routes see it: below where the app is mounted."""
    below = path.removeprefix(root_path)
    return below if below != path and (not below or below.startswith("/")) else path


def url_without_query(url: str) -> str:
    """Return scheme, host and path of *url*."""
    return urlsplit(url)._replace(query="", fragment="").geturl()
