"""Keys: two requests have the same one only if the same response answers both."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.key import (
    VARIANT_LIMIT,
    digest,
    filtered_query,
    language_selector,
    part_key,
    preferred_language,
    select,
    selecting_value,
    selector,
    variant_of,
    with_variant,
)
from asgi_cache.policy.message import Variant, VariantIndex
from asgi_cache.policy.rule import Rule

PRIMARY = digest([b"/a"])
LANGUAGE = b"accept-language"

PARTS = st.lists(st.binary(max_size=12) | st.sampled_from([b"", b"/", b"a", b"\0" * 8]), max_size=6)


@given(PARTS, PARTS)
def test_different_parts_have_different_digests(parts, others):
    """No part can run into the next one, whatever bytes it has."""
    assert (digest(parts) == digest(others)) is (parts == others)
    assert len(digest(parts)) == 16


@pytest.mark.parametrize(
    ("parts", "others"),
    [
        pytest.param([b"t/api", b"/n"], [b"t", b"/api/n"], id="host-and-path"),
        pytest.param([b"/a/b"], [b"/a:b"], id="slash-and-colon"),
        pytest.param([b"/a%2Fb"], [b"/a/b"], id="escaped-slash"),
        pytest.param([b"ab", b"c"], [b"a", b"bc"], id="moved-boundary"),
        pytest.param([b"a", b""], [b"a"], id="empty-part"),
        pytest.param([b"a", b"b"], [b"b", b"a"], id="order"),
        pytest.param([b"\0\0\0\0\0\0\0\1a"], [b"", b"a"], id="length-in-the-text"),
    ],
)
def test_parts_are_kept_apart(parts, others):
    """Requests that were mixed up elsewhere have keys of their own here."""
    assert digest(parts) != digest(others)


ALL = Rule()
ONLY_A = Rule(query=("a", "é"))
BUT_UTM = Rule(ignore_query=("utm",))
SORTED = Rule(sort_query=True)


@pytest.mark.parametrize(
    ("rule", "query", "expected"),
    [
        pytest.param(ALL, b"", b"", id="none"),
        pytest.param(ALL, b"b=1&&a=%61;x", b"b=1&&a=%61;x", id="as-it-is"),
        pytest.param(ONLY_A, b"a=1&b=2", b"a=1", id="allowed"),
        pytest.param(ONLY_A, b"b=2", b"", id="nothing-allowed"),
        pytest.param(ONLY_A, b"a=1&a=2", b"a=1&a=2", id="allowed-twice"),
        pytest.param(ONLY_A, b"a", b"a", id="allowed-without-a-value"),
        pytest.param(ONLY_A, b"a=", b"a=", id="allowed-with-an-empty-value"),
        pytest.param(ONLY_A, b"A=1", b"", id="another-case"),
        pytest.param(ONLY_A, b"%61=1", b"%61=1", id="allowed-behind-an-escape"),
        pytest.param(ONLY_A, b"%C3%A9=1", b"%C3%A9=1", id="allowed-and-not-ascii"),
        pytest.param(ONLY_A, b"a=1%26b=2", b"a=1%26b=2", id="escaped-separator"),
        pytest.param(ONLY_A, b"a=1;b=2", b"a=1;b=2", id="semicolon-separates-nothing"),
        pytest.param(ONLY_A, b"x;a=1", b"", id="semicolon-is-part-of-a-name"),
        pytest.param(BUT_UTM, b"utm=x&a=1", b"a=1", id="ignored"),
        pytest.param(BUT_UTM, b"a=1&utm=x;cb=evil", b"a=1", id="ignored-with-all-of-its-value"),
        pytest.param(BUT_UTM, b"u%74m=x&a=1", b"a=1", id="ignored-behind-an-escape"),
        pytest.param(BUT_UTM, b"utm+=x", b"utm+=x", id="a-space-makes-another-name"),
        pytest.param(BUT_UTM, b"%ff=1&a=1", b"%ff=1&a=1", id="name-that-is-no-text"),
        pytest.param(BUT_UTM, b"&a=1&", b"&a=1&", id="empty-parameters"),
        pytest.param(SORTED, b"b=1&a=2&a=1", b"a=1&a=2&b=1", id="sorted"),
        pytest.param(Rule(query=("a", "b"), sort_query=True), b"b&c&a", b"a&b", id="all-at-once"),
    ],
)
def test_filtered_query(rule, query, expected):
    """What counts is left byte for byte; what does not is gone from key and app alike."""
    assert filtered_query(query, rule) == expected


QUERIES = st.lists(st.sampled_from([b"a", b"%61", b"utm", b"u%74m", b"=", b"&", b";", b"1", b"+"]))


@given(QUERIES.map(b"".join), st.sampled_from([ONLY_A, BUT_UTM]))
def test_an_app_finds_the_parameters_that_count(query, rule):
    """Filtering the field and filtering what an app reads from it come to the same."""
    read = parse_qsl(query.decode(), keep_blank_values=True)
    kept = [(n, v) for n, v in read if (n in rule.query if rule.query else n != "utm")]
    filtered = filtered_query(query, rule)
    assert parse_qsl(filtered.decode(), keep_blank_values=True) == kept
    assert filtered_query(filtered, rule) == filtered


@pytest.mark.parametrize(
    ("name", "values", "others"),
    [
        pytest.param(LANGUAGE, [b"en, de"], [b"de,en"], id="order"),
        pytest.param(LANGUAGE, [b"EN;Q=0.5"], [b"en ; q=0.5"], id="case-and-space"),
        pytest.param(LANGUAGE, [b"en", b"de"], [b"en, de"], id="lines"),
        pytest.param(b"accept-encoding", [b"gzip, br"], [b"br,gzip,"], id="encodings"),
        pytest.param(b"accept-encoding", [b"br, br"], [b"br"], id="said-twice"),
        pytest.param(b"accept", [b"a/b, c/d"], [b"C/D,A/B"], id="types"),
        pytest.param(b"x-a", [b"1, 2"], [b"1,2"], id="space-between-members"),
        pytest.param(b"x-a", [b" 1 "], [b"1"], id="space-around-the-value"),
        pytest.param(b"x-a", [b"1", b"2"], [b"1, 2"], id="lines-of-any-field"),
        pytest.param(b"cookie", [b"a=1"], [b"a=1"], id="the-same-cookie"),
    ],
)
def test_normalised_equal(name, values, others):
    """What a field's definition says is the same selects the same response (section 4.1)."""
    assert value_of(name, values) == value_of(name, others)


