"""Which methods and paths a pattern matches, and which patterns it leaves nothing to."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.routing import compile_path

from asgi_cache.errors import ConfigurationError
from asgi_cache.patterns import parse_pattern

UUID = "123e4567-e89b-12d3-a456-426614174000"


class _Slashed(Convertor[str]):
    """A convertor of an app's own, of which only its regular expression is known."""

    regex = "(?:[a-z]/)*[a-z]"


@pytest.fixture
def slashed(monkeypatch):
    """Register a convertor as an app would."""
    monkeypatch.setitem(CONVERTOR_TYPES, "slashed", _Slashed())


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        pytest.param("/tasks", "/tasks", {}, id="literal"),
        pytest.param("/tasks", "/tasks/", None, id="slash-at-the-end"),
        pytest.param("/tasks/", "/tasks", None, id="slash-missing"),
        pytest.param("/tasks", "/tasks/7", None, id="anchored-at-the-end"),
        pytest.param("/tasks", "/v1/tasks", None, id="anchored-at-the-start"),
        pytest.param("/Tasks", "/tasks", None, id="case"),
        pytest.param("/", "/", {}, id="root"),
        pytest.param("/a.b+(c)", "/a.b+(c)", {}, id="special-characters"),
        pytest.param("/a.b", "/axb", None, id="a-dot-is-a-dot"),
        pytest.param("/tasks/{id}", "/tasks/7", {"id": "7"}, id="parameter"),
        pytest.param("/tasks/{id}", "/tasks/", None, id="parameter-is-not-empty"),
        pytest.param("/tasks/{id}", "/tasks/7/x", None, id="parameter-is-one-segment"),
        pytest.param("/tasks/{id:int}", "/tasks/007", {"id": "007"}, id="raw-not-converted"),
        pytest.param("/tasks/{id:int}", "/tasks/x", None, id="int"),
        pytest.param("/p/{x:float}", "/p/1.5", {"x": "1.5"}, id="float"),
        pytest.param("/p/{x:uuid}", f"/p/{UUID}", {"x": UUID}, id="uuid"),
        pytest.param("/f/{p:path}", "/f/a/b", {"p": "a/b"}, id="path"),
        pytest.param("/f/{p:path}", "/f/", {"p": ""}, id="path-may-be-empty"),
        pytest.param("/{a}-{b}.json", "/x-y.json", {"a": "x", "b": "y"}, id="within-a-segment"),
        pytest.param("/a/*/c", "/a/b/c", {}, id="star"),
        pytest.param("/a/*/c", "/a//c", None, id="star-is-not-empty"),
        pytest.param("/a/*", "/a/b/c", None, id="star-is-one-segment"),
        pytest.param("/a/**", "/a", {}, id="rest-itself"),
        pytest.param("/a/**", "/a/", {}, id="rest-with-slash"),
        pytest.param("/a/**", "/a/b/c\nd", {}, id="rest-is-anything"),
        pytest.param("/a/**", "/ab", None, id="rest-begins-with-a-slash"),
        pytest.param("/{x}/**", "/a/b/c", {"x": "a"}, id="parameter-before-the-rest"),
        pytest.param("/**", "/", {}, id="everything-root"),
        pytest.param("/**", "", {}, id="everything-mounted"),
        pytest.param("/me", "/me\n", {}, id="line-break-where-starlette-allows-it"),
    ],
)
def test_which_paths_a_pattern_matches(pattern, path, params):
    """Patterns are Starlette's templates with ``*`` for a segment and ``**`` for the rest."""
    assert parse_pattern(pattern).match("GET", path) == params


