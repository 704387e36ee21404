"""What is kept of a response: its fields, what the cache adds, and for how long."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import parse_request, parse_response
from asgi_cache.policy.fields import format_date
from asgi_cache.policy.judging import client_fields
from asgi_cache.policy.keeping import (
    STALE_GRACE,
    VALIDATION_GRACE,
    entity_tag,
    is_whole,
    keep_for,
    stale_since,
    stored_response,
)
from asgi_cache.policy.message import Request, Response
from asgi_cache.policy.received import Received
from asgi_cache.policy.rule import Rule

NOW = 1_700_000_000.0
RULE = Rule(ttl=60)
KEY = b"k" * 16


def cc(value):
    """Make a Cache-Control field."""
    return (b"cache-control", value)


FRESH = cc(b"max-age=60")
ETAG = (b"etag", b'"a"')
MODIFIED = (b"last-modified", format_date(NOW - 1000))
EXPIRES = (b"expires", format_date(NOW + 60))
COOKIE = (b"set-cookie", b"a=b")
PART = (b"content-range", b"bytes 2-6/9")
LENGTH = (b"content-length", b"5")

OWN_PARTITION = {"has_credentials": True, "partitioned": True}


def received(*fields, status=200, rule=None, waited=0.0, **request):
    """Make what arrived in answer to a GET."""
    return Received.at(
        NOW,
        Request("GET", (), parse_request(()), **request),
        Response(status, fields, parse_response(fields)),
        Rule() if rule is None else rule,
        NOW - waited,
    )


def stored(*fields, body=b"hello", **more):
    """Make what is kept of a response."""
    return stored_response(received(*fields, **more), KEY, body, b"log", 7, ("a-tag",))


def test_what_is_kept():
    """A record has what was received, and everything that later decisions need."""
    kept = stored(
        FRESH,
        ETAG,
        MODIFIED,
        LENGTH,
        (b"age", b"10"),
        waited=2.0,
    )
    assert (kept.key, kept.status, kept.body) == (KEY, 200, b"hello")
    assert (kept.log, kept.birth, kept.tags) == (b"log", 7, ("a-tag",))
    assert (kept.stored_at, kept.initial_age, kept.lifetime) == (NOW, 12.0, 60)
    assert (kept.etag, kept.etag_is_ours, kept.last_modified) == (ETAG[1], False, MODIFIED[1])
    assert kept.app_fields == kept.fields
    assert kept.fields[1:] == (ETAG, MODIFIED, LENGTH)


def test_an_entity_tag_is_made_where_there_is_none():
    """What the app does not tag is tagged by its body, after the app's own fields."""
    kept = stored(FRESH, LENGTH)
    assert kept.fields == (FRESH, LENGTH, (b"etag", entity_tag(b"hello")))
    assert (kept.etag, kept.etag_is_ours, kept.added) == (entity_tag(b"hello"), True, 1)
    assert kept.app_fields == (FRESH, LENGTH)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        pytest.param(404, [FRESH, LENGTH], id="not-of-an-error"),
        pytest.param(204, [FRESH], id="not-of-no-content"),
        pytest.param(200, [FRESH, ETAG, LENGTH], id="not-beside-the-app's"),
    ],
)
def test_no_entity_tag_is_made(status, fields):
    """Only the whole body of a 200 is tagged, and only if the app did not."""
    kept = stored(*fields, status=status)
    assert not kept.etag_is_ours
    assert kept.fields == tuple(fields)


@pytest.mark.parametrize(
    ("status", "fields", "added"),
    [
        pytest.param(200, [], (LENGTH,), id="added-where-the-app-streamed"),
        pytest.param(404, [], (LENGTH,), id="added-to-an-error"),
        pytest.param(200, [LENGTH], (), id="not-beside-the-app's"),
        pytest.param(204, [], (), id="not-where-there-is-no-content"),
    ],
)
def test_length(status, fields, added):
    """A whole body has a length, even if it came as a stream (RFC 9110, section 8.6)."""
    kept = stored(FRESH, ETAG, *fields, status=status)
    assert kept.fields == (FRESH, ETAG, *fields, *added)
    assert kept.added == len(added)


