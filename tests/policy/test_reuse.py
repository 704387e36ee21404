"""Whether a stored response may answer: both sides have a say, and neither is overruled."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import parse_request
from asgi_cache.policy.message import Request, StoredResponse
from asgi_cache.policy.reuse import (
    ERRORS,
    Forward,
    Reuse,
    Validate,
    assess,
    is_due,
    may_replace_error,
    undisputed,
)
from asgi_cache.policy.rule import Rule

STORED = StoredResponse(
    key=b"k" * 16,
    status=200,
    fields=(),
    body=b"",
    stored_at=1000.0,
    initial_age=0.0,
    lifetime=60.0,
)
RULE = Rule()
DEAF = Rule(client_bypass=False)

SWR = {"stale_while_revalidate": 30}
SIE = {"stale_if_error": 30}
NEVER_STALE = {"must_revalidate": True}
NEVER_UNASKED = {"must_validate": True, "must_revalidate": True}


def request(value=b"", **more):
    """Make a request with such a Cache-Control field."""
    fields = [(b"cache-control", value)] if value else []
    return Request("GET", fields, parse_request(fields), **more)


def decide(age, value=b"", rule=RULE, **stored):
    """Assess a response of that age in seconds, which is fresh for 60."""
    return assess(replace(STORED, **stored), request(value), rule, 1000.0 + age)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(0, Reuse(0, 60), id="new"),
        pytest.param(59.5, Reuse(59.5, 0.5), id="still-fresh"),
        pytest.param(60, Validate("stale"), id="stale-at-its-lifetime"),
        pytest.param(61, Validate("stale"), id="stale"),
        pytest.param(-60, Reuse(0, 60), id="the-clocks-differ-a-little"),
        pytest.param(-3600, Validate("stale"), id="the-clock-was-set-back"),
    ],
)
def test_fresh_is_reused(age, expected):
    """A response is fresh while its lifetime exceeds its age (section 4.2)."""
    assert decide(age) == expected


@pytest.mark.parametrize("value", [b"", b"max-stale", b"max-age=60"])
def test_what_was_never_fresh_is_not_reused_at_once(value):
    """With a lifetime of nothing a response is stale in the very moment it is stored."""
    expected = Reuse(0, 0) if value == b"max-stale" else Validate("stale")
    assert decide(0, value, lifetime=0.0) == expected


def test_the_age_it_came_with_counts():
    """What a response spent elsewhere is part of its age (section 4.2.3)."""
    assert decide(10, initial_age=20.0) == Reuse(30, 30)
    assert decide(10, initial_age=50.0) == Validate("stale")


@pytest.mark.parametrize(
    ("age", "value", "expected"),
    [
        pytest.param(10, b"no-cache", Validate("request"), id="no-cache"),
        pytest.param(0, b"max-age=0", Validate("request"), id="max-age-0"),
        pytest.param(10, b"max-age=9", Validate("request"), id="older-than-max-age"),
        pytest.param(10, b"max-age=10", Reuse(10, 50), id="as-old-as-max-age"),
        pytest.param(10, b"max-age=soon", Validate("request"), id="max-age-that-is-none"),
        pytest.param(10, b"min-fresh=50", Reuse(10, 50), id="as-fresh-as-min-fresh"),
        pytest.param(10, b"min-fresh=51", Validate("request"), id="less-fresh-than-min-fresh"),
        pytest.param(10, b"min-fresh=x", Validate("request"), id="min-fresh-that-is-none"),
        pytest.param(10, b"max-stale", Reuse(10, 50), id="max-stale-of-the-fresh"),
        pytest.param(10, b"no-transform", Reuse(10, 50), id="what-does-not-matter-here"),
        pytest.param(10, b"only-if-cached", Reuse(10, 50), id="only-if-cached"),
        pytest.param(70, b"only-if-cached", Validate("stale"), id="only-if-cached-and-stale"),
        pytest.param(70, b"no-cache, max-stale", Validate("stale"), id="no-cache-and-max-stale"),
        pytest.param(70, b"max-stale", Reuse(70, -10), id="any-staleness"),
        pytest.param(70, b"max-stale=10", Reuse(70, -10), id="as-stale-as-max-stale"),
        pytest.param(71, b"max-stale=10", Validate("stale"), id="staler-than-max-stale"),
        pytest.param(60, b"max-stale=0", Reuse(60, 0), id="stale-since-this-moment"),
        pytest.param(70, b"max-stale=x", Validate("stale"), id="max-stale-that-is-none"),
        pytest.param(70, b"max-stale, max-age=70", Reuse(70, -10), id="max-stale-within-max-age"),
        pytest.param(
            70, b"max-stale, max-age=69", Validate("stale"), id="max-stale-beyond-max-age"
        ),
        pytest.param(
            70, b"max-stale, min-fresh=1", Validate("stale"), id="max-stale-and-min-fresh"
        ),
    ],
)
def test_a_client_may_ask_for_better_or_for_worse(age, value, expected):
    """Request directives can refuse what is fresh and accept what is stale (section 5.2.1)."""
    assert decide(age, value) == expected


@pytest.mark.parametrize(
    ("age", "value", "stored", "expected"),
    [
        pytest.param(10, b"", SWR, Reuse(10, 50), id="fresh"),
        pytest.param(60, b"", SWR, Reuse(60, 0, refresh=True), id="from-its-lifetime-on"),
        pytest.param(89, b"", SWR, Reuse(89, -29, refresh=True), id="within-the-window"),
        pytest.param(90, b"", SWR, Validate("stale"), id="after-the-window"),
        pytest.param(70, b"no-cache", SWR, Validate("stale"), id="the-client-insists"),
        pytest.param(70, b"max-age=99", SWR, Validate("stale"), id="the-client-wants-none-stale"),
        pytest.param(70, b"max-stale=5", SWR, Reuse(70, -10, refresh=True), id="the-app's-leave"),
        pytest.param(70, b"max-stale=20", SWR, Reuse(70, -10, refresh=True), id="leave-of-both"),
        pytest.param(99, b"max-stale=40", SWR, Reuse(99, -39), id="the-client's-leave-alone"),
        pytest.param(70, b"", SIE, Validate("stale"), id="leave-for-errors-is-none"),
        pytest.param(70, b"max-stale", NEVER_STALE, Validate("stale"), id="must-revalidate"),
        pytest.param(
            70, b"max-stale", {**NEVER_STALE, **SWR}, Validate("stale"), id="despite-a-window"
        ),
        pytest.param(10, b"", NEVER_STALE, Reuse(10, 50), id="must-revalidate-but-fresh"),
        pytest.param(10, b"", NEVER_UNASKED, Validate("stale"), id="no-cache"),
        pytest.param(10, b"max-stale", NEVER_UNASKED, Validate("stale"), id="no-cache-for-anyone"),
    ],
)
def test_stale_is_served_by_leave_only(age, value, stored, expected):
    """A stale response goes out only if the app or the client permits it (section 4.2.4)."""
    assert decide(age, value, **stored) == expected


@pytest.mark.parametrize(
    ("age", "value", "expected"),
    [
        pytest.param(10, b"no-cache", Reuse(10, 50), id="no-cache"),
        pytest.param(10, b"max-age=0", Reuse(10, 50), id="max-age"),
        pytest.param(10, b"min-fresh=55", Reuse(10, 50), id="min-fresh"),
        pytest.param(70, b"max-stale", Validate("stale"), id="max-stale"),
    ],
)
def test_a_rule_can_make_clients_unheard(age, value, expected):
    """Where ``client_bypass`` is off a client gets what everyone gets."""
    assert decide(age, value, DEAF) == expected


@pytest.mark.parametrize(
    ("request_is", "shareable", "reused"),
    [
        pytest.param({}, False, True, id="nobody"),
        pytest.param({"has_credentials": True}, False, False, id="a-user"),
        pytest.param({"has_credentials": True}, True, True, id="a-user-and-the-app-shares"),
        pytest.param(
            {"has_credentials": True, "partitioned": True}, False, True, id="a-user's-partition"
        ),
        pytest.param({"partitioned": True}, False, True, id="nobody's-partition"),
    ],
)
def test_credentials(request_is, shareable, reused):
    """Without a partition of its own a user's request has only what is for all (section 3.5)."""
    decision = assess(
        replace(STORED, shareable=shareable), request(**request_is), RULE, STORED.stored_at
    )
    assert decision == (Reuse(0, 60) if reused else Forward("uri-miss"))


