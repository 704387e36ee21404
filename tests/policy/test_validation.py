"""Conditional requests: what clients ask, what the app is asked, and what its answer changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.fields import combined, format_date
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.validation import (
    CONDITIONALS,
    NOT_IN_304,
    NOT_UPDATED,
    PRECONDITIONS,
    has_validator,
    head_agrees,
    is_not_modified,
    is_same_representation,
    merged_fields,
    modified_at,
    not_modified_fields,
    unconditional_fields,
    validating_fields,
)

NOW = 1_700_000_000.0
CHANGED = NOW - 100
DATE = format_date(CHANGED)
STORED = StoredResponse(
    key=b"k" * 16,
    status=200,
    fields=(),
    body=b"hello",
    stored_at=NOW,
    initial_age=0.0,
    lifetime=60.0,
)
TAGGED = replace(STORED, etag=b'"a"')
WEAKLY_TAGGED = replace(STORED, etag=b'W/"a"')
TAGGED_BY_US = replace(STORED, etag=b'"ours"', etag_is_ours=True)
DATED = replace(STORED, last_modified=DATE)


def none_match(*values):
    """Make If-None-Match fields."""
    return [(b"if-none-match", value) for value in values]


def since(value):
    """Make an If-Modified-Since field."""
    return (b"if-modified-since", value)


@pytest.mark.parametrize(
    ("fields", "etag", "expected"),
    [
        pytest.param([], b'"a"', False, id="no-condition"),
        pytest.param(none_match(b'"a"'), b'"a"', True, id="same-tag"),
        pytest.param(none_match(b'"b"'), b'"a"', False, id="another-tag"),
        pytest.param(none_match(b'"A"'), b'"a"', False, id="another-case"),
        pytest.param(none_match(b'W/"a"'), b'"a"', True, id="asked-weakly"),
        pytest.param(none_match(b'"a"'), b'W/"a"', True, id="tagged-weakly"),
        pytest.param(none_match(b'W/"a"'), b'W/"a"', True, id="both-weak"),
        pytest.param(none_match(b'w/"a"'), b'"a"', False, id="weak-in-lower-case"),
        pytest.param(none_match(b'"x", "a" ,'), b'"a"', True, id="one-of-a-list"),
        pytest.param(none_match(b'"x"', b'"a"'), b'"a"', True, id="one-of-two-lines"),
        pytest.param(none_match(b'"x, a"'), b'"a"', False, id="part-of-a-tag"),
        pytest.param(none_match(b'"a,b"'), b'"a,b"', True, id="tag-with-a-comma"),
        pytest.param(none_match(b"a"), b'"a"', False, id="unquoted"),
        pytest.param(none_match(b""), b'"a"', False, id="empty"),
        pytest.param(none_match(b"*"), b'"a"', True, id="any"),
        pytest.param(none_match(b" * "), None, True, id="any-where-there-is-no-tag"),
        pytest.param(none_match(b'"*"'), b'"a"', False, id="a-star-that-is-a-tag"),
        pytest.param(none_match(b'"a"'), None, False, id="no-tag"),
        pytest.param(none_match(b""), None, False, id="empty-and-no-tag"),
        pytest.param([since(DATE)], None, True, id="not-modified-since"),
        pytest.param([since(format_date(CHANGED - 1))], None, False, id="modified-since"),
        pytest.param([since(format_date(NOW))], b'"a"', True, id="asked-by-date-alone"),
        pytest.param([since(b"yesterday")], None, False, id="not-a-date"),
        pytest.param([since(DATE), since(DATE)], None, False, id="two-dates"),
        pytest.param([since(DATE), *none_match(b'"b"')], b'"a"', False, id="the-tag-comes-first"),
        pytest.param([since(DATE), *none_match(b'"a"')], None, False, id="the-tag-alone-counts"),
        pytest.param(
            [since(b"Tue, 14-Nov-23 22:11:40 GMT")], None, False, id="weekday-in-no-valid-form"
        ),
        pytest.param(
            [since(b"Tuesday, 14-Nov-23 22:11:40 GMT")], None, True, id="two-digits-of-a-year"
        ),
    ],
)
def test_is_not_modified(fields, etag, expected):
    """A client is spared what it has; If-None-Match goes first (RFC 9110, section 13.2.2)."""
    assert is_not_modified(fields, etag, CHANGED, NOW) is expected


def test_dates_have_no_fractions():
    """A field cannot say that a response changed within a second."""
    assert is_not_modified([since(DATE)], None, CHANGED + 0.9, NOW)


OPAQUE = st.text(st.characters(min_codepoint=0x23, max_codepoint=0x7E, exclude_characters="\\"))
TAGS = st.builds(
    lambda weak, text: weak + b'"%s"' % text.encode(), st.sampled_from([b"", b"W/"]), OPAQUE
)


@given(st.lists(TAGS, min_size=1), TAGS)
def test_if_none_match_is_membership(candidates, etag):
    """The condition is whether the list has the tag, weak or not (RFC 9110, section 13.1.2)."""
    expected = etag.removeprefix(b"W/") in {tag.removeprefix(b"W/") for tag in candidates}
    fields = none_match(b", ".join(candidates))
    assert is_not_modified(fields, etag, CHANGED, NOW) is expected


@given(st.binary(), st.binary() | st.none())
def test_no_bytes_make_a_condition_fail(value, etag):
    """Whatever a client writes, it is answered."""
    is_not_modified([(b"if-none-match", value)], etag, CHANGED, NOW)
    is_not_modified([since(value)], etag, CHANGED, NOW)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([(b"last-modified", DATE), (b"date", format_date(NOW))], CHANGED, id="stated"),
        pytest.param([(b"date", DATE)], CHANGED, id="date"),
        pytest.param([(b"last-modified", b"x"), (b"date", DATE)], CHANGED, id="invalid"),
        pytest.param([], NOW, id="arrival"),
    ],
)
def test_modified_at(fields, expected):
    """The last change is at the latest when the response was made (RFC 9111, section 4.3.2)."""
    assert modified_at(fields, NOW) == expected


ABOUT_THE_CONTENT = (
    *(b"content-digest", b"content-encoding", b"content-language", b"content-length"),
    *(b"content-md5", b"content-range", b"content-type"),
)


def test_not_modified_fields():
    """A 304 keeps what caches update by and leaves out what is about the body (15.4.5)."""
    kept = tuple(
        (name, b"x")
        for name in (b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary")
    )
    assert not_modified_fields([*kept, *((name, b"x") for name in ABOUT_THE_CONTENT)]) == kept


NAMES = st.sampled_from(
    sorted({*NOT_IN_304, *NOT_UPDATED, *CONDITIONALS, *PRECONDITIONS, b"x-a", b"date", b"range"})
)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b"1", b"2", b"3"])))


@given(FIELDS)
def test_a_304_never_describes_a_body(fields):
    """No field about the content goes with a response that has none, and the rest stays."""
    kept = not_modified_fields(fields)
    assert NOT_IN_304.isdisjoint(name for name, _ in kept)
    assert [pair for pair in fields if pair[0] not in NOT_IN_304] == list(kept)


@given(FIELDS)
def test_unconditional_fields(fields):
    """The app is not asked about a client's copy; what only it can judge stays (13.2.1)."""
    assert unconditional_fields(fields) == [pair for pair in fields if pair[0] not in CONDITIONALS]


