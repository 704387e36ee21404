"""Keys: what makes two requests ask for the same stored response (RFC 9111, section 4.1).

Every key is a digest over length-prefixed parts, so that no request can be written whose
parts run into each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import unquote_plus

from asgi_cache.policy.fields import Fields, combined, lines, members, vary_names
from asgi_cache.policy.message import Variant, VariantIndex
from asgi_cache.policy.rule import Rule

KEY_BYTES = 16

_AROUND = re.compile(rb"[ \t]*([;=])[ \t]*")

REMEMBERED = 1024
"""Values of fields of which it is remembered how they count: most clients send one of a few."""

REMEMBERED_LENGTH = 256
"""Bytes of a value beyond which it is not."""

VARIANT_LIMIT = 64
"""Variants kept of one URL; the oldest goes when one more comes."""

UNORDERED = frozenset({b"accept", b"accept-charset", b"accept-encoding", b"accept-language"})
"""Fields whose members have weights, so that their order means nothing (RFC 9110, 12.5)."""

SINGLETONS = frozenset(
    {b"authorization", b"cookie", b"from", b"host", b"origin", b"referer", b"user-agent"}
)
"""Fields that are no lists: a comma in them, and the space around it, is part of the value."""


def digest(parts: Iterable[bytes], after: blake2b | None = None) -> bytes:
    """Return the 16-byte BLAKE2b digest of *parts*, each preceded by its length.

    With *after*, which stays as it is, they follow the parts that went into that.
    """
    return hashing(parts, after).digest()


def hashing(parts: Iterable[bytes], after: blake2b | None = None) -> blake2b:
    """Return the state of a digest that begins with *parts*."""
    state = blake2b(digest_size=KEY_BYTES) if after is None else after.copy()
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state


def filtered_query(query: bytes, rule: Rule) -> bytes:
    """Return the part of *query* that counts, byte for byte as the client wrote it.

    Only ``&`` separates parameters; a ``;`` is part of a value. Names are compared as
    an app would decode them, so that a parameter cannot hide behind an escape.
    """
    if not query or (rule.query is None and not rule.ignore_query and not rule.sort_query):
        return query
    pairs = [pair for pair in query.split(b"&") if _counts(pair, rule)]
    return b"&".join(sorted(pairs) if rule.sort_query else pairs)


def _counts(pair: bytes, rule: Rule) -> bool:
    name = unquote_plus(pair.partition(b"=")[0].decode("latin-1"), errors="replace")
    if rule.query is not None:
        return name in rule.query
    return name not in rule.ignore_query


def selecting_value(fields: Fields, name: bytes) -> bytes:
    """Return a request field as it counts for selection, absent and empty told apart.

    Combining lines and dropping white space between members changes no list's meaning;
    for fields with weights neither does the order or the case of members (section 4.1).
    Members are preceded by their length: a quote that is never closed has commas in it.
    """
    counted = lines(fields, name)
    if not counted:
        return b"-"
    if name in SINGLETONS:
        return _written(counted)
    if len(counted) == 1 and len(counted[0]) <= REMEMBERED_LENGTH:
        return _of_one_line(name, counted[0])
    return _of_list(name, counted)


@lru_cache(REMEMBERED)
def _of_one_line(name: bytes, value: bytes) -> bytes:
    return _of_list(name, [value])


def _of_list(name: bytes, counted: list[bytes]) -> bytes:
    listed = [member for value in counted for member in members(value)]
    if name in UNORDERED:
        listed = sorted({_normal_member(member, name) for member in listed})
    return _written(listed)


def _written(counted: list[bytes]) -> bytes:
    return b"=" + b"".join([b"%d:%b" % (len(value), value) for value in counted])


def _normal_member(member: bytes, name: bytes) -> bytes:
    """Drop the white space around ``;`` and ``=``, and the case where it has no meaning.

    The value of a media type's parameter may depend on it, and a quoted one on its white
    space as well (RFC 9110, section 8.3.1).
    """
    if b'"' in member:
        return member
    kept = _AROUND.sub(rb"\1", member)
    if name != b"accept":
        return kept.lower()
    media_type, *parameters = kept.split(b";")
    named = [parameter.partition(b"=") for parameter in parameters]
    return b";".join([media_type.lower(), *(n.lower() + sign + v for n, sign, v in named)])


def selector(primary: bytes, names: tuple[bytes, ...], fields: Fields) -> bytes:
    """Return the secondary key: the fields that ``Vary`` names, as this request has them."""
    return digest([primary, *_pairs(names, fields)])


def language_selector(
    primary: bytes, names: tuple[bytes, ...], fields: Fields, language: bytes
) -> bytes | None:
    """Return the secondary key of all requests that like *language* best, other fields equal."""
    if b"accept-language" not in names:
        return None
    others = tuple(name for name in names if name != b"accept-language")
    return digest([primary, b"language", language.lower(), *_pairs(others, fields)])


def _pairs(names: tuple[bytes, ...], fields: Fields) -> list[bytes]:
    return [part for name in names for part in (name, selecting_value(fields, name))]


def preferred_language(fields: Fields) -> bytes | None:
    """Return the one language that the request likes best (RFC 9110, section 12.5.4)."""
    weights: dict[bytes, float] = {}
    for member in members(combined(fields, b"accept-language") or b""):
        tag, _, parameters = member.partition(b";")
        weights[tag.strip().lower()] = _weight(parameters)
    best = max(weights.values(), default=0.0)
    liked = [tag for tag, weight in weights.items() if weight == best > 0]
    return liked[0] if len(liked) == 1 and liked[0] != b"*" else None


def _weight(parameters: bytes) -> float:
    """Read ``q=0.5``; what is not a weight counts as none at all (RFC 9110, section 12.4.2)."""
    if not parameters.strip():
        return 1.0
    name, _, value = parameters.partition(b"=")
    digits = value.strip()
    if name.strip().lower() != b"q" or not digits.replace(b".", b"", 1).isdigit():
        return 0.0
    return min(1.0, float(digits))


def part_key(primary: bytes) -> bytes:
    """Return the key of a part of a response, kept beside the place of the whole."""
    return digest([primary, b"part"])


def select(index: VariantIndex, fields: Fields) -> Variant | None:
    """Return the newest variant that a request with *fields* selects (section 4.1).

    One that such a request has selected before comes first; else one in the language that
    the request likes best will do.
    """
    exact = {names: selector(index.key, names, fields) for names in _selections(index)}
    for variant in index.variants:
        if variant.selector == exact[variant.vary]:
            return variant
    return _select_by_language(index, fields)


def _select_by_language(index: VariantIndex, fields: Fields) -> Variant | None:
    in_some_language = [variant for variant in index.variants if variant.language_selector]
    language = preferred_language(fields) if in_some_language else None
    if language is None:
        return None
    for variant in in_some_language:
        wanted = language_selector(index.key, variant.vary, fields, language)
        if variant.language_selector == wanted:
            return variant
    return None


def _selections(index: VariantIndex) -> set[tuple[bytes, ...]]:
    return {variant.vary for variant in index.variants}


def variant_of(primary: bytes, request: Fields, response: Fields) -> Variant | None:
    """Say which requests select a response to *request*; nothing if it does not vary."""
    names = vary_names(response)
    if not names:
        return None
    language = combined(response, b"content-language")
    return Variant(
        vary=names,
        selector=selector(primary, names, request),
        language_selector=language and language_selector(primary, names, request, language),
    )


def with_variant(index: VariantIndex | None, primary: bytes, variant: Variant) -> VariantIndex:
    """Put *variant* first in *index*, in place of what the same requests selected before."""
    others = index.variants if index else ()
    kept = tuple(other for other in others if other.selector != variant.selector)
    return VariantIndex(primary, (variant, *kept)[:VARIANT_LIMIT])
