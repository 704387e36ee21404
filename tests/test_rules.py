"""From rules as users write them to the rule of a request."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from asgi_cache.errors import ConfigurationError
from asgi_cache.policy.rule import Rule
from asgi_cache.rules import Match, RuleSet


def compiled(value, pattern="/tasks", **options):
    """Compile a single rule and return it."""
    method = "POST" if pattern.startswith("POST") else "GET"
    match = RuleSet.from_mapping({pattern: value}, **options).match(method, "/tasks")
    assert match is not None
    return match.rule


def refusal(mapping, **options):
    """Return the message with which the mapping is refused."""
    with pytest.raises(ConfigurationError) as caught:
        RuleSet.from_mapping(mapping, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        pytest.param(60, Rule(ttl=60.0), id="seconds"),
        pytest.param("2m", Rule(ttl=120.0), id="string"),
        pytest.param("semi-static", Rule(ttl=900.0), id="volatility-class"),
        pytest.param(timedelta(hours=1), Rule(ttl=3600.0), id="timedelta"),
        pytest.param({}, Rule(), id="empty-table"),
        pytest.param({"ttl": None}, Rule(), id="no-ttl"),
        pytest.param(Rule(ttl=5), Rule(ttl=5.0), id="rule"),
        pytest.param(None, None, id="none"),
        pytest.param("never", None, id="never"),
    ],
)
def test_what_a_rule_may_be(value, rule):
    """A rule is a duration, a table of fields, a `Rule`, or nothing at all."""
    assert compiled(value) == rule


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ttl", "5m", 300.0),
        ("client_ttl", 30, 30.0),
        ("stale_while_revalidate", "1m", 60.0),
        ("stale_if_error", timedelta(days=1), 86400.0),
        ("public", True, True),
        ("query", ["page", "sort"], ("page", "sort")),
        ("query", [], ()),
        ("query", None, None),
        ("ignore_query", ("utm_source",), ("utm_source",)),
        ("sort_query", True, True),
        ("vary", ["Accept-Language"], ("accept-language",)),
        ("status_ttl", {404: "10s", "410": 60}, {404: 10.0, 410: 60.0}),
        ("methods", ["GET", "POST"], ("GET", "POST")),
        ("client_bypass", False, False),
        ("cookies", "rfc9111", "rfc9111"),
        ("errors", "rfc9111", "rfc9111"),
        ("heuristic", 0.1, 0.1),
        ("max_fills", 20, 20.0),
        ("max_fills", None, None),
        ("max_body", "64kb", 65536),
        ("max_header", "64kb", 65536),
        ("max_user_fills", 7, 7.0),
        ("max_user_fills", None, None),
        ("store_private", True, True),
    ],
)
def test_each_field_is_read_by_its_type(name, value, expected):
    """A field in a table has the same meaning as the field of `Rule` of that name."""
    read = getattr(compiled({name: value}), name)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize("name", [field.name for field in fields(Rule)])
def test_no_field_takes_just_anything(name):
    """Every field of `Rule` can be written, and is checked."""
    assert f"rule '/tasks': {name}=" in refusal({"/tasks": {name: object()}})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            {"tll": 5},
            "unknown field 'tll' (did you mean 'ttl'?)",
            id="unknown-field",
        ),
        pytest.param(
            {"stale-while-revalidate": 5},
            "unknown field 'stale-while-revalidate' (did you mean 'stale_while_revalidate'?)",
            id="hyphens",
        ),
        pytest.param(
            {"ttl": "2 minutes"},
            "ttl='2 minutes' is not a duration: write seconds, or a number with a unit such as "
            "'90s', '2m', '1h30m', or one of static, semi-static, dynamic",
            id="duration",
        ),
        pytest.param(
            {"status_ttl": {404: "soon"}},
            "status_ttl={404: 'soon'} holds 'soon', which is not a duration: write seconds, or a "
            "number with a unit such as '90s', '2m', '1h30m', or one of static, semi-static, "
            "dynamic",
            id="duration-of-a-status",
        ),
        pytest.param(
            {"status_ttl": {"4xx": 5}},
            "status_ttl={'4xx': 5} holds '4xx', which is not a status code from 100 to 599",
            id="status",
        ),
        pytest.param(
            {"status_ttl": {True: 5}},
            "status_ttl={True: 5} holds True, which is not a status code from 100 to 599",
            id="status-boolean",
        ),
        pytest.param(
            {"status_ttl": 5},
            "status_ttl=5 is not a table of status codes and durations",
            id="status-table",
        ),
        pytest.param(
            {"public": 1},
            "public=1 is not a boolean: write true or false",
            id="boolean",
        ),
        pytest.param({"query": "page"}, "query='page' is not a list", id="lone-string"),
        pytest.param(
            {"query": ["page", 2]},
            "query=['page', 2] holds 2, which is not a string",
            id="list-of-strings",
        ),
        pytest.param(
            {"vary": ["*"]},
            "vary=['*'] holds '*', which is not the name of a header field",
            id="vary",
        ),
        pytest.param(
            {"methods": ["get"]},
            "methods=['get'] holds 'get', which is not one of GET, HEAD, POST "
            "(did you mean 'GET'?)",
            id="method",
        ),
        pytest.param(
            {"methods": []},
            "methods=[] names no method: a rule that stores nothing is 'never'",
            id="no-method",
        ),
        pytest.param(
            {"cookies": "safer"},
            "cookies='safer' is not one of safe, rfc9111 (did you mean 'safe'?)",
            id="choice",
        ),
        pytest.param(
            {"heuristic": 1.5},
            "heuristic=1.5 is not a number from 0 to 1",
            id="fraction",
        ),
        pytest.param(
            {"max_body": "8tb"},
            "max_body='8tb' is not a size: write bytes, or a whole number with a unit such as "
            "'64kb', '8mb' or '1gb'",
            id="size",
        ),
        pytest.param(
            False,
            "False is not a rule: write a duration, a table of fields, or 'never'",
            id="not-a-rule",
        ),
        pytest.param(
            {"query": ["a"], "ignore_query": ["b"]},
            "'query' and 'ignore_query' exclude each other: name the parameters that count, or "
            "those that do not",
            id="query-both-ways",
        ),
        pytest.param(
            Rule(public=True, store_private=True),
            "'store_private' and 'public' exclude each other: a private response is never for "
            "every user",
            id="private-and-public",
        ),
        pytest.param(
            {"methods": ["GET", "POST"], "purge": ["a"]},
            "'purge' and POST in 'methods' exclude each other: a POST is a write, or a question "
            "whose answer is stored",
            id="a-write-that-is-stored",
        ),
        pytest.param(
            {"tags": ["task:{taks}"]},
            "tags='task:{taks}' has {taks}, which the path does not name (known: user, query.NAME)",
            id="unknown-parameter-in-a-tag",
        ),
        pytest.param(
            {"purge": ["task:{"]},
            "purge='task:{' is not a template such as 'task:{id}'",
            id="half-a-template",
        ),
        pytest.param({"tags": [""]}, "tags='' is not a template such as 'task:{id}'", id="no-tag"),
    ],
)
def test_a_wrong_rule_is_refused(value, message):
    """An error names the rule, the field, the value, the reason and the nearest spelling."""
    assert refusal({"/tasks": value}) == f"rule '/tasks': {message}"


def test_a_large_value_is_cut_short():
    """An error stays readable, whatever was written."""
    assert len(refusal({"/tasks": {"ttl": "x" * 10_000}})) < 300


def test_a_wrong_pattern_is_refused():
    """An error in a pattern names the rule."""
    assert refusal({"/tasks/{id:itn}": 5}) == (
        "rule '/tasks/{id:itn}' names the unknown convertor 'itn' (did you mean 'int'?)"
    )
    assert refusal({404: 5}) == "rule 404: a pattern is a string"


def test_own_volatility_classes_are_durations():
    """A class of the user's own can stand wherever a duration can."""
    rule = compiled({"ttl": "catalogue", "client_ttl": "static"}, durations={"catalogue": "6h"})
    assert rule == Rule(ttl=21600.0, client_ttl=43200.0)
    assert "one of static, semi-static, dynamic, catalogue (did you mean 'catalogue'?)" in refusal(
        {"/": "catalog"}, durations={"catalogue": "6h"}
    )