def test_what_only_the_app_can_judge():
    """A condition for a change is not about a client's copy, and goes to the app as it is."""
    fields = [(b"if-match", b"x"), (b"if-unmodified-since", b"x"), (b"if-range", b"x")]
    assert unconditional_fields(fields) == fields
    assert frozenset(name for name, _ in fields[:2]) == PRECONDITIONS


@pytest.mark.parametrize(
    ("stored", "conditions"),
    [
        pytest.param(STORED, [], id="no-validator"),
        pytest.param(TAGGED, none_match(b'"a"'), id="tag"),
        pytest.param(WEAKLY_TAGGED, none_match(b'W/"a"'), id="weak-tag"),
        pytest.param(DATED, [since(DATE)], id="date"),
        pytest.param(
            replace(TAGGED, last_modified=DATE), [*none_match(b'"a"'), since(DATE)], id="both"
        ),
        pytest.param(TAGGED_BY_US, [], id="our-own-tag"),
        pytest.param(
            replace(TAGGED_BY_US, last_modified=DATE), [since(DATE)], id="our-own-tag-and-date"
        ),
    ],
)
def test_validating_fields(stored, conditions):
    """The app is asked by its own validators, in place of the client's (section 4.3.1)."""
    asked = [(b"x-a", b"1"), *none_match(b'"client"'), since(b"client")]
    assert validating_fields(asked, stored) == [(b"x-a", b"1"), *conditions]
    assert has_validator(stored) is bool(conditions)


@pytest.mark.parametrize("status", [203, 204, 404, 503])
def test_only_a_200_can_be_validated(status):
    """A 304 stands for a 200, and says nothing of an error (RFC 9110, section 15.4.5)."""
    assert not has_validator(replace(TAGGED, status=status))