@pytest.mark.parametrize(
    ("pattern", "methods"),
    [
        pytest.param("/search", {"GET", "HEAD", "POST", "PUT", "OPTIONS"}, id="every-method"),
        pytest.param("GET /search", {"GET", "HEAD"}, id="head-is-as-get"),
        pytest.param("HEAD /search", {"HEAD"}, id="head-alone"),
        pytest.param("POST /search", {"POST"}, id="post"),
        pytest.param("GET,POST /search", {"GET", "HEAD", "POST"}, id="two"),
        pytest.param("GET, POST  /search", {"GET", "HEAD", "POST"}, id="spaces"),
    ],
)
def test_which_methods_a_pattern_matches(pattern, methods):
    """Methods in front of the path restrict it; without them it is for every method."""
    compiled = parse_pattern(pattern)
    matched = {
        method
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS")
        if compiled.match(method, "/search") is not None
    }
    assert matched == methods


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        pytest.param("", "has no path", id="empty"),
        pytest.param("tasks", "has no path", id="no-slash"),
        pytest.param("tasks/{id}", "has no path", id="no-slash-in-front"),
        pytest.param("GET search", "has no path", id="method-without-a-path"),
        pytest.param("https://example.org/x", "has no path", id="url"),
        pytest.param(
            "get /x",
            "'get' is not one of GET, HEAD, POST, PUT, PATCH, DELETE (did you",
            id="lower-case",
        ),
        pytest.param("PSOT /x", "did you mean 'POST'?", id="misspelt-method"),
        pytest.param("TRACE /x", "'TRACE' is not one of GET, HEAD, POST", id="unknown"),
        pytest.param("GET,,POST /x", "'' is not one of", id="empty-method"),
        pytest.param("/x/{id:itn}", "unknown convertor 'itn' (did you mean 'int'?)", id="near"),
        pytest.param("/x/{id:zzz}", "(known: str, path, int, float, uuid", id="far-convertor"),
        pytest.param("/{a}/{a}", "has the parameter 'a' twice", id="duplicate"),
        pytest.param("/a/**/b", "goes on after '**'", id="rest-in-the-middle"),
        pytest.param("/a/**/", "goes on after '**'", id="rest-with-slash"),
        pytest.param("/a/**/**", "goes on after '**'", id="rest-twice"),
        pytest.param("/a**", "not a whole segment", id="rest-in-a-segment"),
        pytest.param("/a*", "not a whole segment", id="star-in-a-segment"),
        pytest.param("/a/{id", "has a brace", id="open"),
        pytest.param("/a/id}", "has a brace", id="close"),
        pytest.param("/a/{}", "has a brace", id="nameless"),
        pytest.param("/a/{1d}", "has a brace", id="not-a-name"),
        pytest.param("/a/{{id}}", "has a brace", id="double"),
        pytest.param("/a/{id:}", "has a brace", id="empty-convertor"),
        pytest.param("/a?page=1", "holds a query string", id="query"),
        pytest.param("/a\nb", "holds a control character", id="control"),
    ],
)
def test_a_bad_pattern_is_refused(pattern, why):
    """An error repeats the pattern and says what is wrong with it."""
    with pytest.raises(ConfigurationError) as caught:
        parse_pattern(pattern)
    assert str(caught.value).startswith(repr(pattern))
    assert why in str(caught.value)


SEGMENTS = ["", "a", "1", "1.5", "a1", "a.b", "{x}", "{x:int}", "{x:float}", "{x:uuid}"]
SEGMENTS += ["{x:path}", "a{x}", "a{x:int}", "{x}.b", "{x:path}.b", "*"]
STRANGE = st.sampled_from(["", "a", "1", "1.5", "a1", "a.b", UUID, "é", "\n", "a\n", "+", "%41"])


@given(
    template=st.lists(st.sampled_from(SEGMENTS[:-1]), min_size=1, max_size=3),
    path=st.lists(STRANGE | st.text(max_size=3), min_size=1, max_size=3),
)
def test_a_template_matches_what_starlette_matches(template, path):
    """A template finds exactly the paths, and the parameters, that its route has."""
    text = "".join(f"/{s.replace('x', f'x{i}')}" for i, s in enumerate(template))
    starlettes = compile_path(text)[0].match("/" + "/".join(path))
    ours = parse_pattern(text).match("GET", "/" + "/".join(path))
    assert ours == (None if starlettes is None else starlettes.groupdict())


