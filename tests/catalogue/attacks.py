"""What a hostile client, or whoever can write to the store, may try; and what must hold.

Tests are named after the lines: ``test_a07_…`` is one of line 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ATTACKS: Final = {
    1: (
        "Another user's `Authorization`, or another field by which users are told",
        "One's own response, or one that the app says is for all",
    ),
    2: ("Reading Redis and the logs for tokens", "None is there: keys and partitions are digests"),
    3: (
        "Another user's `Cookie`, without a rule",
        "One's own response, or one that the app says is for all",
    ),
    4: ("Being sent another user's `Set-Cookie`", "What sets a cookie is not stored"),
    5: (
        "A route with a `ttl` whose app says `private`, `no-store` or `no-cache`",
        "The app's restriction counts",
    ),
    6: (
        "Credentials that name nobody",
        "A partition of their own, and not that of those without any",
    ),
    7: (
        "A token with another user's name in it, forged",
        "Partitions are made of the whole credentials, or of what the app has verified",
    ),
    8: (
        "Asking what another user has asked for",
        "The answer does not tell whether it is stored for others",
    ),
    9: (
        "A path in `Host`, two `Host` fields, a malformed one",
        "Nothing is looked up or stored; host and path do not run into each other",
    ),
    10: (
        "Paths that are written in another way: `/a%2Fb`, `//a`, `/x/../a`",
        "Whatever the app can tell apart has a key of its own",
    ),
    11: ("Queries that are written in another way, bodies of another type", "The same"),
    12: ("`?utm=x;cb=evil` where `utm` is ignored", "`;` separates nothing"),
    13: ("An ignored parameter that the app reflects", "The app does not see it"),
    14: ("Delimiters in paths, queries and users' names", "No two keys run into each other"),
    15: ("Values of `Vary` that run into each other", "Variants are told apart"),
    16: ("`Vary: *`, `Cookie` or `Authorization`", "Never reused, or never shared"),
    17: (
        "Thousands of values of a field that a response varies by",
        "64 variants of a URL are kept",
    ),
    18: ("A response whose `Vary` changes", "Never the wrong variant"),
    19: (
        "`X-Forwarded-Host` and other fields that URLs are built from",
        "They are part of the key",
    ),
    20: ("`X-HTTP-Method-Override`, `X-Original-URL`", "The request goes past the store"),
    21: ("GET with a body", "The request goes past the store"),
    22: ("An `Origin` that is reflected without `Vary`", "Not stored"),
    23: ("`/me/x.css`, `/me;x.css`, `/me%00.css`", "What a path ends in means nothing"),
    24: ("HEAD or a range, then GET", "The whole body"),
    25: (
        "A request that makes the app answer with an error",
        "The error is stored for nobody, unless a rule lists it",
    ),
    26: ("`Connection: X-Secret`", "Neither that field nor any of one connection is stored"),
    27: ("Line breaks in a field", "Not stored"),
    28: (
        "Floods of URLs and of variants",
        "Memory stays within its budget, and every key in Redis ends",
    ),
    29: ("A megabyte in a URL", "The app answers, and nothing of it is kept"),
    30: (
        "Tags with wildcards, line breaks and scripts in them",
        "A tag names what carries it, and nothing else",
    ),
    31: ("A flood of `no-cache`", "Runs of the app are still shared"),
    32: (
        "A secret beside what a client put into the response",
        "Nothing is compressed on the wire",
    ),
    33: (
        "Pickles, garbage, cut and old records in Redis",
        "A miss that is counted; nothing is run",
    ),
    34: ("Records in Redis that were swapped", "A miss: a record says what it was stored under"),
    35: (
        "Records in Redis that were forged, changed or put back, where they are sealed",
        "A miss; what had ended or was purged stays so",
    ),
    36: (
        "A record in Redis that expands to a gigabyte",
        "No more is expanded than the record says, and no more than 64 MB",
    ),
    37: (
        "The admin API without its token, with a wrong or short one, from another site's page",
        "Refused; it is off unless asked for, changes by POST only, and is stored nowhere",
    ),
    38: (
        "Line breaks and escape sequences in a URL, tag or field, that operators get to see",
        "Escaped in the log; JSON and no markup in the admin API",
    ),
}
"""What is tried, and what comes of it."""

_TEST: Final = re.compile(r"^(?:async )?def (test_a(\d\d)_\w+)", re.MULTILINE)


def tests_by_line(root: Path) -> dict[int, list[tuple[str, str]]]:
    """Return the name and the file of each test below *root*, by the line it is named after."""
    found: dict[int, list[tuple[str, str]]] = {}
    for path, name, line in _tests(root):
        found.setdefault(line, []).append((name, path))
    return found


def _tests(root: Path) -> Iterator[tuple[str, str, int]]:
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, line in _TEST.findall(path.read_text()):
            yield path.relative_to(root).as_posix(), name, int(line)
