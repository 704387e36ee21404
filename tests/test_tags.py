"""Tags: names under which stored responses are purged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.tags import (
    are_storable,
    cache_tags,
    collecting_tags,
    group_tags,
    named_tag,
    path_tag,
    path_tags,
    rendered,
    response_tags,
    route_tag,
    url_tag,
    user_tag,
    with_ancestors,
)

PATHS = st.text(st.sampled_from("ab/"), max_size=9).map(lambda text: "/" + text)


@given(PATHS, PATHS)
def test_a_path_falls_with_its_prefixes_and_no_others(path, other):
    """Segments count, not characters; a slash at the end does not."""
    below, above = path.rstrip("/"), other.rstrip("/")
    is_below = below == above or below.startswith(above + "/")
    assert (path_tag(other) in set(path_tags(path))) is is_below


@given(st.text(max_size=9), st.binary(max_size=9))
def test_kinds_of_tags_never_meet(name, data):
    """Whatever an app calls a tag, it is no URL, path, route or user, and not everything."""
    tags = [
        named_tag(name),
        path_tag(name),
        route_tag(name),
        url_tag(name, "", b""),
        user_tag(data),
    ]
    assert len({"*", *tags}) == 6


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["a"], ["tag:a"], id="plain"),
        pytest.param(["a/b/c"], ["tag:a/b/c", "tag:a/b", "tag:a"], id="nested"),
        pytest.param(["a", "a", "a/b"], ["tag:a", "tag:a/b"], id="repeated"),
        pytest.param([""], [], id="empty"),
        pytest.param([], [], id="none"),
    ],
)
def test_nested_tags_fall_with_what_they_are_in(names, expected):
    """A tag is also found under what stands before each of its slashes."""
    assert list(with_ancestors(names)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("tasks", "tasks", id="no-slot"),
        pytest.param("task:{task}", "task:42", id="path-parameter"),
        pytest.param("{query.page}-{query.q}", "2-a b", id="query-parameters"),
        pytest.param("{query.missing}", "", id="absent-parameter"),
        pytest.param("of:{user}", "of:ann", id="user"),
        pytest.param("{x}", "{task}", id="a-value-is-not-a-template"),
    ],
)
def test_templates_are_filled_in(template, expected):
    """By path parameters, the query, and the user."""
    params = {"task": "42", "x": "{task}"}
    assert rendered([template], params, b"page=1&page=2&q=a+b", "ann") == [expected]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            [(b"cache-tag", b"a, b/c"), (b"cache-tag", b"d")], ["a", "b/c", "d"], id="tag"
        ),
        pytest.param([(b"surrogate-key", b"a  b/c")], ["a", "b/c"], id="key"),
        pytest.param([(b"x", b"a")], [], id="neither"),
    ],
)
def test_tags_of_a_response(fields, expected):
    """One field has commas, the other spaces."""
    assert response_tags(fields) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b'"a", "b c";x=1', ["group:o a", "group:o b c"], id="strings"),
        pytest.param(b"", [], id="empty"),
        pytest.param(b"token", [], id="a-token"),
        pytest.param(b'"a", 1', [], id="a-number"),
        pytest.param(b'("a")', [], id="an-inner-list"),
        pytest.param(b'"a', [], id="malformed"),
        pytest.param(b"\xff", [], id="not-ascii"),
    ],
)
def test_groups(value, expected):
    """A list of strings, or nothing (RFC 9875, section 2)."""
    assert group_tags([(b"cache-groups", value)], b"cache-groups", "o") == expected
    assert group_tags([], b"cache-groups", "o") == []


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param(["a"] * 128, True, id="as-many-as-may-be"),
        pytest.param(["a"] * 129, False, id="too-many"),
        pytest.param(["é" * 1024], True, id="as-long-as-may-be"),
        pytest.param(["a" * 1025], False, id="too-long"),
        pytest.param(["a\nb"], False, id="line-break"),
        pytest.param(["\x00"], False, id="control-character"),
        pytest.param(["\ud800"], False, id="half-a-character"),
    ],
)
def test_limits(tags, expected):
    """What cannot be recorded cannot be purged."""
    assert are_storable(tags) is expected


def test_what_handlers_say_is_collected_where_it_is_said():
    """Within one run of an app, and not beyond it."""
    with collecting_tags() as outer:
        cache_tags("a")
        with collecting_tags() as inner:
            cache_tags("b")
        cache_tags("c", "d")
    cache_tags("e")
    assert (outer, inner) == (["a", "c", "d"], ["b"])
