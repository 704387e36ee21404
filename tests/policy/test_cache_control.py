"""Directives are read restrictively: a mistake may cost a hit, but never opens anything."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import (
    REMEMBERED_LENGTH,
    RequestDirectives,
    ResponseDirectives,
    parse_request,
    parse_response,
)
from asgi_cache.policy.fields import LONGEST_DELTA

MEGABYTE = 2**20
SECONDS = st.none() | st.integers(0, LONGEST_DELTA)
NAMES = st.lists(st.from_regex(rb"[a-z][a-z0-9-]{0,8}", fullmatch=True), unique=True).map(tuple)


def request(*values: bytes) -> RequestDirectives:
    """Read a request with these ``Cache-Control`` lines."""
    return parse_request([(b"host", b"a"), *((b"cache-control", value) for value in values)])


def response(*values: bytes) -> ResponseDirectives:
    """Read a response with these ``Cache-Control`` lines."""
    return parse_response([(b"etag", b'"a"'), *((b"cache-control", value) for value in values)])


def targeted(value: bytes) -> ResponseDirectives:
    """Read a targeted field beside a ``Cache-Control`` that forbids everything."""
    return parse_response([(b"cache-control", b"no-store"), (b"cdn-cache-control", value)])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"no-cache", RequestDirectives(no_cache=True), id="no-cache"),
        pytest.param(b"no-store", RequestDirectives(no_store=True), id="no-store"),
        pytest.param(
            b"only-if-cached", RequestDirectives(only_if_cached=True), id="only-if-cached"
        ),
        pytest.param(b"max-age=5", RequestDirectives(max_age=5), id="max-age"),
        pytest.param(b"min-fresh=5", RequestDirectives(min_fresh=5), id="min-fresh"),
        pytest.param(b"max-stale=5", RequestDirectives(max_stale=5), id="max-stale"),
        pytest.param(b"max-stale", RequestDirectives(max_stale=LONGEST_DELTA), id="any-staleness"),
        pytest.param(b"stale-if-error=5", RequestDirectives(stale_if_error=5), id="stale-if-error"),
        pytest.param(b"MAX-Age=5", RequestDirectives(max_age=5), id="any-case"),
        pytest.param(b'max-age="5"', RequestDirectives(max_age=5), id="quoted"),
        pytest.param(b"max-age=-1", RequestDirectives(max_age=0), id="max-age-negative"),
        pytest.param(b"max-age", RequestDirectives(max_age=0), id="max-age-missing"),
        pytest.param(
            b"min-fresh=x", RequestDirectives(min_fresh=LONGEST_DELTA), id="min-fresh-bad"
        ),
        pytest.param(b"min-fresh", RequestDirectives(min_fresh=LONGEST_DELTA), id="min-fresh-bare"),
        pytest.param(b"max-stale=x", RequestDirectives(), id="max-stale-bad"),
        pytest.param(b"max-stale = 5", RequestDirectives(), id="max-stale-malformed"),
        pytest.param(b"stale-if-error=x", RequestDirectives(stale_if_error=0), id="sie-bad"),
        pytest.param(b"max-age=9, max-age=3", RequestDirectives(max_age=3), id="max-age-twice"),
        pytest.param(b"min-fresh=3, min-fresh=9", RequestDirectives(min_fresh=9), id="fresh-twice"),
        pytest.param(b"max-stale=3, max-stale", RequestDirectives(max_stale=3), id="stale-twice"),
        pytest.param(b"private, extension=1", RequestDirectives(), id="unknown"),
        pytest.param(b"", RequestDirectives(), id="empty"),
    ],
)
def test_request_directives(value: bytes, expected: RequestDirectives) -> None:
    """What a client asks for is read, and what it got wrong is taken as the stricter wish."""
    assert request(value) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([(b"pragma", b"no-cache")], True, id="pragma"),
        pytest.param([(b"pragma", b"x, No-Cache")], True, id="pragma-list"),
        pytest.param([(b"pragma", b"x=no-cache")], False, id="another-pragma"),
        pytest.param([(b"pragma", b"no-cache"), (b"cache-control", b"a")], False, id="overruled"),
        pytest.param([], False, id="neither"),
    ],
)
def test_pragma_counts_without_cache_control(
    fields: list[tuple[bytes, bytes]], expected: bool
) -> None:
    """``Pragma: no-cache`` speaks only for clients that know no ``Cache-Control``."""
    assert parse_request(fields) == RequestDirectives(no_cache=expected)


def test_a_request_without_directives_costs_nothing() -> None:
    """Most requests say nothing, and they all share one answer."""
    assert parse_request([(b"host", b"a")]) is parse_request([(b"accept", b"b")])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"no-store", {"no_store": True}, id="no-store"),
        pytest.param(b"no-cache", {"no_cache": True}, id="no-cache"),
        pytest.param(b"private", {"private": True}, id="private"),
        pytest.param(b"public", {"public": True}, id="public"),
        pytest.param(b"must-revalidate", {"must_revalidate": True}, id="must-revalidate"),
        pytest.param(b"proxy-revalidate", {"proxy_revalidate": True}, id="proxy-revalidate"),
        pytest.param(b"must-understand", {"must_understand": True}, id="must-understand"),
        pytest.param(b"max-age=60", {"max_age": 60}, id="max-age"),
        pytest.param(b"s-maxage=60", {"s_maxage": 60}, id="s-maxage"),
        pytest.param(b"stale-while-revalidate=60", {"stale_while_revalidate": 60}, id="swr"),
        pytest.param(b"stale-if-error=60", {"stale_if_error": 60}, id="sie"),
        pytest.param(b"nO-StOrE", {"no_store": True}, id="any-case"),
        pytest.param(b"extension, immutable, x=1", {}, id="unknown"),
        pytest.param(b"", {}, id="empty"),
    ],
)
def test_response_directives(value: bytes, expected: dict[str, object]) -> None:
    """Every directive that a shared cache has a use for is read."""
    assert response(value) == ResponseDirectives(stated=True, **expected)  # type: ignore[arg-type]


def test_a_response_without_directives_states_nothing() -> None:
    """An app that says nothing is told from one that says nothing we know; Pragma is no word."""
    assert parse_response([(b"pragma", b"no-cache")]) == ResponseDirectives(stated=False)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        pytest.param(b"=60", 60, id="token"),
        pytest.param(b'="60"', 60, id="quoted"),
        pytest.param(rb'="\6\0"', 60, id="quoted-pairs"),
        pytest.param(b"=003600", 3600, id="leading-zeros"),
        pytest.param(b"=99999999999", LONGEST_DELTA, id="too-large"),
        pytest.param(b"='60'", 0, id="single-quotes"),
        pytest.param(b"", 0, id="missing"),
        pytest.param(b"=", 0, id="empty"),
        pytest.param(b'=""', 0, id="empty-quotes"),
        pytest.param(b'="60', 0, id="quote-never-closed"),
        pytest.param(b'="6"0', 0, id="junk-after-quotes"),
        pytest.param(b'="60 s"', 0, id="quoted-junk"),
        pytest.param(b"=-1", 0, id="negative"),
        pytest.param(b"=60.5", 0, id="decimal"),
        pytest.param(b"=60.0", 0, id="decimal-zero"),
        pytest.param(b"=a60", 0, id="leading-junk"),
        pytest.param(b"=60a", 0, id="trailing-junk"),
        pytest.param(b"=60;x", 0, id="parameter"),
        pytest.param(b" =60", 0, id="space-before-equals"),
        pytest.param(b"= 60", 0, id="space-after-equals"),
        pytest.param("=\u0666\u0660".encode(), 0, id="digits-of-another-script"),
        pytest.param(b"=60, max-age=30", 30, id="shorter-later"),
        pytest.param(b"=60, max-age=90", 60, id="shorter-first"),
        pytest.param(b"=60, max-age=x", 0, id="one-not-valid"),
    ],
)
def test_a_lifetime_that_is_not_valid_is_over(argument: bytes, expected: int) -> None:
    """Freshness needs a valid argument, and of several the shortest counts."""
    assert response(b"max-age" + argument).max_age == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b'x="max-age=3600", max-age=1', id="before"),
        pytest.param(b'max-age=1, x="max-age=3600"', id="after"),
        pytest.param(b'x=", max-age=3600, public, ", max-age=1', id="with-commas"),
        pytest.param(rb'x="\", max-age=3600, public, \"", max-age=1', id="with-escapes"),
        pytest.param(b'max-age=1, x="y" "max-age=0, no-store"', id="malformed-extension"),
        pytest.param(b'max-age=1, x=", max-age=3600, public', id="quote-never-closed"),
        pytest.param(b"max-age=1, x-max-age=0, max-age-x=0", id="similar-names"),
    ],
)
def test_quoted_text_is_no_directive(value: bytes) -> None:
    """Nothing inside an extension's quotes is read as a directive."""
    assert response(value) == ResponseDirectives(stated=True, max_age=1)


