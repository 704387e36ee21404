"""Streams as Redis keeps them, and their ids."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from operator import itemgetter
from typing import Final, TypeAlias

from tests.simulation.wire import refusal

StreamId: TypeAlias = tuple[int, int]

_NONE: Final = (0, 0)
_LARGEST: Final = 2**64 - 1
_NODE_ENTRIES: Final = 100
"""Entries that Redis keeps together, and drops together when it trims to about a length."""
_ID = re.compile(rb"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_position = itemgetter(0)


class Stream:
    """Entries in the order of their ids, and the largest id that was ever among them."""

    def __init__(self):
        self.entries = []
        self.last_id = _NONE

    def next_id(self, milliseconds):
        """Return the id that follows all others, from the clock unless that went back."""
        if milliseconds > self.last_id[0]:
            return milliseconds, 0
        return successor(self.last_id)

    def add(self, stream_id, fields):
        """Append an entry.

        Raises:
            ResponseError: Its id does not follow the others.
        """
        if stream_id <= self.last_id:
            raise refusal(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item"
            )
        self.entries.append((stream_id, fields))
        self.last_id = stream_id

    def between(self, start, end):
        """Return the entries from *start* to *end*, both included."""
        first = bisect_left(self.entries, start, key=_position)
        return self.entries[first : bisect_right(self.entries, end, key=_position)]

    def after(self, stream_id):
        """Return the entries behind *stream_id*."""
        return self.entries[bisect_right(self.entries, stream_id, key=_position) :]

    def trim(self, length, *, approximately):
        """Drop the oldest entries beyond *length*, or those whose whole node is; say how many."""
        before = len(self.entries)
        while len(self.entries) > length:
            node = min(_NODE_ENTRIES, len(self.entries)) if approximately else 1
            if len(self.entries) - node < length:
                break
            del self.entries[:node]
        return before - len(self.entries)


def successor(stream_id):
    """Return the next larger id."""
    milliseconds, sequence = stream_id
    return (milliseconds, sequence + 1) if sequence < _LARGEST else (milliseconds + 1, 0)


def predecessor(stream_id):
    """Return the next smaller id."""
    milliseconds, sequence = stream_id
    return (milliseconds, sequence - 1) if sequence else (milliseconds - 1, _LARGEST)


def format_id(stream_id):
    """Return *stream_id* as Redis writes it."""
    return b"%d-%d" % stream_id


def reply_of(entries):
    """Return *entries* as Redis sends them."""
    return [[format_id(stream_id), list(fields)] for stream_id, fields in entries]


def parse_id(raw, missing_sequence=0):
    """Return the id that *raw* stands for.

    Raises:
        ResponseError: It stands for none.
    """
    match = _ID.fullmatch(raw)
    parts = [int(part) for part in match.groups(str(missing_sequence))] if match else [-1]
    if not 0 <= min(parts) <= max(parts) <= _LARGEST:
        raise refusal("ERR Invalid stream ID specified as stream command argument")
    milliseconds, sequence = parts
    return milliseconds, sequence


def parse_start(raw):
    """Return the first id of a range that begins with *raw*."""
    if not _is_exclusive(raw):
        return _parse_bound(raw, 0)
    stream_id = parse_id(raw[1:])
    if stream_id == (_LARGEST, _LARGEST):
        raise refusal("ERR invalid start ID for the interval")
    return successor(stream_id)


def parse_end(raw):
    """Return the last id of a range that ends with *raw*."""
    if not _is_exclusive(raw):
        return _parse_bound(raw, _LARGEST)
    stream_id = parse_id(raw[1:], _LARGEST)
    if stream_id == _NONE:
        raise refusal("ERR invalid end ID for the interval")
    return predecessor(stream_id)


def _is_exclusive(raw):
    return raw.startswith(b"(") and len(raw) > 1


def _parse_bound(raw, missing_sequence):
    if raw in (b"-", b"+"):
        return _NONE if raw == b"-" else (_LARGEST, _LARGEST)
    return parse_id(raw, missing_sequence)