SECONDS = st.sampled_from([0.0, 1.0, 10.0, 60.0, 100.0])
AGES = st.floats(0, 200)
RECORDS = st.builds(
    replace,
    st.just(STORED),
    status=st.sampled_from([200, 404, 500]),
    initial_age=SECONDS,
    lifetime=SECONDS,
    stale_while_revalidate=SECONDS,
    stale_if_error=SECONDS,
    must_validate=st.booleans(),
    must_revalidate=st.booleans(),
    shareable=st.booleans(),
)
DIRECTIVES = [
    *(b"no-cache", b"no-store", b"only-if-cached"),
    *(b"max-age=0", b"max-age=70", b"min-fresh=5", b"max-stale", b"max-stale=20"),
    b"stale-if-error=50",
]
REQUESTS = st.builds(
    lambda directives, credentials, partitioned: request(
        b", ".join(directives), has_credentials=credentials, partitioned=partitioned
    ),
    st.lists(st.sampled_from(DIRECTIVES), max_size=3),
    st.booleans(),
    st.booleans(),
)
RULES = st.sampled_from([RULE, DEAF])


@given(RECORDS, REQUESTS, RULES, AGES)
def test_restrictions_always_hold(stored, asked, rule, age):
    """No combination of leave and wishes makes a forbidden reuse, or misstates the age."""
    now = STORED.stored_at + age
    decision = assess(stored, asked, rule, now)
    if isinstance(decision, Reuse):
        assert not stored.must_validate
        assert decision.ttl > 0 or not stored.must_revalidate
        assert asked.partitioned or stored.shareable or not asked.has_credentials
        assert decision.age == stored.age_at(now)
        assert decision.age + decision.ttl == pytest.approx(stored.lifetime)
        assert decision.ttl <= 0 or not decision.refresh


