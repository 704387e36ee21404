"""Records to store, and a reader that remembers what it was told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from asgi_cache.policy.message import StoredResponse, Variant, VariantIndex

KEY = bytes(range(16))
OTHER_KEY = bytes(range(16, 32))

RESPONSE = StoredResponse(
    key=KEY,
    status=200,
    fields=(
        (b"content-type", b"text/plain"),
        (b"x-repeated", b"one"),
        (b"x-repeated", b"two"),
        (b"x-empty", b""),
        (b"etag", b'"v1"'),
    ),
    body=b"hello\r\n\x00world",
    stored_at=1_700_000_000.25,
    initial_age=1.5,
    lifetime=60.0,
    added=1,
    stale_while_revalidate=10.0,
    stale_if_error=20.0,
    must_validate=True,
    must_revalidate=False,
    shareable=True,
    etag=b'"v1"',
    etag_is_ours=True,
    last_modified=b"Sun, 06 Nov 1994 08:49:37 GMT",
    cost=0.125,
    tags=("tag:task:7", "tag:größe/2"),
    log=b"\x00\xfflogid\r",
    birth=(1_700_000_000_000 << 24) | 7,
    url="https://example.com/größe?q=%20",
    owner=bytes(range(64, 80)),
)

INDEX = VariantIndex(
    KEY,
    (
        Variant((b"accept", b"accept-language"), b"s" * 16, b"l" * 16),
        Variant((), b"t" * 16),
    ),
)


def response_under(key, **changes):
    """Return a response that is stored under *key*."""
    return replace(RESPONSE, key=key, **changes)


class RecordingReader:
    """A reader of the purge log that writes down all it is told."""

    def __init__(self):
        self.identity = b""
        self.position = 0
        self.restarts = []
        self.purges = []
        self.withheld = ()

    def restart(self, identity, position):
        self.identity = identity
        self.position = position
        self.restarts.append((identity, position))

    def advance(self, purges):
        assert purges, "a reader is not told of nothing"
        for purge in purges:
            assert purge.position > self.position, "in the log's order, and once"
            self.position = purge.position
            self.purges.append(purge)

    def withhold(self, purges):
        self.withheld = tuple(purges)

    @property
    def tags(self):
        """The tags that were purged, entry by entry, without those that purge nothing."""
        return [purge.tags for purge in self.purges if purge.tags]


_seconds = st.floats(min_value=0, max_value=2.0**40)
_short_seconds = st.floats(min_value=0, max_value=2.0**40, width=32)
"""As a record has room for them."""
_names = st.text("abcxyz0189-_!~", min_size=1, max_size=12).map(str.encode)
_values = st.binary(max_size=30).filter(lambda value: not set(value) & set(b"\r\n\0"))
_tags = st.text(min_size=1, max_size=20).filter(str.isprintable)
_fields = st.lists(st.tuples(_names, _values), max_size=6).map(tuple)
_keys = st.binary(min_size=16, max_size=16)

RESPONSE_STRATEGIES = {
    "key": _keys,
    "status": st.integers(200, 599),
    "body": st.binary(max_size=200),
    "stored_at": st.floats(-1e12, 1e12),
    "initial_age": _short_seconds,
    "lifetime": st.floats(-(2.0**40), 2.0**40, width=32),
    "stale_while_revalidate": _seconds,
    "stale_if_error": _seconds,
    "must_validate": st.booleans(),
    "must_revalidate": st.booleans(),
    "shareable": st.booleans(),
    "etag": st.none() | _values,
    "etag_is_ours": st.booleans(),
    "last_modified": st.none() | _values,
    "cost": _short_seconds,
    "tags": st.lists(_tags, max_size=3).map(tuple),
    "log": st.binary(max_size=8),
    "birth": st.integers(0, (1 << 88) - 1),
    "url": st.sampled_from(["", "http://", "https://", "data:", "x:"]).flatmap(
        lambda start: st.text(max_size=20).map(lambda rest: start + rest)
    ),
    "owner": st.just(b"") | st.binary(min_size=16, max_size=16),
}


@st.composite
def responses(draw):
    """Draw any response that may be stored."""
    fields = draw(_fields)
    added = draw(st.integers(0, len(fields)))
    drawn = {name: draw(strategy) for name, strategy in RESPONSE_STRATEGIES.items()}
    return StoredResponse(fields=fields, added=added, **drawn)


variants = st.builds(
    Variant,
    vary=st.lists(_names, max_size=4).map(tuple),
    selector=_keys,
    language_selector=st.none() | _keys,
)
indexes = st.builds(VariantIndex, key=_keys, variants=st.lists(variants, max_size=5).map(tuple))
records = responses() | indexes
