"""Random commands of which a real server and the simulated one have to think alike."""

from __future__ import annotations

COUNTING_SCRIPT = b"return {#KEYS, #ARGV, redis.call('EXISTS', 'a')}"

_KEYS = (b"a", b"b", b"c")
_IDS = (b"0", b"1", b"1-1", b"1-2", b"2", b"2-5", b"3-0", b"9-9", b"18446744073709551615")
_BOUNDS = (
    *(b"-", b"+", b"(1", b"(1-1", b"(2-5") * 4,
    *(b"(", b"(-", b"nonsense", b"(0-0", b"1-2-3", b""),
    *(b"(18446744073709551615-18446744073709551615", b"18446744073709551616", b"$"),
)
_NUMBERS = (
    *(b"1", b"2", b"3", b"4", b"5", b"7") * 4,
    *(b"0", b"100000", b"-1", b"-0", b"01", b"1.5", b"", b"x"),
)
_LARGE = (b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808")
_TIMES = (*(b"100000", b"500000") * 4, b"0", b"-5", b"x", *_LARGE)


def draw_sequence(draw):
    """Draw the commands of one connection."""
    return [_draw_command(draw) for _ in range(draw.randint(5, 40))]


def _draw_command(draw):
    command = draw.choice(_FORMS)(draw, draw.choice(_KEYS))
    if draw.random() < 0.03:
        del command[draw.randint(1, len(command)) :]
    if len(command) > 1 and draw.random() < 0.03:
        command.insert(draw.randint(1, len(command)), draw.choice((b"0", b"COUNT", b"x")))
    if draw.random() < 0.2:
        command[0] = command[0].lower()
    return command


def _some(draw, *options):
    """Draw which of *options* to give, each by chance."""
    return [part for option in options if draw.random() < 0.3 for part in option]


def _set(draw, key):
    options = _some(draw, [b"PX", draw.choice(_TIMES)], [b"NX"], [b"xx"], [b"px", b"100000"])
    return [b"SET", key, b"%d" % draw.randint(0, 9), *options]


def _of_keys(draw, key):
    name = draw.choice((b"MGET", b"DEL", b"UNLINK", b"EXISTS"))
    return [name, *draw.choices(_KEYS, k=draw.randint(1, 3))]


def _of_key(draw, key):
    return [draw.choice((b"GET", b"PTTL", b"XLEN", b"GET", b"XLEN")), key]


def _pexpire(draw, key):
    return [b"PEXPIRE", key, draw.choice(_TIMES), *_some(draw, *[[b"ZZ"]] * (draw.random() < 0.2))]


def _xadd(draw, key):
    again = _draw_length(draw) if draw.random() < 0.1 else []
    options = _some(draw, [b"NOMKSTREAM"], _draw_length(draw), again)
    likely = b"%d-%d" % (draw.randint(0, 4), draw.randint(0, 9))
    stream_id = draw.choice((likely, likely, likely, draw.choice(_IDS)))
    return [b"XADD", key, *options, stream_id, b"field", b"%d" % draw.randint(0, 99)]


def _draw_length(draw):
    return [b"MAXLEN", *draw.choice(([], [b"="], [b"~"])), draw.choice(_NUMBERS + _LARGE)]


def _xtrim(draw, key):
    return [b"XTRIM", key, *_draw_length(draw)]


def _xrange(draw, key):
    bounds = draw.choices(_IDS + _BOUNDS, k=2) if draw.random() < 0.7 else [b"-", b"+"]
    options = _some(draw, [b"COUNT", draw.choice(_NUMBERS)])
    if draw.random() < 0.5:
        return [b"XREVRANGE", key, *reversed(bounds), *options]
    return [b"XRANGE", key, *bounds, *options]


def _xread(draw, key):
    """Draw a read of all that there is, which does not block where there is something."""
    keys = draw.choices(_KEYS, k=draw.randint(1, 2))
    ids = draw.choices((*_IDS, b"$", b"x"), k=len(keys))
    timeout = draw.choice((b"1", b"1", b"-1", b"x"))
    options = _some(draw, [b"COUNT", draw.choice(_NUMBERS)], [b"BLOCK", timeout])
    if draw.random() < 0.1:
        options += [b"WRONG", b"1"]
    return [b"XREAD", *options, b"STREAMS", *keys, *ids]


def _other(draw, key):
    commands = ([b"PING"], [b"PING", key], [b"FLUSHALL"], [b"NONESUCH", key, b"1"])
    return list(draw.choice(commands))


def _transaction(draw, key):
    return [draw.choice((b"MULTI", b"EXEC", b"EXEC"))]


def _eval(draw, key):
    return [b"EVAL", COUNTING_SCRIPT, draw.choice((b"0", b"1", b"9", b"-1", b"x")), key, b"1"]


_FORMS = (
    *(_set, _of_keys, _of_key, _of_key, _pexpire, _other, _eval, _transaction),
    *(_xadd,) * 6,
    *(_xtrim, _xrange, _xrange, _xread),
)
