"""What Redis says, as redis-py returns it from RESP2, and how it reads numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from redis._parsers.base import BaseParser
from redis.exceptions import ResponseError

Command: TypeAlias = Sequence[bytes]
"""A command's name and its arguments."""

Reply: TypeAlias = "bytes | int | list[Reply] | ResponseError | None"

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def refusal(message: str) -> ResponseError:
    """Return the error that redis-py makes of *message*."""
    return BaseParser.parse_error(message)


def syntax_error() -> ResponseError:
    """Return what Redis says to arguments that it cannot make sense of."""
    return refusal("ERR syntax error")


def wrong_arity(name: bytes) -> ResponseError:
    """Return what Redis says to too few or too many arguments."""
    return refusal(f"ERR wrong number of arguments for '{name.decode().lower()}' command")


def wrong_type() -> ResponseError:
    """Return what Redis says to a command for values of another kind."""
    return refusal("WRONGTYPE Operation against a key holding the wrong kind of value")


def parse_integer(raw: bytes, what: str = "value") -> int:
    """Return the signed 64-bit number that *raw* stands for.

    Raises:
        ResponseError: It is none.
    """
    number = int(raw) if _INTEGER.fullmatch(raw) else None
    if number is None or not -(2**63) <= number < 2**63:
        raise refusal(f"ERR {what} is not an integer or out of range")
    return number