def test_an_apps_own_convertor_is_known(slashed):
    """Convertors are looked up where Starlette has them, by the name they are registered by."""
    assert parse_pattern("/x/{p:slashed}").match("GET", "/x/a/b") == {"p": "a/b"}
    assert parse_pattern("/x/{p:slashed}").match("GET", "/x/A") is None


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        pytest.param("/a", "/a", id="same"),
        pytest.param("/a/{x}", "/a/{y}", id="other-name"),
        pytest.param("/a/{x}", "/a/b", id="literal"),
        pytest.param("/a/*", "/a/{x:int}", id="star"),
        pytest.param("/{x:str}", "/{y:uuid}", id="str-uuid"),
        pytest.param("/{x:float}", "/{y:int}", id="float-int"),
        pytest.param("/{x:int}", "/12", id="int-literal"),
        pytest.param("/{x}.json", "/a.json", id="partial-literal"),
        pytest.param("/{x}", "/a{y}-{z:int}", id="whole-segment"),
        pytest.param("/a-{x}", "/a-{y:int}", id="same-parts"),
        pytest.param("/a/**", "/a", id="rest-itself"),
        pytest.param("/a/**", "/a/b/**", id="rest-rest"),
        pytest.param("/**", "/{p:path}", id="everything"),
        pytest.param("/a/{p:path}", "/a/", id="path-empty"),
        pytest.param("/a/{p:path}", "/a/{x}/c", id="path-below"),
        pytest.param("/{p:path}", "/a/**", id="path-rest"),
        pytest.param("/a/{p:path}/z", "/a/b/z", id="path-in-the-middle"),
        pytest.param("/**", "/{x:slashed}/a", id="unknown-under-rest"),
        pytest.param("/{p:path}", "/{x:slashed}", id="unknown-under-path"),
        pytest.param("/{x:slashed}", "/{y:slashed}", id="same-unknown"),
        pytest.param("/a", "GET /a", id="every-method"),
        pytest.param("GET /a", "HEAD /a", id="head-under-get"),
        pytest.param("GET,POST /a", "POST /a", id="one-of-the-methods"),
    ],
)
def test_what_a_pattern_covers(slashed, wide, narrow):
    """A pattern after a wider one is never reached."""
    assert parse_pattern(wide).covers(parse_pattern(narrow))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        pytest.param("/a", "/b", id="other-literal"),
        pytest.param("/a/{x:int}", "/a/{x}", id="int-str"),
        pytest.param("/a/{x:int}", "/a/b", id="int-literal"),
        pytest.param("/{x:uuid}", "/{x:int}", id="uuid-int"),
        pytest.param("/a/{x}", "/a/", id="str-is-not-empty"),
        pytest.param("/a/{x}", "/a/{p:path}", id="str-path"),
        pytest.param("/a/*", "/a/**", id="star-rest"),
        pytest.param("/a/**", "/**", id="rest-wider-rest"),
        pytest.param("/a/{p:path}", "/a", id="path-without-its-slash"),
        pytest.param("/a/{p:path}", "/a/**", id="path-rest-without-its-slash"),
        pytest.param("/a", "/a/**", id="literal-rest"),
        pytest.param("/{x}", "/{y:slashed}", id="unknown-may-hold-a-slash"),
        pytest.param("/{x:slashed}", "/a", id="unknown-literal"),
        pytest.param("GET /a", "/a", id="some-methods"),
        pytest.param("GET /a", "POST /a", id="other-method"),
        pytest.param("HEAD /a", "GET /a", id="get-is-not-as-head"),
    ],
)
def test_what_a_pattern_does_not_cover(slashed, wide, narrow):
    """A pattern that is reached, or may be, is not said to be covered."""
    assert not parse_pattern(wide).covers(parse_pattern(narrow))


def test_a_covered_pattern_has_no_path_of_its_own():
    """Of all short patterns and paths, none that matches a covered pattern misses the other."""
    heads = [list(head) for n in range(3) for head in product(SEGMENTS, repeat=n)]
    texts = ["".join(f"/{segment}" for segment in head) for head in heads]
    texts = [text.replace("{x", "{y", 1) for text in texts if text] + [f"{t}/**" for t in texts]
    patterns = [parse_pattern(text) for text in texts if text.count("{x") < 2]
    steps = ["", "a", "1", "1.5", "ab", "a1", "a.b", "1.b", UUID]
    paths = ["/" + "/".join(path) for n in (1, 2, 3) for path in product(steps, repeat=n)]
    matched = [frozenset(p for p in paths if pattern.regex.match(p)) for pattern in patterns]
    false_alarms = [
        (wide.text, narrow.text)
        for (wide, its), (narrow, others) in product(zip(patterns, matched, strict=True), repeat=2)
        if not others <= its and wide.covers(narrow)
    ]
    assert false_alarms == []


@given(data=st.data())
def test_any_path_of_a_covered_pattern_matches_the_wider_one(data):
    """Paths made from the narrower pattern's own expression match the pattern that covers it."""
    segments = data.draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3))
    wider = [data.draw(st.sampled_from([s, "*", "{x}", "{x:path}", "{x:float}"])) for s in segments]
    ends = st.sampled_from(["", "/**"])
    narrow, wide = (
        parse_pattern("".join(f"/{s.replace('x', f'x{i}')}" for i, s in enumerate(each)) + end)
        for each, end in ((segments, data.draw(ends)), (wider, data.draw(ends)))
    )
    if wide.covers(narrow):
        path = data.draw(st.from_regex(narrow.regex).filter(lambda path: "\n" not in path))
        assert wide.match("GET", path) is not None
