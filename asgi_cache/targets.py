"""What a request's line and Host field ask for: which rule it falls under, and which key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TypeAlias
from urllib.parse import quote, unquote, urlsplit

from starlette.types import Scope

from asgi_cache.identity import NOBODY
from asgi_cache.observe.observer import Observer
from asgi_cache.observe.tally import Tally
from asgi_cache.policy.fields import lines
from asgi_cache.policy.invalidation import DEFAULT_PORTS, SAFE_METHODS
from asgi_cache.policy.key import digest, filtered_query, hashing
from asgi_cache.policy.rule import Rule
from asgi_cache.routes import Routes
from asgi_cache.rules import Match, RuleSet
from asgi_cache.tags import EVERYTHING, data_tag, path_tags, route_tag, url_tag, with_user_tag

MEMO_ENTRIES = 4096
"""Request lines whose target is remembered: the latest."""

MEMO_LENGTH = 512
"""Characters of a URL beyond which it is not remembered."""

LENGTH_LIMIT = 8192
"""Bytes of path and query beyond which a request is not looked up at all."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")

Line: TypeAlias = tuple[str, str, bytes, str, str, bytes | None, bytes]
"""Method, scheme, Host field, root path, path, raw path and query string, as a scope has them."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The app's own answer is what there is for such a request, and nothing comes of it."""

    tally: Tally


@dataclass(slots=True, eq=False)
class Target:
    """What a request asks for, as far as its line and its Host field say so."""

    rule: Rule | None
    """``None``: an operator said that it is never cached."""
    pattern: str | None
    """The pattern of the rule; ``None`` where no rule matched."""
    url: str
    stored_url: str
    """The same with that part of the query only which counts: as records have it."""
    origin: str
    """Scheme and host."""
    query: bytes
    """The part of the query string that counts, which is all that the app is given."""
    params: Mapping[str, str]
    """The path parameters of the pattern."""
    make_tags: Callable[[], tuple[str, ...]]
    state: blake2b
    """The state of the primary key's digest after what the line contributes to it."""
    tally: Tally
    """Where it is counted what became of the requests."""
    passing: Pass | None
    """What there is to do where it is the app's to answer, and makes nothing void."""
    is_observed: bool
    """It is only watched, to learn what could be stored: the app answers."""
    is_head: bool
    is_partitioned: bool
    """Each user's responses are kept apart from everybody else's."""
    key: bytes | None
    """The primary key if no field adds to it; nothing if all has to be looked at at length."""
    said_by: str = ""
    """Where the rule is stated."""
    wanted: Wanted | None = None
    """What is asked for where no field adds to it, once it has been."""
    _tags: tuple[str, ...] | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that come free with the request's line; its URL's is the first.

        They are made when they are first asked for: after a purge, that is.
        """
        if self._tags is None:
            self._tags = self.make_tags()
        return self._tags

    def reads(self, method: str) -> bool:
        """Whether what answers *method* would be stored, so that such a request changes nothing."""
        return self.rule is not None and method in self.rule.methods


@dataclass(slots=True, eq=False)
class Wanted:
    """What a GET or HEAD asks for that says nothing unusual."""

    target: Target
    rule: Rule
    key: bytes
    """The primary key."""
    partition: bytes = NOBODY
    needs_leave: bool = False
    """It is somebody's, and not their own part of the store that is looked into."""
    asks_less: bool = False
    """A condition or a range may make less than the whole response do."""

    def tags(self) -> tuple[str, ...]:
        """Return the tags that come free with the request."""
        return with_user_tag(self.target.tags, self.partition)