def test_a_table_inherits_what_it_does_not_state():
    """Defaults for the whole cache hold in every rule that is written as a table or duration."""
    base = Rule(max_body=10, heuristic=0.1)
    assert compiled({"ttl": 5, "heuristic": 0}, base=base) == Rule(ttl=5.0, max_body=10)
    assert compiled(5, base=base) == Rule(ttl=5.0, max_body=10, heuristic=0.1)


def test_a_complete_rule_inherits_nothing():
    """A `Rule` states all its fields, also those that are as they would be anyway."""
    assert compiled(Rule(ttl=5), base=Rule(max_body=10)) == Rule(ttl=5)


@pytest.mark.parametrize(
    ("pattern", "value", "methods"),
    [
        pytest.param("/tasks", 5, ("GET", "HEAD"), id="default"),
        pytest.param("GET /tasks", 5, ("GET", "HEAD"), id="get"),
        pytest.param("POST /tasks", 5, ("POST",), id="post"),
        pytest.param("POST /tasks", Rule(ttl=5), ("POST",), id="post-with-a-rule"),
        pytest.param("GET,POST /tasks", 5, ("GET", "HEAD", "POST"), id="both"),
        pytest.param("GET,POST /tasks", {"methods": ["GET"]}, ("GET",), id="stated"),
    ],
)
def test_methods_in_a_pattern_are_those_of_its_rule(pattern, value, methods):
    """Whoever names POST in the pattern need not name it in the rule again."""
    assert compiled(value, pattern).methods == methods


def test_a_rule_cannot_name_methods_its_pattern_excludes():
    """Such a rule would not do what it says."""
    assert refusal({"GET /tasks": {"methods": ["GET", "POST"]}}) == (
        "rule 'GET /tasks': methods=('GET', 'POST') names methods that do not come here"
    )


def test_the_first_match_wins():
    """Rules are tried in the order of the mapping."""
    rules = RuleSet.from_mapping(
        {"/tasks/new": None, "POST /tasks/*": 1, "/tasks/{task_id:int}": 2, "/tasks/**": 3}
    )
    assert rules.match("GET", "/tasks/new") == Match(None, "/tasks/new", {})
    assert rules.match("POST", "/tasks/7") == Match(
        Rule(ttl=1.0, methods=("POST",)), "POST /tasks/*", {}
    )
    assert rules.match("HEAD", "/tasks/7") == Match(
        Rule(ttl=2.0), "/tasks/{task_id:int}", {"task_id": "7"}
    )
    assert rules.match("GET", "/tasks/x/y") == Match(Rule(ttl=3.0), "/tasks/**", {})
    assert rules.match("GET", "/users") is None


def test_without_rules_nothing_matches():
    """A cache without rules has an empty set."""
    assert RuleSet().match("GET", "/") is None


def test_a_rule_that_is_never_reached_is_refused():
    """A rule behind one that matches all its requests is a slip, and both are named."""
    assert refusal({"/tasks/*": 5, "/users": 5, "GET /tasks/{id:int}": 60}) == (
        "rule 'GET /tasks/{id:int}' is never reached: '/tasks/*' before it matches all that it "
        "matches; put the narrower pattern first"
    )