@pytest.mark.parametrize(
    ("argument", "whole", "names"),
    [
        pytest.param(b"", True, (), id="none"),
        pytest.param(b'="Set-Cookie"', False, (b"set-cookie",), id="one-field"),
        pytest.param(b'="a, B ,a"', False, (b"a", b"b"), id="several-fields"),
        pytest.param(b"=Set-Cookie", False, (b"set-cookie",), id="token"),
        pytest.param(b"=", True, (), id="empty"),
        pytest.param(b'=""', True, (), id="empty-quotes"),
        pytest.param(b'=" , "', True, (), id="no-names"),
        pytest.param(b'="a, b c"', True, (), id="not-a-name"),
        pytest.param(b'="a', True, (), id="quote-never-closed"),
        pytest.param(b' ="a"', True, (), id="space-before-equals"),
        pytest.param(b"; x=1", True, (), id="semicolon"),
    ],
)
@pytest.mark.parametrize("name", ["private", "no-cache"])
def test_a_restriction_may_be_of_some_fields(
    name: str, argument: bytes, whole: bool, names: tuple[bytes, ...]
) -> None:
    """With a list of names only those fields are restricted; without a valid one, everything."""
    directives = response(name.encode() + argument)
    read = {
        "private": (directives.private, directives.private_fields),
        "no-cache": (directives.no_cache, directives.no_cache_fields),
    }
    assert read.pop(name) == (whole, names)
    assert list(read.values()) == [(False, ())]