@pytest.mark.parametrize(
    ("name", "values", "others"),
    [
        pytest.param(b"x-a", [], [b""], id="absent-and-empty"),
        pytest.param(b"x-a", [b"1, 2"], [b"2, 1"], id="order"),
        pytest.param(b"x-a", [b"a"], [b"A"], id="case"),
        pytest.param(b"x-a", [b'"1,2"'], [b'"1", "2"'], id="quoted-comma"),
        pytest.param(b"x-a", [b"1 2"], [b"12"], id="space-inside"),
        pytest.param(b"x-a", [b"-"], [], id="absent-and-a-dash"),
        pytest.param(LANGUAGE, [b"en"], [b"en;q=0.5"], id="weight"),
        pytest.param(LANGUAGE, [b'a, "x'], [b'"x,a'], id="quote-that-is-never-closed"),
        pytest.param(LANGUAGE, [], [b""], id="no-language-and-an-empty-one"),
        pytest.param(b"cookie", [b"a=1,2"], [b"a=1, 2"], id="comma-in-a-cookie"),
        pytest.param(b"user-agent", [b"a (b,c)"], [b"a (b, c)"], id="comma-in-a-comment"),
        pytest.param(b"cookie", [b"a", b"b"], [b"a, b"], id="lines-of-what-is-no-list"),
    ],
)
def test_told_apart(name, values, others):
    """What an app can tell apart selects different responses."""
    assert value_of(name, values) != value_of(name, others)


def value_of(name, values):
    """Return what counts of a field with these lines."""
    return selecting_value([(b"x-other", b"0"), *((name, value) for value in values)], name)


NAMES = st.sampled_from([b"a", b"b", b"cookie", b"accept", LANGUAGE])
FIELDS = st.lists(
    st.tuples(
        NAMES,
        st.lists(st.sampled_from([b"a", b"B", b"ab", b",", b" ", b'"', b"=", b"1:"])).map(b"".join)
        | st.binary(max_size=4),
    ),
    max_size=2,
)
WEIGHTED = [b"accept", b"accept-charset", b"accept-encoding", LANGUAGE]
VARY = st.sets(NAMES, min_size=1).map(lambda names: tuple(sorted(names)))


@given(VARY, FIELDS, FIELDS)
def test_selectors_differ_where_a_selecting_field_does(names, fields, others):
    """Two requests share a variant exactly if all fields that Vary names come to the same."""
    counted = [selecting_value(fields, name) for name in names]
    other_counted = [selecting_value(others, name) for name in names]
    same = selector(PRIMARY, names, fields) == selector(PRIMARY, names, others)
    assert same is (counted == other_counted)


