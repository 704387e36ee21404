"""What the head of a response decides, whether or not one like it came before."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy import judging
from asgi_cache.policy.cache_control import RequestDirectives, parse_response
from asgi_cache.policy.judging import LIMIT, LONGEST, judge
from asgi_cache.policy.message import Request, Response
from asgi_cache.policy.received import Received
from asgi_cache.policy.rule import Rule

NOW = 1_700_000_000.0
TYPE = (b"content-type", b"text/plain")
RULES = (
    Rule(ttl=60),
    Rule(ttl=60, public=True),
    Rule(),
    Rule(heuristic=0.1),
    Rule(ttl=60, client_ttl=5),
)


@pytest.fixture(autouse=True)
def _nothing_known():
    judging._known.clear()


def received(*fields, request=None, status=200, rule=RULES[0]):
    """Make what arrived in answer to a request."""
    request = request or Request("GET", (), RequestDirectives())
    return Received.at(NOW, request, Response(status, fields, parse_response(fields)), rule, NOW)


FIELDS = st.sampled_from(
    [
        TYPE,
        (b"content-length", b"5"),
        (b"content-length", b"5\r\n"),
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"cache-control", b"private, max-age=9"),
        (b"cache-control", b"s-maxage=9, stale-if-error=3"),
        (b"connection", b"X-One, close"),
        (b"etag", b'"a"'),
        (b"expires", b"Sat, 01 Jan 2050 00:00:00 GMT"),
        (b"last-modified", b"Sat, 01 Jan 2000 00:00:00 GMT"),
        (b"access-control-allow-origin", b"https://one.example"),
        (b"vary", b"Accept"),
        (b"set-cookie", b"a=b"),
    ]
)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "GET", "HEAD", "POST"]),
    fields=st.sampled_from([(), ((b"origin", b"https://one.example"),)]),
    directives=st.builds(RequestDirectives, no_store=st.booleans()),
    has_credentials=st.booleans(),
    partitioned=st.booleans(),
    until=st.sampled_from([inf, inf, NOW + 5]),
)
RECEIVED = st.builds(
    lambda fields, **given: received(*fields, **given),
    st.lists(FIELDS, max_size=3),
    request=REQUESTS,
    status=st.sampled_from([200, 204, 404, 500]),
    rule=st.sampled_from(RULES),
)


@given(st.lists(RECEIVED, min_size=1, max_size=6))
def test_it_is_the_same_as_without_a_memory(several):
    """What came before has no part in what is decided."""
    for each in several:
        assert judge(each) == judging._judge(each)


def test_what_came_before_is_not_judged_again():
    """The length of the body is all in which two heads may differ."""
    first = judge(received(TYPE, (b"content-length", b"5")))
    assert judge(received(TYPE, (b"content-length", b"70"))) is first
    assert judge(received((b"content-type", b"text/css"), (b"content-length", b"5"))) is not first


@pytest.mark.parametrize(
    ("rule", "fields", "told"),
    [
        pytest.param(Rule(ttl=60), (TYPE,), b"max-age=0, must-revalidate", id="to-validate"),
        pytest.param(Rule(ttl=60, client_ttl=5), (TYPE,), b"max-age=5", id="to-keep"),
        pytest.param(Rule(ttl=60), ((b"cache-control", b"max-age=3"),), None, id="by-the-app"),
        pytest.param(Rule(), (TYPE,), None, id="nothing"),
    ],
)
def test_what_clients_are_told(rule, fields, told):
    """It is part of what a head and a rule decide."""
    expected = () if told is None else ((b"cache-control", told),)
    assert judge(received(*fields, rule=rule)).told == expected


def test_fields_that_a_connection_names():
    """They are of one hop."""
    dropped = judge(received((b"connection", b"X-One, close"))).dropped
    assert {b"x-one", b"close", b"connection"} <= dropped


def test_equal_rules_are_different_ones():
    """Another cache in this process has rules of its own."""
    first = judge(received(TYPE))
    assert judge(received(TYPE, rule=replace(RULES[0]))) is not first


def test_other_directives():
    """Another cache may take its directives from another field."""
    fields = ((b"cdn-cache-control", b"max-age=5, must-revalidate"),)
    first = received(*fields)
    other = replace(first, response=Response(200, fields, parse_response(fields, ())))
    assert judge(first).must_revalidate
    assert not judge(other).must_revalidate


def test_what_is_remembered_is_bounded():
    """Where there is no end of different heads, or of one, none of them takes up memory."""
    long = received((b"x-long", b"x" * LONGEST))
    assert judge(long) == judge(long)
    assert not judging._known
    for number in range(LIMIT + 1):
        judge(received((b"x-number", b"%d" % number)))
    assert len(judging._known) == 1