def test_a_restriction_may_be_stated_twice() -> None:
    """The qualified and the unqualified form do not weaken each other."""
    directives = response(b'private="a"', b"private", b'private="b"')
    assert (directives.private, directives.private_fields) == (True, (b"a", b"b"))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"no-store=1, private=, must-revalidate=x", id="arguments"),
        pytest.param(b"no-store private must-revalidate", id="no-commas"),
        pytest.param(b"no-store; private; must-revalidate", id="semicolons"),
        pytest.param(b'x="y"z no-store/private\xff[must-revalidate]', id="junk"),
    ],
)
def test_a_malformed_restriction_still_restricts(value: bytes) -> None:
    """An app that wrote ``no-store`` wrongly still did not want to be stored."""
    assert response(value) == ResponseDirectives(
        stated=True, no_store=True, private=True, must_revalidate=True
    )


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"public=1, must-understand=x", id="arguments"),
        pytest.param(b"public x, must-understand;", id="junk"),
    ],
)
def test_a_malformed_permission_permits_nothing(value: bytes) -> None:
    """What would relax a restriction has to be written as it should be."""
    assert response(value) == ResponseDirectives(stated=True)


def test_all_lines_count() -> None:
    """Several lines are one list, wherever they stand."""
    expected = ResponseDirectives(stated=True, public=True, max_age=3, s_maxage=9)
    assert response(b"public, max-age=5", b"s-maxage=9", b"max-age=3") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"max-age=60", {"max_age": 60}, id="integer"),
        pytest.param(b"max-age=60;x=1", {"max_age": 60}, id="parameters"),
        pytest.param(b"max-age=30, max-age=60", {"max_age": 60}, id="the-last-counts"),
        pytest.param(b"max-age=-1", {"max_age": 0}, id="negative"),
        pytest.param(b"max-age=999999999999999", {"max_age": LONGEST_DELTA}, id="too-large"),
        pytest.param(b's-maxage="60"', {}, id="string-for-integer"),
        pytest.param(b"max-age=1.5", {}, id="decimal-for-integer"),
        pytest.param(b'stale-while-revalidate="5"', {}, id="string-for-swr"),
        pytest.param(b"max-age", {}, id="boolean-for-integer"),
        pytest.param(b"stale-if-error=(1 2)", {}, id="list-for-integer"),
        pytest.param(b"stale-while-revalidate=5", {"stale_while_revalidate": 5}, id="swr"),
        pytest.param(b"no-store", {"no_store": True}, id="true"),
        pytest.param(b"no-store=?1, public", {"no_store": True, "public": True}, id="explicit"),
        pytest.param(b"no-store=?0, private=?0, x", {}, id="false"),
        pytest.param(b"no-store=0", {"no_store": True}, id="integer-for-boolean"),
        pytest.param(b"private", {"private": True}, id="private"),
        pytest.param(b'private="A, b"', {"private_fields": (b"a", b"b")}, id="private-fields"),
        pytest.param(b"private=a", {"private": True}, id="token-for-string"),
        pytest.param(b"no-cache=(a b)", {"no_cache": True}, id="list-for-string"),
        pytest.param(b"public=1, must-understand=x", {}, id="malformed-permissions"),
        pytest.param(b"x", {}, id="unknown"),
    ],
)
def test_targeted_directives(value: bytes, expected: dict[str, object]) -> None:
    """A targeted field has structured types, and takes the place of ``Cache-Control``."""
    assert targeted(value) == ResponseDirectives(stated=True, targeted=True, **expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  ", id="blank"),
        pytest.param(b"max-age=60,", id="trailing-comma"),
        pytest.param(b"Max-Age=60", id="upper-case"),
        pytest.param(b"max-age=60 public", id="no-comma"),
        pytest.param(b"max-age=", id="no-value"),
        pytest.param(b'x="\xe4"', id="not-ascii"),
        pytest.param(b"\xff\x00", id="binary"),
        pytest.param(b"x=@9999999999999", id="date-out-of-range"),
        pytest.param(b'x=%"%ff"', id="not-utf-8"),
        pytest.param(b"x=:a:", id="not-base64"),
        pytest.param(b"x=(" * 100_000, id="deep"),
    ],
)
def test_a_malformed_targeted_field_is_as_if_absent(value: bytes) -> None:
    """What cannot be read decides nothing, so that ``Cache-Control`` does."""
    assert targeted(value) == ResponseDirectives(stated=True, no_store=True)


