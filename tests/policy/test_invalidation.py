"""A write voids its own URL and those it points to, and nobody else's."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_cache.policy.invalidation import (
    SAFE_METHODS,
    is_successful,
    pointed_to,
    same_origin,
)

URL = "http://host/tasks/42?a=1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(199, False), (200, True), (204, True), (303, True), (399, True), (400, False), (500, False)],
)
def test_only_a_success_invalidates(status, expected):
    """A request that failed has changed nothing (RFC 9111, section 4.4)."""
    assert is_successful(status) is expected


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL", "get", "UNKNOWN"])
def test_methods_not_known_to_be_safe_invalidate(method):
    """A method whose safety is unknown counts as unsafe (RFC 9111, section 4.4)."""
    assert method not in SAFE_METHODS


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param(b"/tasks", "http://host/tasks", id="path"),
        pytest.param(b"43", "http://host/tasks/43", id="relative-path"),
        pytest.param(b"../users", "http://host/users", id="dot-segments"),
        pytest.param(b"?a=2", "http://host/tasks/42?a=2", id="query"),
        pytest.param(b"", URL, id="empty"),
        pytest.param(b"#top", URL, id="fragment"),
        pytest.param(b"/tasks#top", "http://host/tasks", id="path-without-its-fragment"),
        pytest.param(b"http://host/tasks", "http://host/tasks", id="absolute"),
        pytest.param(b"//host/tasks", "http://host/tasks", id="no-scheme"),
        pytest.param(b"http://host", "http://host/", id="no-path"),
        pytest.param(b"http://host?a=1", "http://host/?a=1", id="no-path-but-a-query"),
        pytest.param(b"HTTP://HOST/tasks", "http://host/tasks", id="upper-case"),
        pytest.param(b"http://host:80/tasks", "http://host/tasks", id="default-port"),
        pytest.param(b"http://host:/tasks", "http://host/tasks", id="empty-port"),
        pytest.param(b"http://me@host/tasks", "http://host/tasks", id="user-name"),
        pytest.param(b"/t\xe4sks", "http://host/t\xe4sks", id="not-ascii"),
        pytest.param(b"https://host/tasks", None, id="another-scheme"),
        pytest.param(b"http://other/tasks", None, id="another-host"),
        pytest.param(b"http://host:81/tasks", None, id="another-port"),
        pytest.param(b"http://host:443/tasks", None, id="another-scheme's-port"),
        pytest.param(b"//other/tasks", None, id="another-host-without-scheme"),
        pytest.param(b"http://host@other/tasks", None, id="host-as-user-name"),
        pytest.param(b"http://host.other/tasks", None, id="host-as-prefix"),
        pytest.param(b"mailto:me@host", None, id="no-host"),
        pytest.param(b"http://[host/", None, id="unclosed-bracket"),
        pytest.param(b"http://host:port/", None, id="port-that-is-none"),
        pytest.param(b"http://host:99999/", None, id="port-too-high"),
    ],
)
def test_same_origin(reference, expected):
    """A reference is resolved and its origin spelled as the request's was, or it is refused."""
    assert same_origin(URL, reference) == expected


@pytest.mark.parametrize(
    ("url", "reference", "expected"),
    [
        pytest.param("https://h/a", b"https://h:443/b", "https://h/b", id="default-port-of-https"),
        pytest.param("http://h:80/a", b"http://h/b", "http://h:80/b", id="default-port-in-ours"),
        pytest.param("http://h:8000/a", b"/b", "http://h:8000/b", id="port"),
        pytest.param("http://[::1]:80/a", b"//[::1]/b", "http://[::1]:80/b", id="ipv6"),
        pytest.param("http://h:8000/a", b"http://h/b", None, id="default-port-is-another"),
        pytest.param("http://h:x/a", b"/b", None, id="our-own-url-is-malformed"),
        pytest.param("http:///a", b"/b", "http:///b", id="no-host-field"),
        pytest.param("http:///a", b"http://h/b", None, id="no-host-field-but-one-referred-to"),
    ],
)
def test_same_origin_as_other_urls(url, reference, expected):
    """Equal URLs come out as equal strings, whichever way an app writes its own origin."""
    assert same_origin(url, reference) == expected


@pytest.mark.parametrize(
    ("fields", "others"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(b"location", b"/tasks")], ["http://host/tasks"], id="location"),
        pytest.param(
            [(b"content-location", b"43")], ["http://host/tasks/43"], id="content-location"
        ),
        pytest.param(
            [(b"content-location", b"/b"), (b"x-location", b"/c"), (b"location", b"/a")],
            ["http://host/a", "http://host/b"],
            id="both",
        ),
        pytest.param(
            [(b"location", b"/a"), (b"location", b"/b")],
            ["http://host/a", "http://host/b"],
            id="two-lines",
        ),
        pytest.param([(b"location", b"?a=1")], [], id="itself"),
        pytest.param([(b"location", b"http://other/a")], [], id="another-origin"),
        pytest.param([(b"location", b"http://[")], [], id="malformed"),
    ],
)
def test_pointed_to(fields, others):
    """The request's own URL is first, then what the response points to on the same origin."""
    assert list(pointed_to(URL, fields)) == others


PIECES = [
    b"http:",
    b"https:",
    b"//",
    b"/",
    b"host",
    b"other",
    b":80",
    b"@",
    b"?",
    b"#",
    b"..",
    b"[",
]


@given(st.lists(st.sampled_from(PIECES)).map(b"".join) | st.binary())
def test_no_reference_leaves_the_origin(reference):
    """Whatever a response points to, no other origin's URL is ever invalidated, and none raises."""
    for url in pointed_to(URL, [(b"location", reference)]):
        split = urlsplit(url)
        assert (split.scheme, split.netloc, split.fragment) == ("http", "host", "")
        assert split.path.startswith("/")
