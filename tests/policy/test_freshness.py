"""How long a response is fresh, who says so, and how old it is when it arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import parse_response
from asgi_cache.policy.fields import LONGEST_DELTA, format_date
from asgi_cache.policy.freshness import (
    Freshness,
    date_of,
    freshness,
    initial_age,
    rule_lifetime,
)
from asgi_cache.policy.message import Response
from asgi_cache.policy.rule import Rule

NOW = 1_700_000_000.0
DAY = 86400.0
RULE = Rule(ttl=40, status_ttl={404: 5, 200: 30})


def ago(seconds):
    """Write the date that lies so many seconds before now."""
    return format_date(NOW - seconds)


def response(*fields, status=200):
    """Make a response as it is read from its fields."""
    return Response(status, fields, parse_response(fields))


def cc(value):
    """Make a Cache-Control field."""
    return (b"cache-control", value)


def expires(value):
    """Make an Expires field."""
    return (b"expires", value)


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        pytest.param([cc(b"max-age=60")], 60, id="max-age"),
        pytest.param([cc(b"s-maxage=90, max-age=60")], 90, id="s-maxage-before-max-age"),
        pytest.param([cc(b"max-age=60"), cc(b"s-maxage=90")], 90, id="directives-on-two-lines"),
        pytest.param([cc(b"s-maxage=0, max-age=60")], 0, id="s-maxage-of-nothing-counts"),
        pytest.param([cc(b"max-age=60"), expires(ago(-900))], 60, id="max-age-before-expires"),
        pytest.param([cc(b"max-age=0"), expires(ago(-900))], 0, id="max-age-0-before-expires"),
        pytest.param([cc(b"max-age=60"), expires(b"0")], 60, id="max-age-before-invalid-expires"),
        pytest.param([cc(b"max-age=soon")], 0, id="max-age-that-is-no-number-is-stale"),
        pytest.param([cc(b"max-age=99999999999")], LONGEST_DELTA, id="longest-time-there-is"),
        pytest.param([expires(ago(-60))], 60, id="expires-without-a-date-from-arrival"),
        pytest.param([expires(ago(-60)), (b"date", ago(10))], 70, id="expires-from-its-date"),
        pytest.param([expires(ago(-60)), (b"date", b"today")], 60, id="expires-from-no-valid-date"),
        pytest.param([expires(ago(60)), (b"date", ago(10))], 0, id="expires-in-the-past"),
        pytest.param([expires(b"0")], 0, id="expires-0-is-past"),
        pytest.param([expires(b"")], 0, id="empty-expires-is-past"),
        pytest.param([expires(ago(-60)), expires(ago(-60))], 0, id="two-expires-are-past"),
        pytest.param([cc(b"public"), expires(ago(-60))], 60, id="expires-beside-other-directives"),
        pytest.param(
            [(b"cdn-cache-control", b"max-age=10"), cc(b"max-age=60")], 10, id="targeted-field"
        ),
    ],
)
@pytest.mark.parametrize(
    "rule", [Rule(), RULE, Rule(heuristic=1)], ids=["no-rule", "rule", "guess"]
)
def test_what_the_app_states_counts(fields, lifetime, rule):
    """The app's own word comes before any rule, as a shared cache reads it (section 4.2.1)."""
    received = response(*fields, (b"last-modified", ago(DAY)))
    assert freshness(received, rule, NOW) == Freshness(lifetime, "app")


