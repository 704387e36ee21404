"""The commands for strings, and those for keys of any kind."""

from __future__ import annotations

from tests.simulation.wire import parse_integer, refusal, syntax_error, wrong_arity


def ping(server, arguments):
    """Answer."""
    if len(arguments) > 1:
        raise wrong_arity(b"PING")
    return arguments[0] if arguments else b"PONG"


def flushall(server, arguments):
    """Forget everything."""
    server.values.clear()
    server.deadlines.clear()
    return b"OK"


def get(server, arguments):
    """Return a string."""
    return server.find(arguments[0], bytes)


def mget(server, arguments):
    """Return those of the values that are there and are strings."""
    values = [server.get(key) for key in arguments]
    return [value if isinstance(value, bytes) else None for value in values]


def set_(server, arguments):
    """Store a string."""
    key, value, *options = arguments
    only_if, milliseconds = _read_options(options)
    deadline = None if milliseconds is None else _deadline(server, milliseconds)
    is_there = server.get(key) is not None
    if (only_if == b"NX" and is_there) or (only_if == b"XX" and not is_there):
        return None
    server.remove(key)
    server.values[key] = value
    if deadline is not None:
        server.deadlines[key] = deadline
    return b"OK"


def _read_options(options):
    """Return under which condition to store, and for how many milliseconds, as it was sent."""
    only_if = milliseconds = None
    while options:
        name = options[0].upper()
        if name in (b"NX", b"XX") and only_if in (None, name):
            only_if = name
            options = options[1:]
        elif name == b"PX" and len(options) > 1:
            milliseconds = options[1]
            options = options[2:]
        else:
            raise syntax_error()
    return only_if, milliseconds


def _deadline(server, raw):
    milliseconds = parse_integer(raw)
    if milliseconds <= 0 or milliseconds >= 2**63 - server.milliseconds():
        raise refusal("ERR invalid expire time in 'set' command")
    return server.milliseconds() + milliseconds


def delete(server, arguments):
    """Forget keys, and say how many there were."""
    there = [key for key in dict.fromkeys(arguments) if server.get(key) is not None]
    for key in there:
        server.remove(key)
    return len(there)


def exists(server, arguments):
    """Say how many of the keys are there."""
    return sum(server.get(key) is not None for key in arguments)


def pexpire(server, arguments):
    """Let a key expire, at once if its time is not in the future."""
    key, raw, *options = arguments
    if options:
        raise refusal(f"ERR Unsupported option {options[0].decode()}")
    milliseconds = parse_integer(raw)
    if milliseconds >= 2**63 - server.milliseconds():
        raise refusal("ERR invalid expire time in 'pexpire' command")
    if server.get(key) is None:
        return 0
    if milliseconds > 0:
        server.deadlines[key] = server.milliseconds() + milliseconds
    else:
        server.remove(key)
    return 1


def pttl(server, arguments):
    """Return the milliseconds that a key has left."""
    (key,) = arguments
    if server.get(key) is None:
        return -2
    return server.deadlines[key] - server.milliseconds() if key in server.deadlines else -1
