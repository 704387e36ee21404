"""What requests to the admin API may say: how it is read, and the same as JSON Schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from starlette.requests import Request

from asgi_cache.admin.problems import Unprocessable
from asgi_cache.coercion import Reader, read_count, read_each, read_table, read_text
from asgi_cache.policy.fields import is_token
from asgi_cache.tags import is_writable
from asgi_cache.wording import Unfit, shorten, suggest

LARGEST_BODY: Final = 1024 * 1024
"""Bytes of a request's body."""

MOST: Final = 1000
"""Members of a list."""


MOST_URLS: Final = 100
"""URLs that are warmed by one request."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one field may hold."""

    read: Reader
    schema: Mapping[str, Any]
    default: object = None
    """What it means to leave it out."""
    is_required: bool = False


Form: TypeAlias = Mapping[str, Kind]
"""The fields of a request's body, or of its query."""


def read_form(form: Form, given: Mapping[str, object]) -> dict[str, Any]:
    """Return what the fields of *form* mean, with the defaults of those that are not *given*.

    Raises:
        Unprocessable: One of them is unknown, unfit, or missing.
    """
    for name in given:
        if name not in form:
            raise Unprocessable(str(name), f"unknown field {shorten(name)}{suggest(name, form)}")
    for name, kind in form.items():
        if kind.is_required and name not in given:
            raise Unprocessable(name, f"{name} is missing")
    return {name: _read(name, kind, given) for name, kind in form.items()}


def _read(name: str, kind: Kind, given: Mapping[str, object]) -> object:
    if name not in given:
        return kind.default
    try:
        return kind.read(given[name])
    except Unfit as error:
        raise Unprocessable(name, f"{name}={shorten(given[name])} {error.why}") from None


def query_of(request: Request) -> dict[str, object]:
    """Return the fields of a request's query.

    Raises:
        Unprocessable: One of them is there twice.
    """
    return _once(request.query_params.multi_items())


async def body_of(request: Request) -> Mapping[str, object]:
    """Return the JSON object that a request brings.

    Raises:
        Unprocessable: It brings something else; with 400, 413 or 415 for a status.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Unprocessable(None, "send Content-Type: application/json", 415)
    try:
        content = json.loads(await _content(request), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Unprocessable(None, "the body is not JSON", 400) from None
    try:
        return read_table(content)
    except Unfit:
        raise Unprocessable(None, "the body is not a JSON object") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    """Return *pairs* by name; of two with one name nobody knows which counts.

    Raises:
        Unprocessable: There are such.
    """
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise Unprocessable(name, f"{shorten(name)} is given twice")
    return dict(pairs)


async def _content(request: Request) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST_BODY:
            raise Unprocessable(None, f"the body has more than {LARGEST_BODY} bytes", 413)
    return bytes(content)


def schema_of_form(form: Form) -> dict[str, Any]:
    """Return *form* as JSON Schema."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: dict(kind.schema) for name, kind in form.items()},
        "additionalProperties": False,
    }
    required = [name for name, kind in form.items() if kind.is_required]
    return {**schema, "required": required} if required else schema


def read_name(value: object) -> str:
    """Read text that something could be called by."""
    text = read_text(value)
    if not text or not is_writable(text):
        raise Unfit(value, "is empty, or is not text that anything could be called by")
    return text


def read_names(value: object) -> tuple[str, ...]:
    """Read a list of such texts."""
    names = read_each(value, read_name)
    if len(names) > MOST:
        raise Unfit(value, f"has more than {MOST} members")
    return names


def read_flag(value: object) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise Unfit(value, "is not true or false")
    return value


def read_user(value: object) -> str | None:
    """Read a user's id, which may be a number."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return read_name(value)


def read_status(value: object) -> int:
    """Read a status code."""
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise Unfit(value, "is not a status code from 200 to 599")
    return value


def read_method(value: object) -> str:
    """Read a method: a token (RFC 9110, section 9.1)."""
    if not isinstance(value, str) or not value.isascii() or not is_token(value.encode()):
        raise Unfit(value, "is not a method")
    return value


def read_headers(value: object) -> dict[str, str]:
    """Read fields, each with one value."""
    table = read_table(value)
    for name, each in table.items():
        if not name.isascii() or not is_token(name.encode()):
            raise Unfit(value, f"has {shorten(name)}, which is not the name of a field")
        if not isinstance(each, str) or not _is_field_value(each):
            raise Unfit(value, f"has a value of {name!r} that is not the value of a field")
    return cast("dict[str, str]", dict(table))


def _is_field_value(text: str) -> bool:
    return all(" " <= character <= "\xff" and character != "\x7f" for character in text)


def read_urls(value: object) -> tuple[str, ...]:
    """Read a list of URLs, none of them empty."""
    urls = read_names(value)
    if not 1 <= len(urls) <= MOST_URLS:
        raise Unfit(value, f"does not have 1 to {MOST_URLS} members")
    return urls


def read_count_up_to(most: int) -> Reader:
    """Return what reads a whole number from 1 to *most*, in digits."""

    def read(value: object) -> int:
        try:
            count = read_count(value)
        except Unfit:
            count = 0
        if not 1 <= count <= most:
            raise Unfit(value, f"is not a whole number from 1 to {most}")
        return count

    return read


def choice(*choices: str) -> Reader:
    """Return what reads one of *choices*."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Unfit(value, f"is not one of {', '.join(choices)}")
        return value

    return read


_NAME: Final = {"type": "string", "minLength": 1}
NAME: Final = Kind(read_name, _NAME, is_required=True)
NAMES: Final = Kind(read_names, {"type": "array", "items": _NAME, "maxItems": MOST}, ())
FLAG: Final = Kind(read_flag, {"type": "boolean"}, default=False)
USER: Final = Kind(read_user, {"anyOf": [_NAME, {"type": "integer"}, {"type": "null"}]})
STATUS: Final = Kind(read_status, {"type": "integer", "minimum": 200, "maximum": 599}, 200)
_WORD: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
METHOD: Final = Kind(read_method, {"type": "string", "pattern": _WORD}, "GET")
HEADERS: Final = Kind(
    read_headers,
    {
        "type": "object",
        "propertyNames": {"pattern": _WORD},
        "additionalProperties": {"type": "string", "pattern": r"^[\x20-\x7e\x80-\xff]*$"},
    },
    {},
)