@pytest.mark.parametrize(
    ("status", "rule", "expected"),
    [
        pytest.param(200, Rule(ttl=40), 40, id="ttl"),
        pytest.param(200, RULE, 30, id="status-ttl-before-ttl"),
        pytest.param(204, RULE, 40, id="ttl-of-another-success"),
        pytest.param(301, RULE, 40, id="ttl-of-a-permanent-redirect"),
        pytest.param(302, RULE, None, id="not-of-a-temporary-redirect"),
        pytest.param(404, RULE, 5, id="status-ttl-of-an-error"),
        pytest.param(404, Rule(ttl=40), None, id="no-ttl-for-an-error"),
        pytest.param(410, RULE, None, id="no-ttl-for-an-error-not-listed"),
        pytest.param(500, Rule(ttl=40), None, id="no-ttl-for-a-failure"),
        pytest.param(200, Rule(ttl=40, status_ttl={200: 0}), 0, id="status-ttl-of-nothing-counts"),
        pytest.param(200, Rule(ttl=0), 0, id="ttl-of-nothing-counts"),
        pytest.param(200, Rule(), None, id="nothing-said"),
    ],
)
def test_what_a_rule_supplies(status, rule, expected):
    """A rule speaks of successes, and of an error only where it names it."""
    assert rule_lifetime(rule, status) == expected
    found = freshness(response(status=status), rule, NOW)
    assert found == (Freshness(0, "nobody") if expected is None else Freshness(expected, "rule"))
    assert found.explicit is (expected is not None)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([cc(b"public")], id="other-directives"),
        pytest.param([(b"cdn-cache-control", b"public")], id="a-targeted-field-without-a-time"),
        pytest.param(
            [(b"cdn-cache-control", b"public"), cc(b"max-age=1")],
            id="a-targeted-field-hides-max-age",
        ),
        pytest.param(
            [(b"cdn-cache-control", b"public"), expires(ago(-1))],
            id="a-targeted-field-hides-expires",
        ),
    ],
)
def test_a_rule_supplies_what_the_app_left_unsaid(fields):
    """Directives that give no time leave it to the rule (RFC 9213, section 2.2)."""
    assert freshness(response(*fields), Rule(ttl=40), NOW) == Freshness(40, "rule")


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        pytest.param(200, [(b"last-modified", ago(1000))], 100, id="a-tenth-of-the-time-unchanged"),
        pytest.param(404, [(b"last-modified", ago(1000))], 100, id="an-error-cacheable-by-itself"),
        pytest.param(
            200, [(b"last-modified", ago(1000)), (b"date", ago(500))], 50, id="until-its-date"
        ),
        pytest.param(200, [(b"last-modified", ago(-5))], 0, id="modified-in-the-future"),
        pytest.param(200, [(b"last-modified", ago(99 * DAY))], DAY, id="a-day-at-most"),
        pytest.param(200, [(b"last-modified", b"yesterday")], None, id="no-valid-date"),
        pytest.param(200, [(b"etag", b'"a"')], None, id="no-last-modified"),
        pytest.param(201, [(b"last-modified", ago(1000))], None, id="not-cacheable-by-itself"),
        pytest.param(
            599,
            [(b"last-modified", ago(1000)), cc(b"public")],
            100,
            id="public-makes-any-cacheable",
        ),
    ],
)
def test_heuristic(status, fields, expected):
    """Only where nothing is stated, and a rule asks for it, is freshness guessed (4.2.2)."""
    received = response(*fields, status=status)
    found = freshness(received, Rule(heuristic=0.1), NOW)
    assert found == (Freshness(0, "nobody") if expected is None else Freshness(expected, "guess"))
    assert not found.explicit
    assert freshness(received, Rule(), NOW) == Freshness(0, "nobody")


RULED_BY_TTL = {200, 203, 204, 300, 301, 308}


@pytest.mark.parametrize(
    ("rule", "source", "statuses"),
    [
        pytest.param(Rule(ttl=40), "rule", RULED_BY_TTL, id="ttl"),
        pytest.param(
            Rule(heuristic=0.1),
            "guess",
            RULED_BY_TTL | {206, 404, 405, 410, 414, 501},
            id="heuristic",
        ),
    ],
)
def test_statuses(rule, source, statuses):
    """A guess is for what is cacheable by itself, a ttl for no error of it (RFC 9110, 15.1)."""
    modified = (b"last-modified", ago(1000))
    found = {s: freshness(response(modified, status=s), rule, NOW) for s in range(100, 600)}
    assert {status for status, each in found.items() if each.source == source} == statuses


STATED = {
    "s-maxage": (cc(b"s-maxage=1"), Freshness(1, "app")),
    "max-age": (cc(b"max-age=2"), Freshness(2, "app")),
    "expires": (expires(ago(-3)), Freshness(3, "app")),
}
RULED = {
    "status-ttl": ({"status_ttl": {200: 4}}, Freshness(4, "rule")),
    "ttl": ({"ttl": 5}, Freshness(5, "rule")),
    "heuristic": ({"heuristic": 0.1}, Freshness(6, "guess")),
}


