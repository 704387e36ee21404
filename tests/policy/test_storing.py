"""What may be stored: one clause at a time, and all of them at once."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import parse_request, parse_response
from asgi_cache.policy.fields import format_date
from asgi_cache.policy.message import Request, Response
from asgi_cache.policy.received import Received
from asgi_cache.policy.rule import Rule
from asgi_cache.policy.storing import (
    CLAUSES,
    forbidding_clause,
    forbids_stale,
    is_reusable,
    is_shareable,
    stale_window,
    while_revalidate,
)

NOW = 1_700_000_000.0
URL = "http://host/a"
RULE = Rule(ttl=60)
RFC = Rule(errors="rfc9111")


def cc(value):
    """Make a Cache-Control field."""
    return (b"cache-control", value)


FRESH = cc(b"max-age=60")
ETAG = (b"etag", b'"a"')
MODIFIED = (b"last-modified", format_date(NOW - 1000))
EXPIRES = (b"expires", format_date(NOW + 60))
COOKIE = (b"set-cookie", b"a=b")
PART = (b"content-range", b"bytes 2-6/9")
OWN_URL = (b"content-location", b"/a")
ORIGIN = (b"origin", b"https://me")
ALLOW_ORIGIN = (b"access-control-allow-origin", b"https://me")

CREDENTIALS = {"has_credentials": True}
OWN_PARTITION = {"has_credentials": True, "partitioned": True}


def received(*fields, status=200, rule=None, method="GET", asked=(), **request):
    """Make what arrived in answer to a request that had the fields *asked*."""
    return Received.at(
        NOW,
        Request(method, asked, parse_request(asked), url=URL, **request),
        Response(status, fields, parse_response(fields)),
        Rule() if rule is None else rule,
        NOW,
    )


def windows_of(example):
    """Name the seconds in which a response may be served stale: refreshed, and for an error."""
    stated, supplied = example.response.directives.stale_if_error, example.rule.stale_if_error
    return while_revalidate(example), stale_window(example, stated, supplied)


FORBIDDEN = {
    "method": received(FRESH, method="PUT"),
    "status": received(FRESH, status=101),
    "request-failed": received(FRESH, status=416, rule=Rule(status_ttl={416: 60})),
    "error": received(FRESH, status=400),
    "partial": received(FRESH, status=206),
    "must-understand": received(cc(b"max-age=60, must-understand"), status=299),
    "no-store": received(cc(b"max-age=60, no-store")),
    "request-no-store": received(FRESH, asked=[cc(b"no-store")]),
    "private": received(cc(b"max-age=60, private")),
    "credentials": received(FRESH, **CREDENTIALS),
    "set-cookie": received(FRESH, COOKIE),
    "vary-all": received(FRESH, (b"vary", b"*")),
    "vary-credentials": received(FRESH, (b"vary", b"cookie")),
    "reflected-origin": received(FRESH, ALLOW_ORIGIN, asked=[ORIGIN]),
    "broken-field": received(FRESH, (b"x-a", b"1\r\nx-b: 2")),
    "header-too-large": received(FRESH, (b"x-a", b"1" * 65536)),
    "event-stream": received(FRESH, (b"content-type", b"Text/Event-Stream ;charset=utf-8")),
    "no-freshness": received(),
}


def test_every_clause_has_its_own_example():
    """A clause without a response that shows what it is for is not needed."""
    assert [clause.detail for clause in CLAUSES] == list(FORBIDDEN)


@pytest.mark.parametrize("detail", FORBIDDEN)
def test_each_clause_alone_forbids(detail):
    """For every clause there is a response that no other clause would keep out."""
    example = FORBIDDEN[detail]
    assert [clause.detail for clause in CLAUSES if clause.forbids(example)] == [detail]


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.detail)
def test_clauses_say_what_they_are(clause):
    """A clause has a token for `Cache-Status`, words for a table, and says who demands it."""
    assert re.fullmatch(r"[a-z-]+", clause.detail)
    assert re.fullmatch(r"(an?|its?|nothing|one|the) [^|\n]+[^.|\n]", clause.meaning)
    assert clause.meaning.count("`") % 2 == 0
    assert clause.source.startswith(("RFC 911", "Fetch", "HTML", "setting "))


def detail_of(example):
    """Name the clause that keeps a response out, if any."""
    clause = forbidding_clause(example)
    return clause.detail if clause else None


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(received(FRESH), id="max-age"),
        pytest.param(received(cc(b"s-maxage=60")), id="s-maxage"),
        pytest.param(received(EXPIRES), id="expires"),
        pytest.param(
            received((b"cdn-cache-control", b"max-age=60"), cc(b"no-store")), id="targeted"
        ),
        pytest.param(received(rule=RULE), id="a-rule's-ttl"),
        pytest.param(received(rule=Rule(ttl=0.5)), id="half-a-second"),
        pytest.param(received(status=404, rule=Rule(status_ttl={404: 5})), id="an-error-as-ruled"),
        pytest.param(received(FRESH, status=404), id="an-error-as-the-app-says"),
        pytest.param(received(FRESH, status=500, rule=RFC), id="a-failure-by-the-rfc"),
        pytest.param(received(FRESH, status=503, rule=Rule(status_ttl={503: 1})), id="listed"),
        pytest.param(received(FRESH, status=299), id="an-unknown-status"),
        pytest.param(received(FRESH, status=599, rule=RFC), id="the-last-status"),
        pytest.param(received(FRESH, status=302), id="a-redirect"),
        pytest.param(received(FRESH, rule=Rule(max_header=23)), id="fields-at-the-limit"),
        pytest.param(received(MODIFIED, rule=Rule(heuristic=0.1)), id="a-guess"),
        pytest.param(received(FRESH, (b"pragma", b"no-cache")), id="pragma-means-nothing-here"),
        pytest.param(received(cc(b"max-age=60, community=x")), id="an-unknown-directive"),
        pytest.param(
            received(cc(b"max-age=60, no-store, must-understand")), id="must-understand-of-a-200"
        ),
        pytest.param(received(cc(b'max-age=60, private="x-a"')), id="private-fields"),
        pytest.param(received(cc(b"max-age=60, no-cache"), ETAG), id="no-cache-with-a-validator"),
        pytest.param(received(cc(b"no-cache"), MODIFIED), id="no-cache-with-last-modified"),
        pytest.param(received(cc(b"max-age=0"), ETAG), id="stale-with-a-validator"),
        pytest.param(received(cc(b"public"), ETAG), id="public-with-a-validator"),
        pytest.param(received(ETAG, rule=Rule(ttl=0)), id="ruled-to-be-validated"),
        pytest.param(received(cc(b"max-age=0, stale-while-revalidate=9")), id="stale-by-leave"),
        pytest.param(received(rule=Rule(ttl=0, stale_while_revalidate=0.5)), id="stale-by-rule"),
        pytest.param(received(FRESH, method="POST", rule=Rule(methods=("POST",))), id="ruled-post"),
        pytest.param(received(FRESH, OWN_URL, method="POST"), id="a-post-that-answers-get"),
        pytest.param(
            received(FRESH, (b"content-location", b"HTTP://HOST:80/a#b"), method="POST"),
            id="a-post-that-spells-its-url-in-another-way",
        ),
        pytest.param(received(cc(b"public, max-age=60"), **CREDENTIALS), id="user-but-public"),
        pytest.param(received(cc(b"s-maxage=60"), **CREDENTIALS), id="user-but-s-maxage"),
        pytest.param(received(rule=Rule(ttl=60, public=True), **CREDENTIALS), id="user-but-ruled"),
        pytest.param(received(FRESH, **OWN_PARTITION), id="user-in-a-partition"),
        pytest.param(
            received(
                cc(b"max-age=60, must-revalidate"), rule=Rule(cookies="rfc9111"), **CREDENTIALS
            ),
            id="user-but-must-revalidate",
        ),
        pytest.param(
            received(cc(b"private"), rule=Rule(ttl=60, store_private=True), **OWN_PARTITION),
            id="private-in-its-users-partition",
        ),
        pytest.param(received(FRESH, COOKIE, rule=Rule(cookies="rfc9111")), id="cookie-by-the-rfc"),
        pytest.param(received(FRESH, (b"vary", b"accept, origin")), id="vary"),
        pytest.param(
            received(FRESH, (b"vary", b"cookie"), **OWN_PARTITION), id="vary-cookie-in-a-partition"
        ),
        pytest.param(
            received(FRESH, (b"vary", b"cookie"), rule=Rule(cookies="rfc9111")),
            id="vary-cookie-by-the-rfc",
        ),
        pytest.param(
            received(FRESH, ALLOW_ORIGIN, (b"vary", b"Origin"), asked=[ORIGIN]),
            id="origin-that-varies",
        ),
        pytest.param(
            received(FRESH, ALLOW_ORIGIN, asked=[ORIGIN], rule=Rule(vary=("Origin",))),
            id="origin-in-the-key",
        ),
        pytest.param(received(FRESH, ALLOW_ORIGIN), id="origin-of-somebody-else"),
        pytest.param(received(FRESH, PART, status=206), id="part-that-says-which"),
        pytest.param(
            received(FRESH, (b"access-control-allow-origin", b"*"), asked=[ORIGIN]),
            id="any-origin",
        ),
    ],
)
def test_stored(example):
    """What RFC 9111, section 3, or a rule permits is stored."""
    assert detail_of(example) is None


ANONYMOUS = {"has_credentials": False, "partitioned": True}


@pytest.mark.parametrize(
    ("example", "detail"),
    [
        pytest.param(received(FRESH, method="HEAD"), "method", id="head"),
        pytest.param(received(FRESH, method="POST"), "method", id="post-by-itself"),
        pytest.param(received(OWN_URL, method="POST"), "method", id="post-without-freshness"),
        pytest.param(
            received(OWN_URL, method="POST", rule=RULE), "method", id="post-ruled-for-get-alone"
        ),
        pytest.param(
            received(FRESH, (b"content-location", b"/b"), method="POST"),
            "method",
            id="post-that-answers-another-get",
        ),
        pytest.param(
            received(FRESH, method="DELETE", rule=Rule(methods=("DELETE",))), "method", id="delete"
        ),
        pytest.param(received(FRESH, status=199), "status", id="interim"),
        pytest.param(received(FRESH, status=600), "status", id="no-status-at-all"),
        *(
            pytest.param(received(FRESH, status=status), "error", id=f"error-{status}")
            for status in (400, 401, 403, 406, 408, 413, 415, 429, 431, 500, 502, 503, 504)
        ),
        pytest.param(received(FRESH, PART, status=304), "partial", id="not-modified"),
        pytest.param(
            received(FRESH, PART, (b"vary", b"a"), status=206), "partial", id="part-that-varies"
        ),
        pytest.param(
            received(FRESH, (b"content-range", b"bytes 2-6/*"), status=206),
            "partial",
            id="part-of-an-unknown-length",
        ),
        pytest.param(received(PART, status=206, rule=RULE), "no-freshness", id="part-unasked"),
        pytest.param(
            received(cc(b"no-store, must-understand, max-age=60"), status=299),
            "must-understand",
            id="no-store-and-not-understood",
        ),
        pytest.param(received(cc(b"max-age=60, NO-STORE")), "no-store", id="any-case"),
        pytest.param(
            received(cc(b"public, private, max-age=60")), "private", id="public-and-private"
        ),
        pytest.param(
            received(cc(b"private"), rule=Rule(ttl=60, store_private=True)),
            "private",
            id="private-for-everyone",
        ),
        pytest.param(
            received(cc(b"private"), rule=Rule(ttl=60, store_private=True), **ANONYMOUS),
            "private",
            id="private-for-all-who-are-nobody",
        ),
        pytest.param(
            received(cc(b"private"), rule=Rule(ttl=60, store_private=True), **CREDENTIALS),
            "private",
            id="private-without-a-partition",
        ),
        pytest.param(received(cc(b"private"), rule=RULE, **OWN_PARTITION), "private", id="unasked"),
        pytest.param(
            received(cc(b"max-age=60, must-revalidate"), **CREDENTIALS),
            "credentials",
            id="must-revalidate-says-nothing-of-cookies",
        ),
        pytest.param(received(FRESH, (b"vary", b"a, *")), "vary-all", id="a-star-among-names"),
        pytest.param(received(FRESH, (b"vary", b"a b")), "vary-all", id="vary-on-what-is-no-name"),
        pytest.param(
            received(FRESH, (b"vary", b"AUTHORIZATION")),
            "vary-credentials",
            id="vary-authorization",
        ),
        pytest.param(
            received(
                FRESH, (b"access-control-allow-origin", b"null"), asked=[(b"origin", b"null")]
            ),
            "reflected-origin",
            id="null-origin",
        ),
        pytest.param(received(FRESH, (b"x a", b"1")), "broken-field", id="name-that-is-none"),
        pytest.param(received(FRESH, (b"x-a", b"\0")), "broken-field", id="nul"),
        pytest.param(
            received(FRESH, rule=Rule(max_header=22)), "header-too-large", id="fields-by-a-byte"
        ),
        pytest.param(received(ETAG), "no-freshness", id="a-validator-alone"),
        pytest.param(received(ETAG, rule=Rule()), "no-freshness", id="a-rule-without-ttl"),
        pytest.param(received((b"etag", b""), rule=Rule(ttl=0)), "no-freshness", id="empty-etag"),
        pytest.param(received(cc(b"max-age=0")), "no-freshness", id="stale-without-a-validator"),
        pytest.param(received(cc(b"public")), "no-freshness", id="public-alone"),
        pytest.param(
            received(cc(b"max-age=60, no-cache")), "no-freshness", id="no-cache-without-a-validator"
        ),
        pytest.param(
            received(cc(b"no-cache"), rule=Rule(ttl=60, stale_while_revalidate=60)),
            "no-freshness",
            id="no-cache-whatever-the-rule",
        ),
        pytest.param(
            received(cc(b"max-age=0"), rule=Rule(ttl=60, stale_while_revalidate=60)),
            "no-freshness",
            id="stale-at-once-whatever-the-rule",
        ),
        pytest.param(received((b"expires", b"0"), rule=RULE), "no-freshness", id="expires-0"),
        pytest.param(
            received(
                status=500,
                rule=replace(RFC, ttl=60, stale_while_revalidate=60, stale_if_error=60),
            ),
            "no-freshness",
            id="a-failure-whatever-the-windows",
        ),
        pytest.param(
            received(ETAG, status=404, rule=RULE), "no-freshness", id="an-error-with-a-validator"
        ),
        pytest.param(
            received(cc(b"no-cache"), ETAG, status=404), "no-freshness", id="no-304-speaks-of-a-404"
        ),
        pytest.param(
            received(cc(b"public, max-age=0"), ETAG, status=500, rule=RFC),
            "no-freshness",
            id="nor-of-a-failure",
        ),
        pytest.param(
            received(cc(b"stale-while-revalidate=60")), "no-freshness", id="a-window-and-no-time"
        ),
    ],
)
def test_not_stored(example, detail):
    """What section 3 forbids is not stored, nor what a shared cache inside an app should not."""
    assert detail_of(example) == detail


RULES = st.builds(
    Rule,
    ttl=st.none() | st.floats(0, 1e6),
    stale_while_revalidate=st.floats(0, 1e6),
    stale_if_error=st.floats(0, 1e6),
    public=st.booleans(),
    vary=st.sampled_from([(), ("accept",)]),
    status_ttl=st.dictionaries(st.sampled_from([200, 404, 500]), st.floats(0, 1e6)),
    methods=st.sampled_from([("GET",), ("GET", "POST")]),
    client_bypass=st.booleans(),
    cookies=st.sampled_from(["safe", "rfc9111"]),
    errors=st.sampled_from(["safe", "rfc9111"]),
    heuristic=st.floats(0, 1),
    store_private=st.booleans(),
)
SAFE_RULES = RULES.filter(lambda rule: rule.cookies == "safe")
PERMISSIVE = st.lists(
    st.sampled_from(
        [
            FRESH,
            cc(b"s-maxage=60, public"),
            ETAG,
            MODIFIED,
            EXPIRES,
            cc(b"stale-while-revalidate=9"),
        ]
    )
)
STATUSES = st.sampled_from([200, 203, 301, 404, 500])


@given(
    RULES,
    PERMISSIVE,
    STATUSES,
    st.sampled_from([cc(b"no-store"), cc(b"private"), (b"vary", b"*"), (b"x-a", b"\n")]),
    st.booleans(),
)
def test_no_rule_overrides_a_restriction(rule, fields, status, restriction, has_credentials):
    """The app wins: what it restricts is not stored for others, whatever a rule says."""
    example = received(
        *fields, restriction, status=status, rule=rule, has_credentials=has_credentials
    )
    assert forbidding_clause(example) is not None


@given(SAFE_RULES, PERMISSIVE, STATUSES, st.booleans(), st.booleans())
def test_no_cookie_is_stored_in_safe_mode(rule, fields, status, has_credentials, partitioned):
    """A response with Set-Cookie is never stored in safe mode, in no partition either."""
    example = received(
        *fields,
        COOKIE,
        status=status,
        rule=rule,
        has_credentials=has_credentials,
        partitioned=partitioned,
    )
    assert forbidding_clause(example) is not None


@given(RULES, st.lists(st.sampled_from([cc(b"no-cache"), cc(b"max-age=0"), ETAG, MODIFIED])))
def test_what_must_be_validated_is_never_made_reusable(rule, fields):
    """No window of a rule lets a response go out that the app wants validated each time."""
    example = received(cc(b"no-cache"), *fields, rule=rule)
    assert forbids_stale(example)
    assert windows_of(example) == (0, 0)
    assert not is_reusable(example)


@given(RULES, st.lists(st.just(ETAG), max_size=1), st.sampled_from([404, 500]))
def test_errors_are_stored_only_by_name(rule, fields, status):
    """An error of which the app says nothing is not stored, unless the rule lists it."""
    listed = rule.status_ttl.get(status)
    example = received(*fields, status=status, rule=rule)
    assert listed is not None or forbidding_clause(example) is not None


@pytest.mark.parametrize(
    ("example", "shareable"),
    [
        pytest.param(received(FRESH), False, id="max-age"),
        pytest.param(received(cc(b"public, max-age=60")), True, id="public"),
        pytest.param(received(cc(b"s-maxage=60")), True, id="s-maxage"),
        pytest.param(received(cc(b"s-maxage=0")), True, id="s-maxage-0"),
        pytest.param(received(cc(b"max-age=60, must-revalidate")), False, id="must-revalidate"),
        pytest.param(
            received(cc(b"max-age=60, must-revalidate"), rule=Rule(cookies="rfc9111")),
            True,
            id="must-revalidate-by-the-rfc",
        ),
        pytest.param(received(FRESH, rule=Rule(cookies="rfc9111")), False, id="max-age-by-the-rfc"),
        pytest.param(
            received(FRESH, rule=Rule(public=True)),
            False,
            id="public-by-rule-is-not-the-app's-word",
        ),
    ],
)
def test_shareable(example, shareable):
    """The app shares only what it says is for everyone (section 3.5)."""
    assert is_shareable(example) is shareable


WINDOWS = Rule(ttl=60, stale_while_revalidate=7, stale_if_error=8)


@pytest.mark.parametrize(
    ("directives", "rule", "forbidden", "windows"),
    [
        pytest.param(b"max-age=60", Rule(), False, (0, 0), id="no-window"),
        pytest.param(b"max-age=60", WINDOWS, False, (7, 8), id="a-rule's-windows"),
        pytest.param(b"max-age=1", WINDOWS, False, (7, 8), id="after-a-second"),
        pytest.param(b"max-age=60, stale-while-revalidate=1", WINDOWS, False, (1, 8), id="app-swr"),
        pytest.param(b"max-age=60, stale-if-error=0", WINDOWS, False, (7, 0), id="app-sie-of-none"),
        pytest.param(b"public", WINDOWS, False, (7, 8), id="after-a-rule's-ttl"),
        pytest.param(b"public", Rule(stale_while_revalidate=7), False, (0, 0), id="after-no-ttl"),
        pytest.param(b"max-age=0", WINDOWS, False, (0, 8), id="stale-from-the-start"),
        pytest.param(
            b"max-age=0, stale-while-revalidate=1",
            WINDOWS,
            False,
            (1, 8),
            id="stale-by-app's-leave",
        ),
        pytest.param(
            b"max-age=60, must-revalidate, stale-while-revalidate=1",
            WINDOWS,
            True,
            (0, 0),
            id="must-revalidate",
        ),
        pytest.param(
            b"max-age=60, proxy-revalidate, stale-if-error=1",
            WINDOWS,
            True,
            (0, 0),
            id="proxy-revalidate",
        ),
        pytest.param(b"no-cache, stale-if-error=1", WINDOWS, True, (0, 0), id="no-cache"),
        pytest.param(b"s-maxage=60", WINDOWS, True, (0, 0), id="s-maxage"),
        pytest.param(
            b"s-maxage=60, stale-while-revalidate=1", WINDOWS, False, (1, 0), id="s-maxage-and-swr"
        ),
        pytest.param(
            b"s-maxage=60, stale-if-error=1", WINDOWS, False, (0, 1), id="s-maxage-and-sie"
        ),
        pytest.param(
            b"s-maxage=60, stale-if-error=0", WINDOWS, True, (0, 0), id="s-maxage-and-no-window"
        ),
    ],
)
def test_stale_windows(directives, rule, forbidden, windows):
    """The app says how long it may be served stale, else a rule, unless it must not (4.2.4)."""
    example = received(cc(directives), rule=rule)
    assert forbids_stale(example) is forbidden
    assert windows_of(example) == windows


def test_a_right_that_ends_cuts_a_lifetime_short():
    """What only some may see for some time is fresh no longer, and never stale, for them."""
    rule = Rule(ttl=60, stale_while_revalidate=60, stale_if_error=60)
    assert received(rule=rule).lifetime == 60
    for seconds, lifetime in ((100, 60), (7, 7), (-1, 0)):
        example = received(rule=rule, until=NOW + seconds, **OWN_PARTITION)
        assert (example.lifetime, windows_of(example)) == (lifetime, (0, 0))
        assert forbids_stale(example)