def test_the_first_valid_targeted_field_wins() -> None:
    """The order is the operator's, not the response's, and nothing is merged."""
    fields = [
        (b"cdn-cache-control", b"max-age=1"),
        (b"ours-cache-control", b"max-age=2"),
        (b"ours-cache-control", b"no-cache"),
        (b"broken-cache-control", b"!"),
        (b"cache-control", b"private"),
    ]
    ordered = (b"broken-cache-control", b"ours-cache-control", b"cdn-cache-control")
    assert parse_response(fields, ordered) == ResponseDirectives(
        stated=True, targeted=True, max_age=2, no_cache=True
    )
    assert parse_response(fields, ()) == ResponseDirectives(stated=True, private=True)


@given(
    st.builds(
        RequestDirectives,
        no_cache=st.booleans(),
        no_store=st.booleans(),
        only_if_cached=st.booleans(),
        max_age=SECONDS,
        min_fresh=SECONDS,
        max_stale=SECONDS,
        stale_if_error=SECONDS,
    ),
    st.randoms(use_true_random=False),
)
def test_request_directives_are_read_as_written(
    directives: RequestDirectives, random: Random
) -> None:
    """Whatever a client states, in whatever order, is what is read."""
    assert request(*written(directives, random)) == directives


@given(
    st.builds(
        ResponseDirectives,
        no_store=st.booleans(),
        no_cache=st.booleans(),
        no_cache_fields=NAMES,
        private=st.booleans(),
        private_fields=NAMES,
        public=st.booleans(),
        must_revalidate=st.booleans(),
        proxy_revalidate=st.booleans(),
        must_understand=st.booleans(),
        max_age=SECONDS,
        s_maxage=SECONDS,
        stale_while_revalidate=SECONDS,
        stale_if_error=SECONDS,
        stated=st.just(True),
    ),
    st.randoms(use_true_random=False),
)
def test_response_directives_are_read_as_written(
    directives: ResponseDirectives, random: Random
) -> None:
    """Whatever an app states, in whatever order and on however many lines, is what is read."""
    assert response(*written(directives, random), b"") == directives


def written(directives: object, random: Random) -> list[bytes]:
    """Write directives in any order, token or quoted, on one line or several."""
    stated: list[bytes] = []
    for attribute in directives.__slots__:  # type: ignore[attr-defined]
        value = getattr(directives, attribute)
        name = attribute.removesuffix("_fields").replace("_", "-").encode()
        if value is True:
            stated.append(name)
        elif isinstance(value, tuple) and value:
            stated.append(b'%b="%b"' % (name, b", ".join(value)))
        elif isinstance(value, int) and value is not False:
            stated.append(random.choice([b"%b=%d", b'%b="%d"']) % (name.upper(), value))
    random.shuffle(stated)
    return stated if random.random() < 0.5 else [b" ,\t".join(stated)]


@given(
    st.binary()
    | st.lists(
        st.sampled_from(
            [b"max-age", b"private", b"x", b"?0", *map(bytes, zip(b'="\\, ();%@:1.-\xff\n\0'))]
        )
    ).map(b"".join)
)
def test_no_bytes_make_reading_fail(value: bytes) -> None:
    """Whatever a peer sends has a meaning, if only that it sent something."""
    request(value)
    parse_request([(b"pragma", value)])
    assert response(value).stated
    assert targeted(value).targeted or targeted(value).no_store


@pytest.mark.parametrize("unit", [b",", b'"', b"\\", b'"\\', b'\\"', b"a=", b'a="b', b" ", b";"])
def test_a_megabyte_is_read_in_linear_time(unit: bytes) -> None:
    """A field made to be slow is not: quadratic time would exceed any timeout."""
    value = b'x="' + unit * (MEGABYTE // len(unit))
    assert response(value) == ResponseDirectives(stated=True)
    assert response(value[3:]).stated


@pytest.mark.parametrize("padding", [b"", b"x" * REMEMBERED_LENGTH])
def test_what_was_read_before_is_the_same(padding):
    """One that is long is read anew each time."""
    fields = [(b"cache-control", b'max-age=5, private="x-one", ' + padding)]
    first, second = parse_response(fields), parse_response(fields)
    assert first == second
    assert (first is second) == (not padding)
    assert first.private_fields == (b"x-one",)
