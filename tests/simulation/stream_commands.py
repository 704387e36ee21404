"""The commands for streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.streams import (
    Stream,
    format_id,
    parse_end,
    parse_id,
    parse_start,
    reply_of,
)
from tests.simulation.wire import Reply, parse_integer, refusal, syntax_error, wrong_arity


@dataclass(frozen=True)
class Blocked:
    """What XREAD waits with: *read* returns entries as soon as there are any."""

    read: Callable[[], Reply]
    timeout: float | None
    """Seconds, or none for as long as it takes."""


@dataclass
class _Adding:
    """The options of XADD and XTRIM, and what is behind them."""

    create: bool = True
    length: int | None = None
    approximately: bool = False

    def read(self, arguments, *, xadd):
        """Take the options from the front of *arguments*, and return what is left."""
        while arguments:
            name = arguments[0].upper()
            if name == b"MAXLEN" and len(arguments) > 1:
                arguments = self._read_length(arguments[1:])
            elif xadd and name == b"NOMKSTREAM":
                self.create = False
                arguments = arguments[1:]
            elif xadd:
                break
            else:
                raise syntax_error()
        return arguments

    def _read_length(self, arguments):
        if self.length is not None:
            raise refusal(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
            )
        if len(arguments) > 1 and arguments[0] in (b"~", b"="):
            self.approximately = arguments[0] == b"~"
            arguments = arguments[1:]
        self.length = parse_integer(arguments[0])
        if self.length < 0:
            raise refusal("ERR The MAXLEN argument must be >= 0.")
        return arguments[1:]

    def trim(self, stream):
        """Trim *stream*, if that was asked for, and say how many entries it lost."""
        if self.length is None:
            return 0
        return stream.trim(self.length, approximately=self.approximately)


def xadd(server, arguments):
    """Append an entry, to a new stream if need be."""
    key, *rest = arguments
    options = _Adding()
    rest = options.read(rest, xadd=True)
    stream_id = parse_id(rest[0]) if rest and rest[0] != b"*" else None
    fields = rest[1:]
    if not fields or len(fields) % 2:
        raise wrong_arity(b"XADD")
    if stream_id == (0, 0):
        raise refusal("ERR The ID specified in XADD must be greater than 0-0")
    stream = server.find(key, Stream)
    if stream is None:
        if not options.create:
            return None
        stream = server.values[key] = Stream()
    stream_id = stream_id or stream.next_id(server.milliseconds())
    stream.add(stream_id, fields)
    options.trim(stream)
    return format_id(stream_id)


def xtrim(server, arguments):
    """Drop the oldest entries."""
    key, *rest = arguments
    options = _Adding()
    options.read(rest, xadd=False)
    stream = server.find(key, Stream)
    return 0 if stream is None else options.trim(stream)


def xlen(server, arguments):
    """Count the entries."""
    stream = server.find(arguments[0], Stream)
    return 0 if stream is None else len(stream.entries)


def xrange(server, arguments):
    """Return the entries of a range, the oldest first."""
    key, start, end, *options = arguments
    return _range(server, key, (start, end), options, step=1)


def xrevrange(server, arguments):
    """Return the entries of a range, the newest first."""
    key, end, start, *options = arguments
    return _range(server, key, (start, end), options, step=-1)


def _range(server, key, bounds, options, *, step):
    start, end = parse_start(bounds[0]), parse_end(bounds[1])
    count = _read_count(options)
    stream = server.find(key, Stream)
    if stream is None:
        return []
    if count == 0:
        return None
    return reply_of(stream.between(start, end)[::step][:count])


def _read_count(options):
    """Return how many entries are asked for, or none for all of them."""
    count = None
    while options:
        if options[0].upper() != b"COUNT" or len(options) == 1:
            raise syntax_error()
        count = max(0, parse_integer(options[1]))
        options = options[2:]
    return count


@dataclass
class _Reading:
    """The options of XREAD."""

    count: int | None = None
    block: int | None = None

    def read(self, arguments):
        """Take the options from the front of *arguments*, and return what is left."""
        while len(arguments) > 1 and arguments[0].upper() != b"STREAMS":
            if arguments[0].upper() == b"COUNT":
                self.count = max(0, parse_integer(arguments[1])) or None
            elif arguments[0].upper() == b"BLOCK":
                self.block = _parse_timeout(arguments[1])
            else:
                raise syntax_error()
            arguments = arguments[2:]
        if len(arguments) < 2:
            raise syntax_error()
        return arguments[1:]

    @property
    def timeout(self):
        """Seconds to wait, or none for as long as it takes."""
        return self.block / 1000 if self.block else None


def _parse_timeout(raw):
    timeout = parse_integer(raw, "timeout")
    if timeout < 0:
        raise refusal("ERR timeout is negative")
    return timeout


def xread(server, arguments):
    """Return the entries behind an id of each stream, or wait for some."""
    options = _Reading()
    streams = options.read(arguments)
    if len(streams) % 2:
        raise refusal(
            "ERR Unbalanced XREAD list of streams: "
            "for each stream key an ID or '$' must be specified."
        )
    half = len(streams) // 2
    after = [
        (key, _resolve(server.find(key, Stream), raw))
        for key, raw in zip(streams[:half], streams[half:], strict=True)
    ]

    def read():
        return _news(server, after, options.count)

    found = read()
    return found if found or options.block is None else Blocked(read, options.timeout)


def _resolve(stream, raw):
    if raw != b"$":
        return parse_id(raw)
    return (0, 0) if stream is None else stream.last_id


def _news(server, after, count):
    """Return what is behind each of the ids, or none if nothing is."""
    streams = [(key, server.get(key), stream_id) for key, stream_id in after]
    found = [
        [key, reply_of(entries[:count])]
        for key, stream, stream_id in streams
        if isinstance(stream, Stream) and (entries := stream.after(stream_id))
    ]
    return found or None
