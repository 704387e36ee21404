"""Tests of the suite that the cache fails on purpose, and why that is right."""

from __future__ import annotations

_AGE = (
    "RFC 9111, section 5.1, which is newer than the suite's release: the first member of a list "
    "counts, and an `Age` that is then invalid is ignored"
)
_SURROGATE = "`Surrogate-Control` is not of RFC 9111; `CDN-Cache-Control` (RFC 9213) took its place"
_MISPLACED = (
    "the 206 of the test has 5 bytes, its `Content-Range` says 6: what is not whole is not stored"
)

EXPLAINED = {
    **{
        f"age-parse-{what}": _AGE
        for what in (
            "nonnumeric",
            "negative",
            "float",
            "prefix-twoline",
            "dup-0",
            "dup-0-twoline",
            "dup-old",
            "parameter",
            "numeric-parameter",
        )
    },
    "surrogate-no-store-cc-fresh": _SURROGATE,
    "surrogate-fresh-cc-nostore": _SURROGATE,
    "surrogate-max-age": _SURROGATE,
    "surrogate-max-age-max": _SURROGATE,
    "surrogate-max-age-max-plus": _SURROGATE,
    "surrogate-max-age-me-target": _SURROGATE,
    "conditional-lm-fresh-no-lm": (
        "the client's date is 50 minutes before the stored `Date`: by RFC 9111, section 4.3.2, "
        "the response is newer than what the client has"
    ),
    "partial-store-partial-reuse-partial": _MISPLACED,
    "partial-store-partial-reuse-partial-byterange": _MISPLACED,
    "partial-store-partial-reuse-partial-absent": _MISPLACED,
    "partial-store-partial-reuse-partial-suffix": _MISPLACED,
    "partial-store-partial-complete": (
        "parts are not combined; this one has no validator that would allow it (section 3.4)"
    ),
}
"""By the test's id. A test that is listed and passes is an error of the list."""
