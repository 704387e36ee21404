"""What ``Cache-Control`` and the fields that stand in for it say (RFC 9111, section 5.2).

Where a field is ambiguous or wrong the restrictive reading counts: a mistake in it
may cost a hit, but never serves what its sender wanted kept back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from http_sf import StructuredFieldError, parse

from asgi_cache.policy.fields import (
    LONGEST_DELTA,
    TOKEN,
    Fields,
    combined,
    has_any,
    is_token,
    members,
    parse_delta_seconds,
)
from asgi_cache.values import value

_Stated: TypeAlias = dict[bytes, list[bytes | None]]
"""The arguments given to each directive: ``None`` where there was none, empty if malformed."""

_DURATIONS = frozenset({b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"})

_DIRECTIVE = re.compile(
    rb'(?P<name>%b)(?:=(?:(?P<token>%b)|"(?P<quoted>(?:[^"\\]|\\.)*)"))?' % (TOKEN, TOKEN),
    re.DOTALL,
)
_WORD = re.compile(TOKEN)
_QUOTED_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


@value
class RequestDirectives:
    """What a client asks of caches (RFC 9111, section 5.2.1). Durations are seconds."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    min_fresh: int | None = None
    max_stale: int | None = None
    """`LONGEST_DELTA` if any staleness will do."""
    stale_if_error: int | None = None


@value
class ResponseDirectives:
    """What an app asks of caches (RFC 9111, section 5.2.2). Durations are seconds."""

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: tuple[bytes, ...] = ()
    """Names of the fields that must not be sent again without validation."""
    private: bool = False
    private_fields: tuple[bytes, ...] = ()
    """Names of the fields that are for one user only."""
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    stated: bool = False
    """A field with directives was there, whatever it said."""
    targeted: bool = False
    """They come from a targeted field: ``Cache-Control`` and ``Expires`` do not count."""


REQUEST_FIELDS = frozenset({b"cache-control", b"pragma"})
"""Fields in which a client asks something of caches."""

REMEMBERED = 1024
"""Values of ``Cache-Control`` that are not read again: an app sends few different ones."""

REMEMBERED_LENGTH = 256
"""Bytes of a value beyond which it is."""

_NO_REQUEST_DIRECTIVES = RequestDirectives()
_NO_RESPONSE_DIRECTIVES = ResponseDirectives()


def parse_request(fields: Fields) -> RequestDirectives:
    """Read a request's ``Cache-Control``, or ``Pragma`` where there is none (section 5.4)."""
    if not has_any(fields, REQUEST_FIELDS):
        return _NO_REQUEST_DIRECTIVES
    value = combined(fields, b"cache-control")
    if value is None:
        pragma = _read(combined(fields, b"pragma") or b"")
        return RequestDirectives(no_cache=b"no-cache" in pragma)
    stated = _read(value)
    return RequestDirectives(
        no_cache=b"no-cache" in stated,
        no_store=b"no-store" in stated,
        only_if_cached=b"only-if-cached" in stated,
        max_age=_shortest(stated, b"max-age"),
        min_fresh=_min_fresh(stated),
        max_stale=_max_stale(stated),
        stale_if_error=_shortest(stated, b"stale-if-error"),
    )


def parse_response(
    fields: Fields, targeted: Sequence[bytes] = (b"cdn-cache-control",)
) -> ResponseDirectives:
    """Read the directives that count for us: the first valid *targeted* field's, if any.

    One that is empty or malformed is as if absent (RFC 9213, section 2.2). One that
    is valid replaces ``Cache-Control`` altogether.
    """
    for name in targeted:
        value = combined(fields, name)
        directives = _targeted(value) if value else None
        if directives is not None:
            return directives
    value = combined(fields, b"cache-control")
    if value is None:
        return _NO_RESPONSE_DIRECTIVES
    return _read_response(value) if len(value) > REMEMBERED_LENGTH else _known_response(value)


def _targeted(value: bytes) -> ResponseDirectives | None:
    stated = _read_structured(value)
    return None if stated is None else _response_directives(stated, targeted=True)


def _read_response(value: bytes) -> ResponseDirectives:
    return _response_directives(_read(value), targeted=False)


_known_response = lru_cache(REMEMBERED)(_read_response)