@given(st.binary(), st.binary())
def test_entity_tags_are_strong(body, other):
    """Equal bodies have equal tags, different ones different, and none is weak (8.8.3)."""
    assert re.fullmatch(rb'"[0-9a-f]{24}"', entity_tag(body))
    assert (entity_tag(body) == entity_tag(other)) is (body == other)


ONE_HOP = (
    *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    *(b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization"),
    *(b"proxy-connection", b"age", b"cache-status"),
)


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        pytest.param([FRESH, ETAG, (b"x-a", b"1"), (b"x-a", b"2")], set(), id="nothing"),
        pytest.param([(name, b"x") for name in ONE_HOP], set(ONE_HOP), id="hop-by-hop"),
        pytest.param(
            [(b"connection", b"close, X-Secret"), (b"x-secret", b"1"), (b"x-a", b"1")],
            {b"connection", b"x-secret"},
            id="named-by-connection",
        ),
        pytest.param(
            [(b"connection", b"x-a"), (b"connection", b"x-b"), (b"x-a", b"1"), (b"x-b", b"1")],
            {b"connection", b"x-a", b"x-b"},
            id="named-by-two-lines",
        ),
        pytest.param(
            [cc(b'private="X-User", no-cache="set-cookie"'), COOKIE, (b"x-user", b"1")],
            {b"set-cookie", b"x-user"},
            id="named-by-directives",
        ),
    ],
)
def test_stored_fields(fields, dropped):
    """Fields of one hop, and those the app names, are not kept; all others are (section 3.1)."""
    expected = tuple((name, value) for name, value in fields if name not in dropped)
    assert stored(*fields).app_fields == expected


@pytest.mark.parametrize(
    ("rule", "more", "fields", "expected"),
    [
        pytest.param(Rule(), {}, [], None, id="no-rule"),
        pytest.param(RULE, {}, [], b"max-age=0, must-revalidate", id="validate-each-time"),
        pytest.param(
            RULE, OWN_PARTITION, [], b"private, max-age=0, must-revalidate", id="in-a-partition"
        ),
        pytest.param(Rule(ttl=60, client_ttl=5), {}, [], b"max-age=5", id="client-ttl"),
        pytest.param(
            Rule(ttl=60, client_ttl=5),
            OWN_PARTITION,
            [],
            b"private, max-age=5",
            id="client-ttl-in-a-partition",
        ),
        pytest.param(RULE, {}, [FRESH], None, id="the-app-says"),
        pytest.param(RULE, {}, [EXPIRES], None, id="the-app-says-by-expires"),
        pytest.param(
            RULE,
            {},
            [(b"cdn-cache-control", b"max-age=9")],
            b"max-age=0, must-revalidate",
            id="the-app-speaks-to-us-alone",
        ),
        pytest.param(RULE, {"status": 404}, [], None, id="an-error-not-ruled"),
        pytest.param(
            Rule(status_ttl={404: 5}),
            {"status": 404},
            [],
            b"max-age=0, must-revalidate",
            id="an-error-ruled",
        ),
    ],
)
def test_what_clients_are_told(rule, more, fields, expected):
    """Clients hear of a rule's decision, unless the app has spoken to them."""
    told = client_fields(received(*fields, rule=rule, **more))
    assert told == (() if expected is None else (cc(expected),))
    kept = stored(*fields, ETAG, LENGTH, rule=rule, **more)
    assert kept.fields == (*fields, ETAG, LENGTH, *told)
    assert kept.added == len(told)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(206, b"23456", True, id="as-long-as-it-says"),
        pytest.param(206, b"2345", False, id="shorter"),
        pytest.param(206, b"234567", False, id="longer"),
        pytest.param(200, b"2", True, id="no-part"),
    ],
)
def test_is_whole(status, body, expected):
    """A part is stored only if it is the one that its head announced (section 3.3)."""
    assert is_whole(received(FRESH, PART, status=status), body) is expected
    assert is_whole(received(FRESH, status=status), body) is (status == 200)