@given(RECORDS, REQUESTS, AGES, AGES)
def test_a_response_never_becomes_reusable_by_waiting(stored, asked, age, later):
    """Time only takes leave away."""
    age, later = sorted((age, later))
    if isinstance(assess(stored, asked, RULE, STORED.stored_at + later), Reuse):
        assert isinstance(assess(stored, asked, RULE, STORED.stored_at + age), Reuse)


@given(RECORDS, REQUESTS, AGES)
def test_clients_only_narrow_what_is_served(stored, asked, age):
    """Without ``max-stale`` no client is served what one without wishes would not be."""
    now = STORED.stored_at + age
    if asked.directives.max_stale is None and isinstance(assess(stored, asked, RULE, now), Reuse):
        assert assess(stored, asked, DEAF, now) == assess(stored, asked, RULE, now)


@pytest.mark.parametrize(
    ("age", "value", "stored", "expected"),
    [
        pytest.param(70, b"", SIE, True, id="within-the-window"),
        pytest.param(90, b"", SIE, False, id="after-the-window"),
        pytest.param(10, b"", {}, True, id="fresh"),
        pytest.param(60, b"", {}, False, id="stale-and-no-window"),
        pytest.param(70, b"", SWR, False, id="leave-for-a-refresh-is-none"),
        pytest.param(70, b"stale-if-error=11", {}, True, id="the-client's-window"),
        pytest.param(70, b"stale-if-error=10", {}, False, id="after-the-client's-window"),
        pytest.param(80, b"stale-if-error=10", SIE, True, id="the-longer-window"),
        pytest.param(70, b"no-cache", SIE, False, id="no-cache"),
        pytest.param(70, b"max-age=69", SIE, False, id="older-than-max-age"),
        pytest.param(70, b"max-age=70", SIE, True, id="as-old-as-max-age"),
        pytest.param(70, b"stale-if-error=99", NEVER_STALE, False, id="must-revalidate"),
        pytest.param(10, b"stale-if-error=99", NEVER_UNASKED, False, id="must-be-validated"),
        pytest.param(70, b"min-fresh=1", SIE, False, id="min-fresh"),
        pytest.param(70, b"", {**SIE, "status": 404}, True, id="an-answer-that-is-no-failure"),
        pytest.param(70, b"", {**SIE, "status": 501}, True, id="an-error-that-no-retry-mends"),
        *(
            pytest.param(70, b"", {**SIE, "status": status}, False, id=f"a-{status}-itself")
            for status in (500, 502, 503, 504)
        ),
    ],
)
def test_stale_if_error(age, value, stored, expected):
    """A stale response stands in for an error within its window (RFC 5861, section 4)."""
    now = STORED.stored_at + age
    assert may_replace_error(replace(STORED, **stored), request(value), RULE, now) is expected


def test_stale_if_error_of_a_client_unheard():
    """Where ``client_bypass`` is off a client's no-cache does not turn stale into an error."""
    now = STORED.stored_at + 70
    stored = replace(STORED, **SIE)
    assert may_replace_error(stored, request(b"no-cache"), DEAF, now)
    assert not may_replace_error(STORED, request(b"stale-if-error=99"), DEAF, now)


@given(RECORDS, REQUESTS, RULES, AGES)
def test_errors_are_not_replaced_by_what_is_forbidden(stored, asked, rule, age):
    """Neither an app's failure nor any wish lifts ``must-revalidate`` or ``no-cache``."""
    if may_replace_error(stored, asked, rule, STORED.stored_at + age):
        assert not stored.must_validate
        assert not stored.must_revalidate
        assert stored.status not in ERRORS