@given(
    st.lists(st.sampled_from(sorted(STATED)), unique=True),
    st.sets(st.sampled_from(sorted(RULED))),
)
def test_precedence(stated, ruled):
    """For any combination the first counts: s-maxage, max-age, Expires, status, ttl, guess."""
    fields = [STATED[name][0] for name in stated]
    rule = Rule(**{key: value for name in ruled for key, value in RULED[name][0].items()})
    order = {**STATED, **RULED}
    speakers = (order[name][1] for name in order if name in {*stated, *ruled})
    received = response((b"last-modified", ago(60)), *fields)
    assert freshness(received, rule, NOW) == next(speakers, Freshness(0, "nobody"))


@pytest.mark.parametrize(
    ("fields", "waited", "expected"),
    [
        pytest.param([], 0, 0, id="new"),
        pytest.param([], 2.5, 2.5, id="the-app-took-its-time"),
        pytest.param([(b"age", b"100")], 0, 100, id="age"),
        pytest.param([(b"age", b"100")], 2.5, 102.5, id="age-and-time"),
        pytest.param([(b"date", ago(30))], 2.5, 30, id="date-shows-a-longer-way"),
        pytest.param([(b"date", ago(30)), (b"age", b"100")], 0, 100, id="age-longer-than-date"),
        pytest.param([(b"date", ago(-30))], 0, 0, id="date-in-the-future"),
        pytest.param([(b"date", b"today")], 0, 0, id="date-that-is-none"),
        pytest.param([], -5, 0, id="the-clock-went-back"),
        pytest.param([(b"age", b"7, 100")], 0, 7, id="first-of-a-list"),
        pytest.param([(b"age", b"7"), (b"age", b"100")], 0, 7, id="first-line"),
        pytest.param([(b"age", b"old, 7")], 0, 0, id="first-of-a-list-invalid"),
        pytest.param([(b"age", b"-7")], 0, 0, id="negative"),
        pytest.param([(b"age", b"7.5")], 0, 0, id="not-whole"),
        pytest.param([(b"age", b"7;a=b")], 0, 0, id="with-a-parameter"),
        pytest.param([(b"age", b"")], 0, 0, id="empty"),
        pytest.param([(b"age", b" , ")], 0, 0, id="empty-list"),
        pytest.param([(b"age", b"9" * 20)], 0, LONGEST_DELTA, id="as-old-as-can-be"),
    ],
)
def test_initial_age(fields, waited, expected):
    """A response is as old as its fields say, and as old as the wait for it (section 4.2.3)."""
    assert initial_age(fields, NOW - waited, NOW) == expected


AGE_FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"age", b"date"]),
        st.binary(max_size=8)
        | st.integers(0, 2**40).map(lambda number: b"%d" % number)
        | st.integers(-(10**6), 10**6).map(ago),
    ),
    max_size=3,
)


@given(AGE_FIELDS, st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_initial_age_is_never_negative(fields, requested, waited):
    """No field and no clock makes a response younger than new, or than the wait for it."""
    requested_at = NOW + requested
    arrived_at = requested_at + waited
    assert initial_age(fields, requested_at, arrived_at) >= arrived_at - requested_at >= 0


@given(AGE_FIELDS, st.sampled_from([b"max-age=soon", b"s-maxage=", b"max-age=-1", b"public"]))
def test_a_lifetime_is_never_negative(fields, directives):
    """Nothing that is written wrong makes a response anything worse than stale."""
    received = response(*fields, expires(b"x"), cc(directives))
    assert freshness(received, Rule(heuristic=0.5), NOW).lifetime == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([(b"date", ago(30))], NOW - 30, id="stated"),
        pytest.param([], NOW, id="absent"),
        pytest.param([(b"date", b"today")], NOW, id="invalid"),
        pytest.param([(b"date", ago(30)), (b"date", ago(40))], NOW, id="two"),
    ],
)
def test_date(fields, expected):
    """A response without one valid date is dated by its arrival (RFC 9110, section 6.6.1)."""
    assert date_of(fields, NOW) == expected
