"""Patterns over paths: Starlette's templates, ``*`` for a segment, ``**`` for the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from starlette.convertors import CONVERTOR_TYPES

from asgi_cache.wording import Unfit, nearest, suggest

_STR: Final = "[^/]+"
_PATH: Final = ".*"
_INT: Final = "[0-9]+"
_FLOAT: Final = r"[0-9]+(\.[0-9]+)?"
_UUID: Final = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_UNDERSTOOD: Final = frozenset({_STR, _PATH, _INT, _FLOAT, _UUID})
"""Regular expressions of Starlette's own convertors; nothing is known of an app's."""

_REST: Final = r"(?:/(?s:.*))?"

STORABLE: Final = ("GET", "HEAD", "POST")
"""The methods whose responses can be stored."""

METHODS: Final = (*STORABLE, "PUT", "PATCH", "DELETE")
"""The methods that a pattern can name: a rule can say what a write purges."""

_NARROWER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        _FLOAT: frozenset({_INT}),
        _STR: frozenset({_INT, _FLOAT, _UUID}),
        _PATH: frozenset({_INT, _FLOAT, _UUID, _STR}),
    }
)
"""For a convertor, those that match less."""

_PARAMETER: Final = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class _Literal:
    text: str


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    regex: str


_Part: TypeAlias = _Literal | _Parameter
_Segment: TypeAlias = tuple[_Part, ...]
"""What stands between two slashes; nothing, after a slash at the end."""

_ANYTHING: Final = _Parameter("", _STR)
"""The ``*``: a parameter without a name."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, compiled: which methods and decoded paths it matches."""

    text: str
    """As it was written; it names the pattern in errors and metrics."""
    methods: frozenset[str] | None
    """``None`` for every method."""
    segments: tuple[_Segment, ...]
    takes_rest: bool
    """It ends in ``**``, and so matches what precedes that and everything below."""
    regex: re.Pattern[str]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path parameters as they stand in *path*, or nothing if it does not match."""
        if self.methods is not None and method not in self.methods:
            return None
        # As in Starlette, "$" also stands before a line break at the end of the path:
        # a path that the app routes to a handler finds that handler's rule.
        found = self.regex.match(path)
        return None if found is None else found.groupdict()

    def covers(self, other: Pattern) -> bool:
        """Whether it certainly matches whatever *other* matches; ``False`` when in doubt.

        Paths with a line break are left out of account. ``{p:path}`` does not match
        them, but that is not what anyone writes a further rule for.
        """
        if self.methods is not None and not (other.methods and other.methods <= self.methods):
            return False
        return self._covers_path_of(other)

    @property
    def parameters(self) -> frozenset[str]:
        """The names of its path parameters."""
        return frozenset(self._names())

    def _names(self) -> list[str]:
        parameters = (p for segment in self.segments for p in segment if isinstance(p, _Parameter))
        return [parameter.name for parameter in parameters if parameter.name]

    def _covers_path_of(self, other: Pattern) -> bool:
        own, others = self.segments, other.segments
        each = all(map(_segment_covers, own, others))
        if self.takes_rest or (own and _is_lone(own[-1], _PATH)):
            return each and len(own) <= len(others)
        return each and len(own) == len(others) and not other.takes_rest


def parse_pattern(text: str) -> Pattern:
    """Compile a pattern such as ``"/tasks/{task_id:int}"`` or ``"GET,POST /search/**"``.

    Raises:
        ConfigurationError: It is malformed; the message says where.
    """
    prefix, slash, _ = text.partition("/")
    if not slash or (prefix and not prefix[-1].isspace()):
        raise Unfit(text, "has no path: write '/tasks', or '/tasks' after methods: 'GET /tasks'")
    path = text[len(prefix) :]
    _check_characters(text, path)
    head, takes_rest = (path[:-3], True) if path.endswith("/**") else (path, False)
    segments = tuple(_parse_segment(text, segment) for segment in head.split("/")[1:])
    _check_names(text, segments)
    regex = re.compile(_regex_of(segments, takes_rest))
    return Pattern(text, _parse_methods(text, prefix), segments, takes_rest, regex)


def known_method(method: object) -> str:
    """Return *method* if a pattern can name it, spelt as HTTP spells it.

    Raises:
        ConfigurationError: It is another one, or in lower case.
    """
    return _one_of(method, METHODS)


def storable_method(method: object) -> str:
    """Return *method* if its responses can be stored; raises as `known_method`."""
    return _one_of(method, STORABLE)


def _one_of(method: object, methods: tuple[str, ...]) -> str:
    if isinstance(method, str) and method in methods:
        return method
    near = nearest(str(method).upper(), methods)
    raise Unfit(method, f"is not one of {', '.join(methods)}{near}")


def _check_characters(text: str, path: str) -> None:
    if _CONTROL.search(text):
        raise Unfit(text, "holds a control character")
    if "?" in path:
        raise Unfit(text, "holds a query string: name the parameters that count with 'query'")


def _parse_methods(text: str, prefix: str) -> frozenset[str] | None:
    """Read the methods in front of a path; who names GET means HEAD too (RFC 9110, 9.3.2)."""
    if not prefix:
        return None
    try:
        methods = frozenset(known_method(word.strip()) for word in prefix.split(","))
    except Unfit as error:
        raise Unfit(text, f"names a method: {error}") from None
    return methods | {"HEAD"} if "GET" in methods else methods


def _parse_segment(text: str, segment: str) -> _Segment:
    if segment == "*":
        return (_ANYTHING,)
    if segment == "**":
        raise Unfit(text, "goes on after '**', which stands for all the rest")
    parts: list[_Part] = []
    end = 0
    for found in _PARAMETER.finditer(segment):
        parts.append(_parse_literal(text, segment[end : found.start()]))
        parts.append(_Parameter(found[1], _convertor(text, found[2] or "str")))
        end = found.end()
    parts.append(_parse_literal(text, segment[end:]))
    return tuple(part for part in parts if part != _Literal(""))


def _parse_literal(text: str, literal: str) -> _Literal:
    if "{" in literal or "}" in literal:
        raise Unfit(text, "has a brace that is not part of a parameter such as '{id}', '{id:int}'")
    if "*" in literal:
        raise Unfit(text, "has a '*' that is not a whole segment")
    return _Literal(literal)


def _convertor(text: str, name: str) -> str:
    if name not in CONVERTOR_TYPES:
        raise Unfit(text, f"names the unknown convertor {name!r}{suggest(name, CONVERTOR_TYPES)}")
    return CONVERTOR_TYPES[name].regex


def _check_names(text: str, segments: tuple[_Segment, ...]) -> None:
    seen: set[str] = set()
    for part in (part for segment in segments for part in segment if isinstance(part, _Parameter)):
        if part.name and part.name in seen:
            raise Unfit(text, f"has the parameter {part.name!r} twice")
        seen.add(part.name)


def _regex_of(segments: tuple[_Segment, ...], takes_rest: bool) -> str:
    path = "".join("/" + "".join(map(_part_regex, segment)) for segment in segments)
    return "^" + path + (_REST if takes_rest else "") + "$"


def _part_regex(part: _Part) -> str:
    if isinstance(part, _Literal):
        return re.escape(part.text)
    return f"(?P<{part.name}>{part.regex})" if part.name else f"(?:{part.regex})"


def _segment_covers(wide: _Segment, narrow: _Segment) -> bool:
    if len(wide) == len(narrow) and all(map(_part_covers, wide, narrow)):
        return True
    if _is_lone(wide, _PATH):
        return True
    if _is_lone(wide, _STR):
        return bool(narrow) and all(_stays_in_segment(part) for part in narrow)
    return _covers_literal(wide, narrow)


def _part_covers(wide: _Part, narrow: _Part) -> bool:
    match wide, narrow:
        case _Parameter(_, regex), _Parameter(_, other):
            return regex == other or other in _NARROWER.get(regex, ())
        case _:
            return wide == narrow


def _covers_literal(wide: _Segment, narrow: _Segment) -> bool:
    match narrow:
        case (_Literal(text),) if all(_is_understood(part) for part in wide):
            return re.fullmatch("".join(map(_part_regex, wide)), text) is not None
        case _:
            return False


def _is_lone(segment: _Segment, regex: str) -> bool:
    return len(segment) == 1 and isinstance(segment[0], _Parameter) and segment[0].regex == regex


def _stays_in_segment(part: _Part) -> bool:
    return isinstance(part, _Literal) or part.regex == _STR or part.regex in _NARROWER[_STR]


def _is_understood(part: _Part) -> bool:
    return isinstance(part, _Literal) or part.regex in _UNDERSTOOD