@pytest.mark.parametrize(
    ("ttl", "cost", "beta", "drawn", "expected"),
    [
        pytest.param(1.0, 0.5, 1.0, 0.1, True, id="lucky-and-late"),
        pytest.param(1.0, 0.5, 1.0, 0.9, False, id="not-drawn"),
        pytest.param(2.0, 0.5, 1.0, 0.1, False, id="too-early"),
        pytest.param(2.0, 0.5, 2.0, 0.1, True, id="more-eager"),
        pytest.param(2.0, 1.0, 1.0, 0.1, True, id="more-costly"),
        pytest.param(0.1, 0.5, 0.0, 1e-9, False, id="never"),
        pytest.param(0.1, 0.0, 1.0, 1e-9, False, id="nothing-to-gain"),
        pytest.param(9.0, 0.5, 1.0, 1e-300, False, id="before-anybody-is-drawn"),
    ],
)
def test_a_response_is_refreshed_early_by_chance(ttl, cost, beta, drawn, expected):
    """The nearer the end, the costlier the response and the smaller the draw, the likelier."""
    rule = replace(RULE, early_refresh=beta)
    fresh = replace(STORED, cost=cost, lifetime=ttl)
    assert assess(fresh, request(), rule, 1000.0, lambda: drawn) == Reuse(0, ttl, expected)
    assert assess(fresh, request(), rule, 1000.0) == Reuse(0, ttl)


@given(st.floats(0.01, 10), st.floats(0.01, 5), st.floats(1e-12, 1.0))
def test_refreshing_early_is_likelier_later(ttl, eagerness, drawn):
    """Who is drawn at some moment is drawn at every later one, too."""
    if is_due(eagerness, ttl, lambda: drawn):
        assert is_due(eagerness, ttl / 2, lambda: drawn)
        assert is_due(eagerness * 2, ttl, lambda: drawn)


stored_responses = st.builds(
    lambda **values: replace(STORED, **values),
    stored_at=st.floats(900, 1100),
    initial_age=st.floats(0, 50) | st.integers(0, 50).map(float),
    lifetime=st.floats(-10, 100) | st.integers(0, 100).map(float),
    cost=st.floats(0, 2),
    must_validate=st.booleans(),
    stale_while_revalidate=st.floats(0, 100),
)
instants = st.floats(800, 1300) | st.integers(800, 1300).map(float)


@given(stored_responses, instants, st.sampled_from([0.0, 1.0, 2.5]), st.floats(0.001, 1))
def test_undisputed(stored, now, eagerness, chance):
    """Where nothing has to be decided, the decision is to serve, of that age and as it is."""
    rule = Rule(early_refresh=eagerness)
    found = undisputed(stored, rule, now)
    if found is not None:
        expected = Reuse(found.age, found.ttl)
        assert assess(stored, request(), rule, now, lambda: chance) == expected


@pytest.mark.parametrize(
    ("now", "stored", "expected"),
    [
        pytest.param(1010, {}, 10, id="fresh"),
        pytest.param(1010, {"initial_age": 5.5}, 15.5, id="older-than-it-is-here"),
        pytest.param(1060, {}, None, id="stale"),
        pytest.param(1060, {"stale_while_revalidate": 30}, None, id="stale-but-served"),
        pytest.param(1010, {"must_validate": True}, None, id="to-be-validated"),
        pytest.param(1050, {"cost": 1.0}, None, id="soon-to-be-refreshed"),
        pytest.param(1040, {"cost": 1.0}, 40, id="not-so-soon"),
        pytest.param(999, {}, None, id="the-clocks-differ"),
    ],
)
def test_what_is_undisputed(now, stored, expected):
    """Only what is fresh for some while yet, by this process's clock, is beyond question."""
    found = undisputed(replace(STORED, **stored), RULE, now)
    assert (found and found.age) == expected


@given(stored_responses, instants, st.floats(0, 1))
def test_undisputed_for_a_while(stored, now, part):
    """Until that instant the age and the ttl are the same in whole seconds."""
    found = undisputed(stored, RULE, now)
    if found is None:
        return
    later = now + part * (found.until - now)
    if now <= later < found.until:
        then = undisputed(stored, RULE, later)
        assert then is not None
        assert (int(then.age), int(then.ttl)) == (int(found.age), int(found.ttl))


@pytest.mark.parametrize(
    ("stored", "until"),
    [
        pytest.param({}, 1011, id="the-age-changes"),
        pytest.param({"lifetime": 60.5}, 1010.5, id="the-ttl-changes"),
        pytest.param({"lifetime": 61.0, "cost": 3.140625}, 1010.75, id="it-may-be-refreshed"),
    ],
)
def test_undisputed_for_how_long(stored, until):
    """The second that has begun is used to its end, but for what sums may be wrong by."""
    found = undisputed(replace(STORED, **stored), RULE, 1010.25)
    assert until - 1e-5 < found.until < until
