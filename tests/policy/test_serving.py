"""What is sent from a stored response: all of it, a part, or word that nothing changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.cache_control import RequestDirectives
from asgi_cache.policy.fields import format_date
from asgi_cache.policy.message import Request, StoredResponse
from asgi_cache.policy.ranges import boundary_for
from asgi_cache.policy.serving import Reply, reply, reply_from_part

NOW = 1_700_000_000.0
MODIFIED = format_date(NOW - 100)
FIELDS = (
    (b"content-type", b"text/plain"),
    (b"content-length", b"5"),
    (b"etag", b'"a"'),
    (b"last-modified", MODIFIED),
    (b"vary", b"accept"),
)
STORED = StoredResponse(
    key=b"k" * 16,
    status=200,
    fields=FIELDS,
    body=b"hello",
    stored_at=NOW,
    initial_age=0.0,
    lifetime=60.0,
    etag=b'"a"',
    last_modified=MODIFIED,
)
WHOLE = Reply(200, FIELDS, b"hello")
NOT_MODIFIED = Reply(304, FIELDS[2:], b"")

SAME_TAG = (b"if-none-match", b'"a"')
OTHER_TAG = (b"if-none-match", b'"b"')
RANGE = (b"range", b"bytes=1-2")


def answer(*fields, method="GET", **stored):
    """Answer a request with such fields."""
    request = Request(method, fields, RequestDirectives())
    return reply(request, replace(STORED, **stored), NOW + 10)


@pytest.mark.parametrize("fields", [[], [OTHER_TAG], [(b"if-modified-since", b"x")]])
def test_the_whole_response(fields):
    """Without a condition that holds, everything is sent as it is kept."""
    assert answer(*fields) == WHOLE


def test_head_has_no_body():
    """HEAD has the fields of GET, the length too, and no content (RFC 9110, section 9.3.2)."""
    assert answer(method="HEAD") == Reply(200, FIELDS, b"")
    assert answer(method="HEAD", status=404) == Reply(404, FIELDS, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([SAME_TAG], id="tag"),
        pytest.param([(b"if-modified-since", MODIFIED)], id="date"),
        pytest.param([SAME_TAG, RANGE], id="tag-before-range"),
        pytest.param([SAME_TAG, RANGE, (b"if-range", b'"b"')], id="tag-before-if-range"),
    ],
)
def test_a_client_that_has_it_is_told_so(method, fields):
    """A condition that holds is answered by 304, before any range (RFC 9110, section 13.2.2)."""
    assert answer(*fields, method=method) == NOT_MODIFIED


def test_a_date_is_compared_with_what_is_known():
    """A response without Last-Modified has changed by its Date, or when it arrived (4.3.2)."""
    since = (b"if-modified-since", MODIFIED)
    assert answer(since, fields=()).status == 200
    assert answer(since, fields=((b"date", MODIFIED),)).status == 304
    assert answer((b"if-modified-since", format_date(NOW)), fields=()).status == 304


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"status": 404}, id="an-error"),
        pytest.param({"status": 301}, id="a-redirect"),
        pytest.param({"method": "POST"}, id="a-post"),
    ],
)
def test_conditions_and_ranges_are_about_successful_gets(more):
    """To any other response they do not apply (RFC 9110, sections 13.2.1 and 14.2)."""
    expected = replace(WHOLE, status=more.get("status", 200))
    assert answer(SAME_TAG, RANGE, **more) == expected


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([RANGE], id="unconditional"),
        pytest.param([RANGE, (b"if-range", b'"a"')], id="if-range-of-the-same-tag"),
        pytest.param([RANGE, (b"if-range", MODIFIED)], id="if-range-of-the-same-date"),
        pytest.param([RANGE, OTHER_TAG], id="condition-that-does-not-hold"),
    ],
)
def test_a_range_is_cut_from_the_whole(fields):
    """A stored 200 answers requests for parts of it (RFC 9110, section 14.2)."""
    part = answer(*fields)
    assert (part.status, part.body) == (206, b"el")
    assert dict(part.fields)[b"content-range"] == b"bytes 1-2/5"


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        pytest.param([(b"range", b"lines=1-2")], "GET", id="another-unit"),
        pytest.param([RANGE, RANGE], "GET", id="two-fields"),
        pytest.param([RANGE, (b"if-range", b'"b"')], "GET", id="if-range-of-another-tag"),
        pytest.param(
            [RANGE, (b"if-range", format_date(NOW))], "GET", id="if-range-of-another-date"
        ),
    ],
)
def test_a_range_that_does_not_apply_is_ignored(fields, method):
    """Where a part would be wrong the client gets the whole."""
    assert answer(*fields, method=method) == WHOLE


def test_head_ignores_ranges():
    """Range is defined for GET alone (RFC 9110, section 14.2)."""
    assert answer(RANGE, method="HEAD") == Reply(200, FIELDS, b"")


def test_a_date_too_new_to_tell_versions_apart():
    """What changed in the second it was sent in may have changed again (section 8.8.2.2)."""
    date = format_date(NOW)
    fields = ((b"last-modified", date), (b"date", date))
    condition = (b"if-range", date)
    assert answer(RANGE, condition, fields=fields, last_modified=date).status == 200


def test_several_ranges():
    """Each part has its own place, between boundaries that the body does not hold."""
    parts = answer((b"range", b"bytes=0-0,4-4"))
    assert parts.status == 206
    assert boundary_for(b"hello") in dict(parts.fields)[b"content-type"]
    assert parts.body.count(b"--" + boundary_for(b"hello")) == 3


def test_no_such_range():
    """What lies beyond the end is refused, with the length (RFC 9110, section 15.5.17)."""
    refusal = answer((b"range", b"bytes=9-"))
    assert (refusal.status, refusal.body) == (416, b"")
    assert dict(refusal.fields)[b"content-range"] == b"bytes */5"


PART_FIELDS = ((b"etag", b'"a"'), (b"content-range", b"bytes 2-5/9"), (b"content-length", b"4"))
PART = replace(STORED, status=206, fields=PART_FIELDS, body=b"2345")


def answer_from_part(*fields, method="GET", part=PART):
    """Answer a request with such fields from a stored part."""
    return reply_from_part(Request(method, fields, RequestDirectives()), part, NOW + 10)


@pytest.mark.parametrize(
    ("asked", "body", "content_range"),
    [
        pytest.param(b"bytes=2-5", b"2345", b"bytes 2-5/9", id="all-of-it"),
        pytest.param(b"bytes=3-4", b"34", b"bytes 3-4/9", id="within-it"),
        pytest.param(b"bytes=2-2", b"2", b"bytes 2-2/9", id="its-first-byte"),
    ],
)
def test_a_part_answers_what_lies_within_it(asked, body, content_range):
    """A stored part can be cut as the whole can (RFC 9111, section 3.3)."""
    sent = answer_from_part((b"range", asked), (b"if-range", b'"a"'))
    assert sent == Reply(
        206,
        (PART_FIELDS[0], (b"content-range", content_range), (b"content-length", b"%d" % len(body))),
        body,
    )


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        pytest.param([], "GET", id="the-whole"),
        pytest.param([(b"range", b"bytes=1-3")], "GET", id="from-before-it"),
        pytest.param([(b"range", b"bytes=4-6")], "GET", id="beyond-it"),
        pytest.param([(b"range", b"bytes=9-")], "GET", id="beyond-the-whole"),
        pytest.param([(b"range", b"bytes=2-2,4-4")], "GET", id="two-parts-of-it"),
        pytest.param([(b"range", b"bytes=2-5"), (b"if-range", b'"b"')], "GET", id="of-another-one"),
        pytest.param([(b"range", b"bytes=2-5")], "HEAD", id="head"),
    ],
)
def test_a_part_answers_nothing_else(fields, method):
    """What a stored part does not hold the app must send."""
    assert answer_from_part(*fields, method=method) is None


def test_what_is_no_part_answers_nothing():
    """Without the place of a part in the whole there is nothing to cut from."""
    assert answer_from_part((b"range", b"bytes=2-5"), part=replace(PART, fields=())) is None


def test_a_condition_comes_before_a_part():
    """A client that has this version is told so, whatever part it asks for (section 13.2.2)."""
    sent = answer_from_part((b"range", b"bytes=2-5"), SAME_TAG)
    assert sent == Reply(304, PART_FIELDS[:1], b"")
    assert answer_from_part((b"range", b"bytes=2-5"), OTHER_TAG).status == 206


NAMES = [b"range", b"if-range", b"if-none-match", b"if-modified-since", b"x-a"]
VALUES = [b'"a"', b'W/"a"', b'"b"', b"*", MODIFIED, format_date(NOW), b"bytes=0-1", b"bytes=0-0,2-"]


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.binary(max_size=9))),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from([200, 203, 301, 404]),
)
def test_nothing_is_made_up(fields, method, status):
    """Whatever is asked, the answer is the stored one, a part of it, or none of its body."""
    sent = answer(*fields, method=method, status=status)
    if sent.status == status:
        assert sent == Reply(status, FIELDS, b"" if method == "HEAD" else b"hello")
    else:
        assert status == 200
        assert method != "POST"
        assert sent.status in {206, 304, 416}
        assert sent.status == 206 or sent.body == b""
        assert dict(sent.fields).get(b"content-length", b"%d" % len(sent.body)) == b"%d" % len(
            sent.body
        )
