"""Parts of a stored body are exactly what was asked for, or the whole is sent."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.fields import format_date, is_token
from asgi_cache.policy.ranges import (
    PartialContent,
    boundary_for,
    if_range_permits,
    parse_content_range,
    parse_ranges,
    partial_response,
    subpart,
)

BODY = b"0123456789"
DATE = 1_700_000_000.0
MODIFIED = format_date(DATE - 1)
FIELDS = (
    (b"content-type", b"text/plain"),
    (b"content-length", b"10"),
    (b"content-digest", b"sha-256=:AA==:"),
    (b"repr-digest", b"sha-256=:AA==:"),
    (b"etag", b'"a"'),
    (b"cache-control", b"max-age=60"),
    (b"cdn-cache-control", b"max-age=600"),
    (b"x-page", b"1"),
    (b"x-page", b"2"),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"bytes=0-0", [(0, 1)], id="first-byte"),
        pytest.param(b"bytes=2-5", [(2, 6)], id="both-ends"),
        pytest.param(b"bytes=2-", [(2, 10)], id="to-the-end"),
        pytest.param(b"bytes=-3", [(7, 10)], id="suffix"),
        pytest.param(b"bytes=-10", [(0, 10)], id="suffix-of-everything"),
        pytest.param(b"bytes=-99", [(0, 10)], id="suffix-too-long"),
        pytest.param(b"bytes=9-", [(9, 10)], id="last-byte"),
        pytest.param(b"bytes=5-99", [(5, 10)], id="end-beyond"),
        pytest.param(b"bytes=5-" + b"9" * 600, [(5, 10)], id="end-far-beyond"),
        pytest.param(b"bytes=0000002-00005", [(2, 6)], id="leading-zeros"),
        pytest.param(b"BYTES=2-5", [(2, 6)], id="any-case"),
        pytest.param(b"bytes= 0-1 ,\t4-5,, -1,", [(0, 2), (4, 6), (9, 10)], id="list"),
        pytest.param(b"bytes=8-9,0-1", [(8, 10), (0, 2)], id="in-the-order-asked"),
        pytest.param(b"bytes=0-4,5-9", [(0, 5), (5, 10)], id="adjacent"),
        pytest.param(b"bytes=99-,0-1", [(0, 2)], id="one-of-two-satisfiable"),
        pytest.param(b"bytes=10-", [], id="start-beyond"),
        pytest.param(b"bytes=10-10,99-", [], id="all-beyond"),
        pytest.param(b"bytes=" + b"9" * 600 + b"-", [], id="start-far-beyond"),
        pytest.param(b"bytes=-0", [], id="empty-suffix"),
    ],
)
def test_ranges_are_read(value: bytes, expected: list[tuple[int, int]]) -> None:
    """A range is within the body and in the order asked for; what is beyond it is left out."""
    assert parse_ranges(value, len(BODY)) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"bytes", id="no-equals"),
        pytest.param(b"bytes=", id="no-ranges"),
        pytest.param(b"bytes=,", id="empty-members"),
        pytest.param(b"bytes=-", id="no-ends"),
        pytest.param(b"bytes=5", id="no-dash"),
        pytest.param(b"bytes=5-2", id="backwards"),
        pytest.param(b"bytes=99-98", id="backwards-beyond"),
        pytest.param(b"bytes=0-1,5-2", id="one-of-two-backwards"),
        pytest.param(b"bytes=--1", id="two-dashes"),
        pytest.param(b"bytes=+0-1", id="sign"),
        pytest.param(b"bytes=0 - 1", id="space"),
        pytest.param(b"bytes=a-b", id="letters"),
        pytest.param(b"bytes=0_0-1", id="underscore"),
        pytest.param(b"bytes=\xb2-", id="superscript"),
        pytest.param("bytes=\u0660-\u0661".encode(), id="digits-of-another-script"),
        pytest.param(b"bytes =0-1", id="space-after-the-unit"),
        pytest.param(b"seconds=0-1", id="another-unit"),
        pytest.param(b"bytes=0-1;bytes=2-3", id="semicolon"),
        pytest.param(b"bytes=0-5,5-9", id="overlap"),
        pytest.param(b"bytes=0-,0-", id="the-same-twice"),
        pytest.param(b"bytes=8-9,0-1,-2", id="overlap-out-of-order"),
        pytest.param(b"bytes=" + b"9-," * 17, id="many"),
        pytest.param(b"bytes=" + b"9" * 2**20 + b"-", id="a-megabyte-of-digits"),
    ],
)
def test_what_is_not_worth_it_is_ignored(value: bytes) -> None:
    """A field that is malformed, or made to be expensive, gets the whole body."""
    assert parse_ranges(value, len(BODY)) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            b"bytes=" + b",".join(b"%d-%d" % (2 * n, 2 * n) for n in range(16)), 16, id="16"
        ),
        pytest.param(
            b"bytes=" + b",".join(b"%d-%d" % (2 * n, 2 * n) for n in range(17)), None, id="17"
        ),
    ],
)
def test_so_many_ranges_and_no_more(value: bytes, expected: int | None) -> None:
    """A client may ask for several ranges, but not for any number of them."""
    ranges = parse_ranges(value, 100)
    assert (ranges and len(ranges)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"bytes=0-", [], id="from-the-start"),
        pytest.param(b"bytes=-0", [], id="empty-suffix"),
        pytest.param(b"bytes=-5", None, id="suffix"),
    ],
)
def test_an_empty_body_has_no_ranges(value: bytes, expected: list[tuple[int, int]] | None) -> None:
    """A suffix of nothing can be satisfied, but only by the whole response."""
    assert parse_ranges(value, 0) == expected


RANGE_TEXT = st.lists(st.sampled_from([b"bytes=", b"-", b",", b" ", b"0", b"1", b"7", b"12"])).map(
    lambda parts: b"bytes=" + b"".join(parts)
)


@given(st.binary() | RANGE_TEXT, st.integers(0, 20))
def test_ranges_are_always_within_the_body(value: bytes, length: int) -> None:
    """Whatever is asked for, no range is empty, none is beyond the body and none overlap."""
    ranges = parse_ranges(value, length) or []
    assert all(0 <= start < stop <= length for start, stop in ranges)
    covered = [position for bounds in ranges for position in range(*bounds)]
    assert len(covered) == len(set(covered))


@pytest.mark.parametrize(
    ("value", "etag", "last_modified", "expected"),
    [
        pytest.param(None, None, None, True, id="unconditional"),
        pytest.param(b'"a"', b'"a"', None, True, id="same-tag"),
        pytest.param(b'"a"', b'"b"', None, False, id="another-tag"),
        pytest.param(b'"a"', None, MODIFIED, False, id="no-tag"),
        pytest.param(b'W/"a"', b'W/"a"', None, False, id="weak"),
        pytest.param(b'"a"', b'W/"a"', None, False, id="stored-weak"),
        pytest.param(b'W/"a"', b'"a"', None, False, id="asked-weak"),
        pytest.param(b'"a", "b"', b'"a", "b"', None, False, id="no-entity-tag"),
        pytest.param(b'"', b'"', None, False, id="half-an-entity-tag"),
        pytest.param(b"a", b"a", None, False, id="unquoted"),
        pytest.param(b"", b"", b"", False, id="empty"),
        pytest.param(MODIFIED, b'"a"', MODIFIED, True, id="same-date"),
        pytest.param(format_date(DATE - 2), None, MODIFIED, False, id="earlier-date"),
        pytest.param(format_date(DATE), None, MODIFIED, False, id="later-date"),
        pytest.param(MODIFIED, b'"a"', None, False, id="no-date"),
        pytest.param(b"yesterday", None, b"yesterday", False, id="not-a-date"),
        pytest.param(b"yesterday", None, MODIFIED, False, id="date-asked-is-none"),
        pytest.param(format_date(DATE), None, format_date(DATE), False, id="modified-just-now"),
    ],
)
def test_if_range_needs_a_strong_match(
    value: bytes | None, etag: bytes | None, last_modified: bytes | None, expected: bool
) -> None:
    """Parts of two different bodies are never put together: only a strong validator will do."""
    assert if_range_permits(value, etag, last_modified, DATE, DATE + 60) is expected


@given(st.binary(), st.binary() | st.none(), st.binary() | st.none())
def test_no_bytes_make_if_range_fail(
    value: bytes, etag: bytes | None, last_modified: bytes | None
) -> None:
    """Bytes that are neither an entity tag nor a date permit nothing."""
    permitted = if_range_permits(value, etag, last_modified, DATE, DATE)
    assert not permitted or value == etag


def test_one_range_is_sent_as_it_is() -> None:
    """A single range has its place and its length, and everything that is true of the whole."""
    assert partial_response(FIELDS, BODY, [(2, 6)], b"x") == PartialContent(
        206,
        (
            (b"content-type", b"text/plain"),
            (b"repr-digest", b"sha-256=:AA==:"),
            (b"etag", b'"a"'),
            (b"cache-control", b"max-age=60"),
            (b"cdn-cache-control", b"max-age=600"),
            (b"x-page", b"1"),
            (b"x-page", b"2"),
            (b"content-range", b"bytes 2-5/10"),
            (b"content-length", b"4"),
        ),
        b"2345",
    )


def test_several_ranges_are_sent_in_parts() -> None:
    """Each part says what it is and where it belongs; the response as a whole says neither."""
    answer = partial_response(FIELDS, BODY, [(8, 10), (0, 2)], b"x")
    assert answer.status == 206
    assert answer.body == (
        b"--x\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n"
        b"--x\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n"
        b"--x--\r\n"
    )
    assert answer.fields == (
        *((name, value) for name, value in FIELDS if not name.startswith(b"content-")),
        (b"content-type", b"multipart/byteranges; boundary=x"),
        (b"content-length", b"%d" % len(answer.body)),
    )


def test_parts_of_an_unknown_type_have_none() -> None:
    """A type that the app did not state is not made up."""
    answer = partial_response((), BODY, [(0, 1), (2, 3)], b"x")
    assert b"Content-Type" not in answer.body


def test_no_range_to_satisfy_is_refused() -> None:
    """A 416 tells the length, describes no content, and is not to be kept downstream."""
    assert partial_response(FIELDS, BODY, [], b"x") == PartialContent(
        416,
        (
            (b"x-page", b"1"),
            (b"x-page", b"2"),
            (b"content-range", b"bytes */10"),
            (b"content-length", b"0"),
        ),
        b"",
    )


BOUNDS = st.lists(st.integers(0, 40), min_size=4, max_size=12, unique=True).map(
    lambda cuts: list(zip(*[iter(sorted(cuts))] * 2, strict=False))
)


@given(st.binary(min_size=41), BOUNDS)
def test_parts_are_slices_of_the_body(body: bytes, ranges: list[tuple[int, int]]) -> None:
    """A client that takes a multipart response apart finds the very bytes it asked for."""
    answer = partial_response(FIELDS, body, ranges, boundary_for(body))
    head = b"content-type: " + dict(answer.fields)[b"content-type"] + b"\r\n\r\n"
    assert answer.body.count(b"--" + boundary_for(body)) == len(ranges) + 1
    message = message_from_bytes(head + answer.body, policy=policy.HTTP)
    assert len(list(message.iter_parts())) == len(ranges)
    parts = answer.body.split(b"--" + boundary_for(body))[1:-1]
    contents = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
    assert contents == [body[start:stop] for start, stop in ranges]


@given(st.binary())
def test_a_boundary_does_not_occur_in_the_body(body: bytes) -> None:
    """The boundary depends on every byte of the body, and on nothing else."""
    boundary = boundary_for(body)
    assert boundary not in body
    assert boundary == boundary_for(bytes(bytearray(body)))
    assert boundary != boundary_for(body + boundary)
    assert is_token(boundary)
    assert len(boundary) <= 70


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"bytes 2-5/9", (2, 6, 9), id="in-the-middle"),
        pytest.param(b"Bytes 0-8/9", (0, 9, 9), id="all-of-it"),
        pytest.param(b"bytes 2-9/9", None, id="past-the-end"),
        pytest.param(b"bytes 5-2/9", None, id="backwards"),
        pytest.param(b"bytes 2-5/*", None, id="of-unknown-length"),
        pytest.param(b"bytes */9", None, id="unsatisfied"),
        pytest.param(b"lines 2-5/9", None, id="another-unit"),
        pytest.param(b"bytes 2-5/9, bytes 0-1/9", None, id="two-lines"),
        pytest.param(b"bytes 0-1/" + b"9" * 1000, None, id="absurd"),
        pytest.param(b"", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_content_range(value, expected):
    """A part is placed only if it says where it stands in how much (section 14.4)."""
    assert parse_content_range(value) == expected


@given(st.integers(0, 9), st.integers(1, 10), st.integers(0, 9), st.integers(1, 10))
def test_a_subpart_is_what_the_whole_would_give(start, size, first, length):
    """Out of a stored part come the same bytes as out of the whole, or nothing."""
    part = (start, min(start + size, 10), 10)
    wanted = (first, min(first + length, 10))
    held = BODY[part[0] : part[1]]
    answer = subpart((*FIELDS, (b"content-range", b"old")), held, part, [wanted])
    if part[0] <= wanted[0] and wanted[1] <= part[1]:
        assert answer == partial_response(FIELDS, BODY, [wanted], b"")
    else:
        assert answer is None


@pytest.mark.parametrize("wanted", [[], [(2, 3), (4, 5)]])
def test_a_part_answers_one_range_only(wanted):
    """None that can be satisfied, or several: the app knows better."""
    assert subpart(FIELDS, BODY, (0, 10, 10), wanted) is None