WINDOWS = Rule(stale_while_revalidate=7, stale_if_error=8)


@pytest.mark.parametrize(
    ("directives", "rule", "forbidden", "windows"),
    [
        pytest.param(
            b"max-age=60, stale-while-revalidate=5, stale-if-error=6",
            WINDOWS,
            (False, False),
            (5, 6),
            id="the-app's",
        ),
        pytest.param(
            b"max-age=60",
            WINDOWS,
            (False, False),
            (7, 8),
            id="a-rule's",
        ),
        pytest.param(
            b"max-age=60, must-revalidate",
            WINDOWS,
            (False, True),
            (0, 0),
            id="never-stale",
        ),
        pytest.param(
            b"max-age=60, no-cache",
            WINDOWS,
            (True, True),
            (0, 0),
            id="never-unvalidated",
        ),
    ],
)
def test_when_it_may_be_stale_is_kept(directives, rule, forbidden, windows):
    """A record says what it may not do, and its own windows or the rule's (section 4.2.4)."""
    kept = stored(cc(directives), rule=rule)
    assert (kept.must_validate, kept.must_revalidate) == forbidden
    assert (kept.stale_while_revalidate, kept.stale_if_error) == windows


@pytest.mark.parametrize(
    ("example", "shareable"),
    [
        pytest.param(stored(FRESH), False, id="nobody-says-so"),
        pytest.param(stored(cc(b"public, max-age=60")), True, id="the-app-says-so"),
        pytest.param(stored(FRESH, rule=Rule(public=True)), True, id="a-rule-says-so"),
    ],
)
def test_shareable(example, shareable):
    """What the app or a rule says is for everyone may answer requests with credentials."""
    assert example.shareable is shareable


@pytest.mark.parametrize(
    ("example", "seconds"),
    [
        pytest.param(stored(FRESH, ETAG), 60 + VALIDATION_GRACE, id="fresh-then-validated"),
        pytest.param(stored(FRESH, MODIFIED), 60 + VALIDATION_GRACE, id="last-modified-too"),
        pytest.param(stored(FRESH), 60 + STALE_GRACE, id="our-own-entity-tag-validates-nothing"),
        pytest.param(stored(FRESH, status=404), 60 + STALE_GRACE, id="no-validator-at-all"),
        pytest.param(stored(FRESH, (b"age", b"20")), 40 + STALE_GRACE, id="less-its-age"),
        pytest.param(stored(FRESH, (b"age", b"99")), STALE_GRACE, id="came-stale"),
        pytest.param(
            stored(FRESH, rule=Rule(stale_while_revalidate=500)), 560, id="served-while-refreshed"
        ),
        pytest.param(stored(FRESH, rule=Rule(stale_if_error=500)), 560, id="served-for-an-error"),
    ],
)
def test_keep_for(example, seconds):
    """A record is kept while it can be of use: fresh, stale by leave, or to be validated."""
    assert keep_for(example) == seconds


@pytest.mark.parametrize(
    ("after", "lifetime"),
    [
        pytest.param(10, 10, id="in-its-lifetime"),
        pytest.param(60, 60, id="at-its-end"),
        pytest.param(90, 60, id="later"),
        pytest.param(-5, 0, id="before-it-came"),
    ],
)
def test_a_lifetime_can_be_ended(after, lifetime):
    """From that instant on the response is stale, and nothing else is changed."""
    kept = stored(FRESH)
    assert stale_since(kept, NOW + after) == replace(kept, lifetime=lifetime)


def test_what_it_cost_is_kept():
    """The seconds that the app took say how early to begin with the next one."""
    assert stored_response(received(FRESH), KEY, b"", cost=1.5).cost == 1.5
