"""The differences that there are, and why each is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from asgi_cache.values import value
from benchmarks.differential.differences import Difference
from benchmarks.differential.steps import Said, Step

Applies: TypeAlias = Callable[[Difference], bool]

STORED_BY_VARNISH: Final = frozenset({200, 203, 204, 300, 301, 302, 304, 307, 404, 410, 414})
NOT_STORED: Final = ("no-store", "private", "no-cache")
CREDENTIALS: Final = ("authorization", "cookie")
INVALID_RANGES: Final = ("bytes=3-1", "items=0-1")


@value
class Explanation:
    """One way in which the two may differ."""

    what: str
    """What is seen, in Markdown."""
    why: str
    """What permits or demands it."""
    applies: Applies


def _only_varnish_has_it(d: Difference) -> bool:
    """Whether Varnish serves an answer of the app that this cache did not store."""
    return d.only_we_asked or (d.what == "source" and not d.played.theirs.asked)


def _is_vouched_for(said: Said, mode: str) -> bool:
    words = ["public", "s-maxage", *(["must-revalidate"] if mode == "rfc9111" else [])]
    return any(word in said.directives for word in words)


def _has_credentials(step: Step, mode: str) -> bool:
    return any(map(step.field, CREDENTIALS if mode == "safe" else CREDENTIALS[:1]))


def _credentials(d: Difference) -> bool:
    source, mode = d.they_served, d.played.mode
    if not _only_varnish_has_it(d) or _is_vouched_for(source.said, mode):
        return False
    return _has_credentials(d.step, mode) or _has_credentials(source, mode)


def _varies_on_credentials(d: Difference) -> bool:
    varies_by = d.they_served.said.field("vary")
    return d.only_we_asked and d.played.mode == "safe" and varies_by in CREDENTIALS


def _wish(d: Difference) -> bool:
    return d.what in {"asked", "source"} and any(map(d.step.field, ("cache-control", "pragma")))


def _wish_to_keep_nothing(d: Difference) -> bool:
    return _only_varnish_has_it(d) and d.they_served.field("cache-control") == "no-store"


def _unknown_status(d: Difference) -> bool:
    return d.only_they_asked and d.we_served.said.status not in STORED_BY_VARNISH


def _named_fields(d: Difference) -> bool:
    return d.only_they_asked and '="x-note"' in d.we_served.said.directives


def _must_understand(d: Difference) -> bool:
    return d.only_they_asked and "must-understand" in d.we_served.said.directives


def _quoted(d: Difference) -> bool:
    return d.only_they_asked and d.we_served.said.directives == 'max-age="1000"'


def _repeated(d: Difference) -> bool:
    return d.only_we_asked and d.they_served.said.directives == "max-age=1000,max-age=2"


def _post(d: Difference) -> bool:
    return d.only_they_asked and d.we_served.method == "POST"


def _set_cookie(d: Difference) -> bool:
    return d.only_they_asked and d.we_served.said.field("set-cookie") != ""


def _hit_for_miss(d: Difference) -> bool:
    since = d.played.steps[(d.played.ours.source or 0) + 1 : -1]
    return d.only_they_asked and any(
        step.path == d.step.path and _is_not_stored(step.said) for step in since
    )


def _is_not_stored(said: Said) -> bool:
    return (
        any(word in said.directives for word in NOT_STORED)
        or said.field("set-cookie") != ""
        or said.field("vary") == "*"
        or said.status not in STORED_BY_VARNISH
        or not _is_fresh(said)
    )


def _is_fresh(said: Said) -> bool:
    if said.field("age") == "5000":
        return False
    for name in ("s-maxage", "max-age"):
        if name in said.directives:
            return re.search(f"{name}=[1-9]", said.directives) is not None
    return said.field("expires").startswith("@+")


def _head(d: Difference) -> bool:
    return _only_varnish_has_it(d) and d.they_served.method == "HEAD"


def _part(d: Difference) -> bool:
    return _only_varnish_has_it(d) and d.they_served.field("range") != ""


def _condition(d: Difference) -> bool:
    conditions = map(d.they_served.field, ("if-none-match", "if-modified-since"))
    return _only_varnish_has_it(d) and any(conditions)


def _apparent_age(d: Difference) -> bool:
    return (d.what == "age" or d.only_we_asked) and d.they_served.said.field("date") != ""


def _listed_tags(d: Difference) -> bool:
    wanted = d.step.field("if-none-match")
    return d.what == "status" and (wanted == "*" or "," in wanted)


def _no_date_to_compare(d: Difference) -> bool:
    since = d.step.field("if-modified-since")
    return d.what == "status" and since != "" and not d.we_served.said.dated


def _range_of_a_head(d: Difference) -> bool:
    return d.what == "status" and d.step.method == "HEAD" and d.step.field("range") != ""


def _several_ranges(d: Difference) -> bool:
    return d.what == "status" and "," in d.step.field("range")


def _invalid_range(d: Difference) -> bool:
    return d.what == "status" and d.step.field("range") in INVALID_RANGES


def _merged(d: Difference) -> bool:
    before = (step.said.field(d.what) for step in d.played.steps[:-1])
    return not d.we_served.said.field(d.what) and any(before)


def _changed_vary(d: Difference) -> bool:
    said, before = d.they_served.said, d.played.steps[: d.played.theirs.source]
    varies_by = {step.said.field("vary") for step in before}
    has_validator = said.etag != "" or said.dated
    return d.only_we_asked and has_validator and not varies_by <= {said.field("vary")}


def _named_in_a_304(d: Difference) -> bool:
    return d.what == "x-note" and '="x-note"' in d.we_served.said.directives


EXPLAINED: Final = (
    Explanation(
        "a request with credentials, or after one with them: Varnish serves what is stored",
        "without `public` or `s-maxage` this cache neither shows it to others nor answers "
        "somebody in particular with it, which is stricter than RFC 9111, section 3.5",
        _credentials,
    ),
    Explanation(
        "`Vary: Cookie` or `Authorization`: Varnish stores it",
        "the setting `cookies`, where it is `safe`",
        _varies_on_credentials,
    ),
    Explanation(
        "a request with `Cache-Control` or `Pragma`: Varnish does as without",
        "RFC 9111, section 5.2.1: what a client wishes is advice, which this cache follows",
        _wish,
    ),
    Explanation(
        "after a request with `no-store`: Varnish has stored the answer",
        "the same, section 5.2.1.5",
        _wish_to_keep_nothing,
    ),
    Explanation(
        "statuses such as 299, 500 and 503 with explicit freshness: only this cache stores them",
        "RFC 9111, section 3: any final status may be stored; 500 and 503 only where the setting "
        "`errors` is `rfc9111`",
        _unknown_status,
    ),
    Explanation(
        '`private="…"`, `no-cache="…"`: only this cache stores the rest',
        "RFC 9111, sections 5.2.2.4 and 5.2.2.7: it may, without the fields that are named",
        _named_fields,
    ),
    Explanation(
        "`no-store` beside `must-understand`: only this cache stores it",
        "RFC 9111, section 5.2.2.3: it may, as it knows the status",
        _must_understand,
    ),
    Explanation(
        '`max-age="1000"`: only to this cache it is fresh',
        "RFC 9111, section 5.2: both forms ought to be understood",
        _quoted,
    ),
    Explanation(
        "`max-age=1000,max-age=2`: to Varnish it is fresh for longer",
        "RFC 9111, section 4.2.1: the first counts, or the answer is stale; here the least counts",
        _repeated,
    ),
    Explanation(
        "an answer to POST that names its own URL and says how long it is fresh: only this cache "
        "answers GET with it",
        "RFC 9110, section 9.3.3",
        _post,
    ),
    Explanation(
        "`Set-Cookie`, where the setting `cookies` is `rfc9111`: only this cache stores it",
        "RFC 9111, section 7.3: it forbids nothing",
        _set_cookie,
    ),
    Explanation(
        "after an answer that is not to be stored: Varnish no longer serves an older one",
        "RFC 9111, section 4: what is stored and fresh may be used",
        _hit_for_miss,
    ),
    Explanation(
        "HEAD: Varnish asks for the whole, and stores that",
        "RFC 9111, section 3: nothing has to be stored; the app is asked what the client asked",
        _head,
    ),
    Explanation(
        "a range of what is not stored: Varnish asks for the whole, and stores that",
        "the same; this cache stores the part (section 3.3)",
        _part,
    ),
    Explanation(
        "a condition of a client on what is not stored: Varnish asks for the whole, and stores it",
        "the same; without a rule the app sees the condition, and a 304 is not stored",
        _condition,
    ),
    Explanation(
        "a `Date` that is long past: only this cache counts it as age",
        "RFC 9111, section 4.2.3: `apparent_age`",
        _apparent_age,
    ),
    Explanation(
        "`If-None-Match` with `*` or several entity tags: Varnish takes it for one",
        "RFC 9110, section 13.1.2",
        _listed_tags,
    ),
    Explanation(
        "`If-Modified-Since` where there is no `Last-Modified`: one says 304",
        "RFC 9111, section 4.3.2: `Date` may be compared, or the arrival; where the app is asked "
        "anyway, it is the app that decides here",
        _no_date_to_compare,
    ),
    Explanation(
        "HEAD with `Range`: Varnish answers 206 or 416",
        "RFC 9110, section 14.2: it is for GET alone",
        _range_of_a_head,
    ),
    Explanation(
        "several ranges: Varnish answers 416",
        "RFC 9110, section 14.2: 206 with all of them, or the whole",
        _several_ranges,
    ),
    Explanation(
        "a range that is invalid, or in another unit: Varnish answers 416",
        "RFC 9110, section 14.2: it is ignored",
        _invalid_range,
    ),
    Explanation(
        "a field that the app left out this time: one of the two has renewed what it had",
        "RFC 9111, section 3.2: a 304 or an answer to HEAD replaces what it has; the rest stays",
        _merged,
    ),
    Explanation(
        "after a 304 with another `Vary`: Varnish, which had nothing to validate, has the answer",
        "RFC 9111, section 4.1: what was stored is for other requests, and is forgotten",
        _changed_vary,
    ),
    Explanation(
        'a field that `no-cache="…"` names, in an answer that was validated: Varnish sends it',
        "RFC 9111, section 5.2.2.4: it may; here a 304 brings nothing that is not stored",
        _named_in_a_304,
    ),
)
"""In the order in which they are tried: the first that applies is the reason."""


def explanation(difference: Difference) -> Explanation | None:
    """Return the first that applies."""
    return next((each for each in EXPLAINED if each.applies(difference)), None)