@given(VARY, VARY, FIELDS)
def test_selectors_differ_by_their_names(names, others, fields):
    """The same values of other fields, or under another URL, are another variant."""
    assert (selector(PRIMARY, names, fields) == selector(PRIMARY, others, fields)) is (
        names == others
    )
    assert selector(PRIMARY, names, fields) != selector(digest([b"/b"]), names, fields)


@given(st.sampled_from(WEIGHTED), st.lists(st.sampled_from([b"a", b"b;q=0.1", b"c/d"])))
def test_order_is_of_no_account_where_members_have_weights(name, listed):
    """However a client sorts what it accepts, it selects the same variant."""
    backwards = b" , ".join(reversed(listed)).upper()
    assert value_of(name, [b",".join(listed)]) == value_of(name, [backwards])


@pytest.mark.parametrize(
    "name",
    [b"authorization", b"cookie", b"from", b"host", b"origin", b"referer", b"user-agent"],
)
def test_what_is_no_list_is_compared_as_it_is(name):
    """A comma in a field that has one value separates nothing, and no space is spare."""
    values = [b"a, b", b"a,b", b"a,,b", b"b, a", b"A, b"]
    assert len({value_of(name, [value]) for value in values}) == len(values)


@given(VARY, FIELDS)
def test_parts_are_kept_apart_from_wholes(names, fields):
    """A part takes neither the place of the whole nor that of a variant, nor of another's part."""
    assert part_key(PRIMARY) not in {PRIMARY, selector(PRIMARY, names, fields)}
    assert part_key(PRIMARY) != part_key(digest([b"/b"]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"de", b"de", id="one"),
        pytest.param(b"EN-gb", b"en-gb", id="in-lower-case"),
        pytest.param(b"de, en;q=0.8", b"de", id="the-heaviest"),
        pytest.param(b"en;q=0.8,de ; Q = 0.9", b"de", id="the-heaviest-last"),
        pytest.param(b"de, en", None, id="two-alike"),
        pytest.param(b"*", None, id="any"),
        pytest.param(b"*, de;q=0.5", None, id="any-rather-than-one"),
        pytest.param(b"de, *;q=0.1", b"de", id="one-rather-than-any"),
        pytest.param(b"de;q=0", None, id="none-at-all"),
        pytest.param(b"de;q=0.000, en;q=0.001", b"en", id="hardly-any"),
        pytest.param(b"de;q=x, en;q=0.1", b"en", id="weight-that-is-none"),
        pytest.param(b"de;level=1, en;q=0.1", b"en", id="parameter-that-is-no-weight"),
        pytest.param(b"de;q=-1, en;q=0.1", b"en", id="negative-weight"),
        pytest.param(b"de;q=., en;q=0.1", b"en", id="weight-without-digits"),
        pytest.param(b"de;q=5, en", None, id="more-than-all-is-all"),
        pytest.param(b"de;, en;q=0.9", b"de", id="empty-weight"),
        pytest.param(b"de;q=" + b"9" * 5000, b"de", id="endless-weight"),
    ],
)
def test_preferred_language(value, expected):
    """Only a language that is liked better than all others says what would be sent (12.5.4)."""
    fields = [] if value is None else [(LANGUAGE, value)]
    assert preferred_language(fields) == expected


@given(st.binary())
def test_no_bytes_make_a_preference_fail(value):
    """Whatever a client says of its languages, it is answered."""
    preferred_language([(LANGUAGE, value)])


def variant(request, vary, *, language=None):
    """Make the variant that answers such a request."""
    content_language = [(b"content-language", language)] if language else []
    made = variant_of(PRIMARY, request, [(b"vary", vary), *content_language])
    assert made is not None
    return made


def index_of(*variants):
    """Make an index of variants, the newest first."""
    return VariantIndex(PRIMARY, variants)


def test_what_does_not_vary_has_no_variant():
    """A response without Vary is kept under its primary key."""
    assert variant_of(PRIMARY, [(LANGUAGE, b"de")], [(b"content-language", b"de")]) is None
    assert variant_of(PRIMARY, [], [(b"vary", b"")]) is None


def test_a_variant_names_what_selected_it():
    """A variant is stored under the fields of its request that its response varies on."""
    request = [(b"a", b"1"), (b"b", b"2")]
    assert variant(request, b"B, A") == Variant(
        (b"a", b"b"), selector(PRIMARY, (b"a", b"b"), request)
    )


def test_language_selector_is_for_languages():
    """Only where Accept-Language is among the names does a language select."""
    assert language_selector(PRIMARY, (b"a",), [], b"de") is None
    assert variant([(b"a", b"1")], b"a", language=b"de").language_selector is None
    assert variant([], LANGUAGE).language_selector is None
    assert variant([], LANGUAGE, language=b"DE") == variant([], LANGUAGE, language=b"de")