def _response_directives(stated: _Stated, *, targeted: bool) -> ResponseDirectives:
    no_cache, no_cache_fields = _qualified(stated, b"no-cache")
    private, private_fields = _qualified(stated, b"private")
    return ResponseDirectives(
        no_store=b"no-store" in stated,
        no_cache=no_cache,
        no_cache_fields=no_cache_fields,
        private=private,
        private_fields=private_fields,
        public=_permits(stated, b"public"),
        must_revalidate=b"must-revalidate" in stated,
        proxy_revalidate=b"proxy-revalidate" in stated,
        must_understand=_permits(stated, b"must-understand"),
        max_age=_shortest(stated, b"max-age"),
        s_maxage=_shortest(stated, b"s-maxage"),
        stale_while_revalidate=_shortest(stated, b"stale-while-revalidate"),
        stale_if_error=_shortest(stated, b"stale-if-error"),
        stated=True,
        targeted=targeted,
    )


def _read(value: bytes) -> _Stated:
    """Gather the directives of a ``Cache-Control`` field, each with all its arguments."""
    stated: _Stated = {}
    for member in members(value):
        for name, argument in _directives(member):
            stated.setdefault(name.lower(), []).append(argument)
    return stated


def _directives(member: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Read one member; a malformed one states every directive that it names.

    ``private; max-age=60`` and ``no-cache no-store`` are common mistakes, and
    what they mean to restrict is plain enough.
    """
    match = _DIRECTIVE.fullmatch(member)
    if match is None:
        for word in _WORD.findall(_QUOTED_STRING.sub(b" ", member)):
            yield word, b""
    elif match["quoted"] is not None:
        yield match["name"], _QUOTED_PAIR.sub(rb"\1", match["quoted"])
    else:
        yield match["name"], match["token"]


def _read_structured(value: bytes) -> _Stated | None:
    """Gather the directives of a targeted field: none if it is empty or malformed.

    Members and their parameters have structured types (RFC 9213, section 2.1). Of a
    repeated member only the last counts, as everywhere in structured fields.
    """
    try:
        dictionary = parse(value, tltype="dictionary")
    except StructuredFieldError:
        return None
    if not isinstance(dictionary, dict) or not dictionary:
        return None
    stated: _Stated = {}
    for key, member in dictionary.items():
        name, typed = key.encode(), member[0] if isinstance(member, tuple) else member
        if (name in _DURATIONS and type(typed) is not int) or typed is False:
            continue
        stated[name] = [_argument(typed)]
    return stated


def _argument(typed: object) -> bytes | None:
    """Write a structured value as the argument that it stands for."""
    match typed:
        case True:
            return None
        case int():
            return b"%d" % max(typed, 0)
        case str():
            return typed.encode()
        case _:
            return b""


def _permits(stated: _Stated, name: bytes) -> bool:
    """Whether a directive that relaxes a restriction is there exactly as it should be."""
    return None in stated.get(name, ())


def _qualified(stated: _Stated, name: bytes) -> tuple[bool, tuple[bytes, ...]]:
    """Tell whether the whole response is restricted, and which of its fields alone are."""
    whole, names = False, dict[bytes, None]()
    for argument in stated.get(name, ()):
        found = members((argument or b"").lower())
        if not found or not all(map(is_token, found)):
            whole = True
        else:
            names.update(dict.fromkeys(found))
    return whole, tuple(names)


def _seconds(stated: _Stated, name: bytes) -> list[int | None]:
    """Return the times given to a directive, ``None`` for each that is missing or not valid."""
    return [parse_delta_seconds(argument or b"") for argument in stated.get(name, ())]


def _shortest(stated: _Stated, name: bytes) -> int | None:
    """Choose the shortest time; one that is not valid permits nothing, so it counts as 0."""
    return min((seconds or 0 for seconds in _seconds(stated, name)), default=None)


def _min_fresh(stated: _Stated) -> int | None:
    """Choose the longest time; one that is not valid may be as long as can be."""
    times = _seconds(stated, b"min-fresh")
    return max((LONGEST_DELTA if time is None else time for time in times), default=None)


def _max_stale(stated: _Stated) -> int | None:
    """Choose the shortest valid time; without an argument any staleness will do."""
    valid = [seconds for seconds in _seconds(stated, b"max-stale") if seconds is not None]
    if None in stated.get(b"max-stale", ()):
        valid.append(LONGEST_DELTA)
    return min(valid, default=None)