@pytest.mark.parametrize(
    ("stored", "fields", "expected"),
    [
        pytest.param(TAGGED, [(b"etag", b'"a"')], True, id="same-tag"),
        pytest.param(TAGGED, [(b"etag", b'"b"')], False, id="another-tag"),
        pytest.param(TAGGED, [(b"etag", b'W/"a"')], True, id="weakened-tag"),
        pytest.param(WEAKLY_TAGGED, [(b"etag", b'W/"a"')], True, id="same-weak-tag"),
        pytest.param(WEAKLY_TAGGED, [(b"etag", b'"a"')], False, id="a-strong-tag-for-a-weak-one"),
        pytest.param(WEAKLY_TAGGED, [(b"etag", b'W/"b"')], False, id="another-weak-tag"),
        pytest.param(STORED, [(b"etag", b'"a"')], False, id="a-tag-for-none"),
        pytest.param(STORED, [(b"etag", b"W/")], False, id="half-a-tag-for-none"),
        pytest.param(TAGGED_BY_US, [(b"etag", b'"a"')], False, id="a-tag-for-ours"),
        pytest.param(TAGGED_BY_US, [(b"etag", b'"ours"')], False, id="ours-is-not-the-app's"),
        pytest.param(TAGGED_BY_US, [], True, id="nothing-for-ours"),
        pytest.param(TAGGED, [], True, id="nothing-for-a-tag"),
        pytest.param(DATED, [], True, id="nothing-for-a-date"),
        pytest.param(DATED, [(b"last-modified", DATE)], True, id="same-date"),
        pytest.param(DATED, [(b"last-modified", format_date(NOW))], False, id="another-date"),
        pytest.param(STORED, [(b"last-modified", DATE)], False, id="a-date-for-none"),
        pytest.param(
            replace(TAGGED, last_modified=DATE),
            [(b"etag", b'"a"'), (b"last-modified", format_date(NOW))],
            True,
            id="the-tag-comes-first",
        ),
    ],
)
def test_is_same_representation(stored, fields, expected):
    """An answer speaks of the stored response whose validators it carries (section 4.3.4)."""
    assert is_same_representation(stored, fields) is expected


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        pytest.param(200, [], True, id="nothing-to-the-contrary"),
        pytest.param(200, [(b"content-length", b"5")], True, id="same-length"),
        pytest.param(200, [(b"content-length", b"6")], False, id="another-length"),
        pytest.param(200, [(b"content-length", b"5, 5")], False, id="length-that-is-none"),
        pytest.param(200, [(b"etag", b'"a"'), (b"content-length", b"5")], True, id="same"),
        pytest.param(200, [(b"etag", b'"b"'), (b"content-length", b"5")], False, id="another-tag"),
        pytest.param(404, [(b"etag", b'"a"')], False, id="another-status"),
    ],
)
def test_head_agrees(status, fields, expected):
    """HEAD shows what GET would return: any difference ends the stored response (4.3.5)."""
    assert head_agrees(TAGGED, status, fields) is expected


@pytest.mark.parametrize(
    ("stored", "update", "expected"),
    [
        pytest.param([(b"x-a", b"1")], [], [(b"x-a", b"1")], id="nothing-new"),
        pytest.param([(b"x-a", b"1")], [(b"x-a", b"2")], [(b"x-a", b"2")], id="replaced"),
        pytest.param(
            [(b"x-a", b"1"), (b"x-a", b"2")], [(b"x-a", b"3")], [(b"x-a", b"3")], id="all-lines"
        ),
        pytest.param(
            [(b"x-a", b"1")],
            [(b"x-b", b"2"), (b"x-b", b"3")],
            [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-b", b"3")],
            id="added",
        ),
        pytest.param([(b"date", b"1"), (b"x-a", b"1")], [], [(b"x-a", b"1")], id="old-date-goes"),
        pytest.param([(b"date", b"1")], [(b"date", b"2")], [(b"date", b"2")], id="new-date"),
        pytest.param(
            [(b"content-type", b"1")],
            [(b"content-type", b"2")],
            [(b"content-type", b"2")],
            id="type",
        ),
        pytest.param(
            [(b"etag", b'"a"')], [(b"etag", b'W/"a"')], [(b"etag", b'"a"')], id="tag-stays-strong"
        ),
        *(
            pytest.param(
                [(name, b"1")], [(name, b"2")], [(name, b"1")], id=f"{name.decode()}-stays"
            )
            for name in (
                *(b"content-digest", b"content-encoding", b"content-length", b"content-md5"),
                b"content-range",
            )
        ),
    ],
)
def test_merged_fields(stored, update, expected):
    """A 304 brings the newest fields for the same body (section 3.2)."""
    assert list(merged_fields(stored, update)) == expected


@given(FIELDS, FIELDS)
def test_merging_never_touches_the_body(stored, update):
    """What belongs to the stored body stays; of all else the update's word is the last."""
    merged = merged_fields(stored, update)
    for name in {name for name, _ in (*stored, *update)}:
        if name in NOT_UPDATED:
            assert combined(merged, name) == combined(stored, name)
        elif combined(update, name) is not None:
            assert combined(merged, name) == combined(update, name)
        elif name != b"date":
            assert combined(merged, name) == combined(stored, name)