A1, A2, B1 = [(b"a", b"1")], [(b"a", b"2")], [(b"b", b"1")]


@pytest.mark.parametrize(
    ("request_", "selected"),
    [
        pytest.param(A1, 0, id="the-value"),
        pytest.param(A2, 1, id="another-value"),
        pytest.param([(b"a", b"3")], None, id="no-such-value"),
        pytest.param([], None, id="no-value"),
        pytest.param([(b"a", b"3"), *B1], 2, id="another-field"),
        pytest.param([*A2, *B1], 1, id="the-newest-of-two"),
        pytest.param([(b"A", b"1")], None, id="names-are-in-lower-case"),
    ],
)
def test_select(request_, selected):
    """The newest variant whose fields all match is chosen (section 4.1)."""
    variants = [variant(A1, b"a"), variant(A2, b"a"), variant(B1, b"b")]
    expected = None if selected is None else variants[selected]
    assert select(index_of(*variants), request_) == expected


@pytest.mark.parametrize(
    ("request_", "selected"),
    [
        pytest.param([(LANGUAGE, b"de")], 0, id="what-was-asked-before"),
        pytest.param([(LANGUAGE, b"en")], 1, id="the-language-it-is-in"),
        pytest.param([(LANGUAGE, b"EN, fr;q=0.5")], 1, id="the-language-liked-best"),
        pytest.param([(LANGUAGE, b"en, fr")], None, id="no-language-liked-best"),
        pytest.param([(LANGUAGE, b"en;q=0.5, fr")], None, id="a-language-liked-less"),
        pytest.param([(LANGUAGE, b"en-GB")], None, id="a-narrower-language"),
        pytest.param([(LANGUAGE, b"*")], None, id="any-language"),
        pytest.param([(LANGUAGE, b"en"), (b"a", b"1")], None, id="another-field-differs"),
        pytest.param([], None, id="no-language"),
    ],
)
def test_select_by_language(request_, selected):
    """A response in the one language that a client likes best is what it would be sent."""
    vary = b"a, accept-language"
    variants = [
        variant([(LANGUAGE, b"de")], vary, language=b"de"),
        variant([(LANGUAGE, b"fr;q=0.1, en;q=0.2")], vary, language=b"en"),
    ]
    expected = None if selected is None else variants[selected]
    assert select(index_of(*variants), request_) == expected


def test_an_unknown_language_selects_by_its_field():
    """Without Content-Language nothing but the same field selects."""
    german = variant([(LANGUAGE, b"de")], LANGUAGE)
    assert select(index_of(german), [(LANGUAGE, b"de")]) == german
    assert select(index_of(german), [(LANGUAGE, b"de, en;q=0.1")]) is None


@given(st.lists(st.tuples(VARY, FIELDS), max_size=4), FIELDS)
def test_the_newest_match_is_chosen(stored, request_):
    """Of all variants whose fields match, the one stored last is served."""
    index = None
    for vary, fields in stored:
        index = with_variant(index, PRIMARY, variant(fields, b",".join(vary)))
    matching = [
        variant(fields, b",".join(vary))
        for vary, fields in reversed(stored)
        if all(selecting_value(fields, n) == selecting_value(request_, n) for n in vary)
    ]
    chosen = select(index, request_) if index else None
    assert chosen == (matching[0] if matching else None)


@given(st.lists(st.tuples(VARY, FIELDS), min_size=1, max_size=4))
def test_what_was_just_stored_is_found(stored):
    """Whatever varied before, the same request then gets the response it brought."""
    index = None
    for vary, fields in stored:
        newest = variant(fields, b",".join(vary))
        index = with_variant(index, PRIMARY, newest)
        assert select(index, fields) == newest
        assert len({each.selector for each in index.variants}) == len(index.variants)


def test_variants_are_limited():
    """However many values a field takes, a URL's index is bounded, and the oldest goes."""
    requests = [[(b"a", b"%d" % number)] for number in range(VARIANT_LIMIT + 5)]
    index = None
    for request in requests:
        index = with_variant(index, PRIMARY, variant(request, b"a"))
    assert index is not None
    assert index.key == PRIMARY
    assert len(index.variants) == VARIANT_LIMIT
    found = [select(index, request) is not None for request in requests]
    assert found == [False] * 5 + [True] * VARIANT_LIMIT


def test_a_variant_takes_the_place_of_its_predecessor():
    """What the same requests selected before is replaced, and the rest stays in its order."""
    first, second = variant(A1, b"a"), variant(A2, b"a")
    assert with_variant(index_of(first, second), PRIMARY, second) == index_of(second, first)