class Targets:
    """Resolves request lines to targets, and remembers the latest of them."""

    def __init__(
        self,
        rules: RuleSet,
        routes: Routes,
        unruled: Rule,
        salt: Sequence[str],
        hosts: Sequence[str] | None,
        observer: Observer,
        *,
        observe: bool = False,
    ) -> None:
        self._rules = rules
        self._routes = routes
        self._unruled = unruled
        self._salted = hashing([part.encode() for part in salt])
        self._hosts = None if hosts is None else {host.lower().encode() for host in hosts}
        self._observer = observer
        self._observe = observe
        self._joined: dict[tuple[str, str, str], Rule | None] = {}
        self.known: dict[Line, Target] = {}
        """The targets of the latest lines."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """Those of the rules, as they were written, and the paths of routes that have one."""
        return (*(pattern.text for pattern, _ in self._rules.entries), *self._routes.patterns)

    def stated(self) -> Iterator[tuple[str, Rule | None, str]]:
        """Yield each rule's pattern, what it says, and where that is stated."""
        for pattern, rule in self._rules.entries:
            yield pattern.text, rule, "the mapping"
        for text, method, rule in self._routes.stated():
            yield f"{method} {text}", rule, "its handler"

    def attach(self, app: object) -> None:
        """Have the rules that the handlers of *app* state."""
        self._routes.attach(app)
        self._joined.clear()
        self.known.clear()

    def read_routes(self) -> None:
        """Read what the handlers of the app state, if that has not been done."""
        self._routes.read()

    def resolve(self, scope: Scope, method: str) -> Target | None:
        """Return the target of a request, or of one of another *method* to the same URL.

        Nothing if it cannot be part of a key. Two Host fields, or one that is no host at all,
        could be read in one way here and in another by the app. A request without any is an
        HTTP/1.0 one.
        """
        hosts = lines(scope["headers"], b"host")
        if len(hosts) > 1:
            return None
        line = (
            method,
            scope.get("scheme", "http"),
            hosts[0] if hosts else b"",
            scope.get("root_path", ""),
            scope["path"],
            scope.get("raw_path"),
            scope.get("query_string", b""),
        )
        return self.known.get(line) or self._remember(line, scope)

    def _remember(self, line: Line, scope: Scope) -> Target | None:
        """Resolve a line that was not seen lately; one that is long is not remembered."""
        method, _, host, root_path, path, raw_path, query = line
        if not self._is_host(host.lower()) or len(raw_path or path) + len(query) > LENGTH_LIMIT:
            return None
        below = route_path(path, root_path)
        target = self._resolve(line, below, self._match(method, below, scope))
        if len(target.url) <= MEMO_LENGTH:
            if len(self.known) >= MEMO_ENTRIES:
                del self.known[next(iter(self.known))]
            self.known[line] = target
        return target

    def _is_host(self, host: bytes) -> bool:
        if self._hosts is not None:
            return host in self._hosts
        return _HOST.fullmatch(host) is not None

    def url_tag(self, url: str, root_path: str = "") -> str:
        """Return the tag of the stored responses to GET that *url* names."""
        split = urlsplit(url)
        path, query = unquote(split.path), split.query.encode("latin-1", "replace")
        headers = [(b"host", split.netloc.encode("latin-1", "replace"))]
        scope = {"path": path, "root_path": root_path, "headers": headers}
        match = self._match("GET", route_path(path, root_path), scope)
        rule = match.rule if match else None
        kept = filtered_query(query, rule or self._unruled)
        return url_tag(plain_origin(split.scheme, split.netloc), path, kept)

    def free_tags(self, url: str, root_path: str = "") -> tuple[str, tuple[str, ...]]:
        """Return the route of what is stored of *url*, and the tags that come free with it.

        Which method it answers is not known: if no rule has GET of it stored, it is POST.
        """
        if url.startswith(data_tag("")):
            return "data", (url, EVERYTHING)
        split = urlsplit(url)
        path = unquote(split.path)
        below = route_path(path, root_path)
        headers = [(b"host", split.netloc.encode("latin-1", "replace"))]
        scope = {"path": path, "root_path": root_path, "headers": headers}
        match = self._match("GET", below, scope)
        if match is None or match.rule is None:
            match = self._match("POST", below, scope) or match
        patterns = () if match is None else match.patterns
        query = split.query.encode("latin-1", "replace")
        tags = _tags((split.scheme, split.netloc), path, query, patterns, below)
        return (patterns[0] if patterns else ""), tags

    def _match(self, method: str, below: str, scope: Scope) -> Match | None:
        """Return the rule of a request: what its handler states comes before the mapping."""
        match = self._rules.match(method, below)
        stated = self._routes.match(scope, method)
        if stated is None or match is None:
            return stated or match
        both = (method, stated.pattern, match.pattern)
        if both not in self._joined:  # what is known by a rule is known by the very object
            self._joined[both] = stated.joined(match)
        return stated.before(match, self._joined[both])

    def _resolve(self, line: Line, below: str, match: Match | None) -> Target:
        method, scheme, host, root_path, path, raw_path, query = line
        host = host.lower()
        rule = self._unruled if match is None else match.rule
        pattern, params = (match.pattern, match.params) if match else (None, {})
        if raw_path is None:
            raw_path = quote(path, safe="/", errors="surrogatepass").encode()
        kept = filtered_query(query, rule or self._unruled)
        origin = f"{scheme}://{host.decode('latin-1')}"
        state = hashing(
            [
                scheme.encode(),
                host,
                root_path.encode("utf-8", "surrogatepass"),
                path.encode("utf-8", "surrogatepass"),
                raw_path,
                kept,
            ],
            after=self._salted,
        )
        plain = origin + raw_path.decode("latin-1")
        url = _with_query(plain, query)
        patterns = () if match is None else match.patterns
        tally = self._observer.tally(pattern)
        is_observed = self._observe or (rule is not None and rule.observe)
        is_stored = rule is not None and method in rule.methods
        is_passed = method in SAFE_METHODS and not is_stored and not is_observed
        is_at_hand = rule is not None and not is_observed and _is_at_hand(method, rule)
        return Target(
            rule=rule,
            pattern=pattern,
            url=url,
            stored_url=url if kept == query else _with_query(plain, kept),
            origin=origin,
            query=kept,
            params=params,
            make_tags=partial(_tags, (scheme, host.decode("latin-1")), path, kept, patterns, below),
            state=state,
            tally=tally,
            passing=Pass(tally) if is_passed else None,
            is_observed=is_observed,
            is_head=method == "HEAD",
            is_partitioned=pattern is not None and rule is not None and not rule.public,
            key=digest([b"GET", NOBODY], after=state) if is_at_hand else None,
            said_by="" if match is None else match.said_by,
        )


def _tags(
    origin: tuple[str, str], path: str, query: bytes, patterns: Sequence[str], below: str
) -> tuple[str, ...]:
    own = url_tag(plain_origin(*origin), path, query)
    return (own, EVERYTHING, *map(route_tag, patterns), *path_tags(below))


def _with_query(url: str, query: bytes) -> str:
    return f"{url}?{query.decode('latin-1')}" if query else url


def _is_at_hand(method: str, rule: Rule) -> bool:
    """Whether what such a request asks for may be answered without asking other processes."""
    return method in rule.methods and method != "POST" and rule.coherence != "strict"


def route_path(path: str, root_path: str) -> str:
    """Return *path* as routes see it: below where the app is mounted."""
    below = path.removeprefix(root_path)
    return below if below != path and (not below or below.startswith("/")) else path


def plain_origin(scheme: str, host: str) -> str:
    """Return scheme and host without the port that goes without saying (RFC 9110, 4.2.3)."""
    name, _, port = host.rpartition(":")
    is_default = name and port in {"", str(DEFAULT_PORTS.get(scheme))}
    return f"{scheme}://{(name if is_default else host).lower()}"
