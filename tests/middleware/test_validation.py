"""A stale response is asked about before it is served again."""

from __future__ import annotations

import pytest

from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio

SHORT = {"Cache-Control": "max-age=10", "ETag": '"v1"', "X-Old": "1"}


async def test_the_app_is_asked_by_its_own_entity_tag(cached, clock):
    """A 304 renews the stored response: its fields, its lifetime, not its body."""
    renewed = Response(status=304, fields={"Cache-Control": "max-age=20", "X-New": "2"})
    app = App(Response(fields=SHORT), renewed)
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    answer = await ask(cache)
    assert (answer.status, answer.body) == (200, b"hello")
    assert app.seen("if-none-match") == ['"v1"']
    assert answer["cache-status"] == "asgi-cache; fwd=stale; fwd-status=304; ttl=20; stored"
    assert (answer["x-old"], answer["x-new"], answer["age"]) == ("1", "2", "0")
    clock.advance(19)
    assert (await ask(cache))["cache-status"] == "asgi-cache; hit; ttl=1"


async def test_the_app_is_asked_by_last_modified(cached, clock):
    """Where there is no entity tag of the app's, the date will do."""
    modified = "Sun, 06 Nov 1994 08:49:37 GMT"
    app = App(Response(fields={"Last-Modified": modified}), Response(status=304))
    cache = cached(app, rules={"/": 10})
    await ask(cache)
    clock.advance(11)
    assert (await ask(cache)).body == b"hello"
    assert app.seen("if-modified-since") == [modified]
    assert app.seen("if-none-match") == []  # one that the cache made means nothing to the app


@pytest.mark.parametrize("status", [203, 204, 301, 404, 410, 500, 503])
async def test_a_304_says_nothing_of_what_is_no_200(cached, clock, status):
    """An app that works again, with the same validator, is not taken to say that it does not."""
    app = App(Response(b"" if status == 204 else b"odd", SHORT, status), Response(fields=SHORT))
    cache = cached(app, errors="rfc9111")
    await ask(cache)
    clock.advance(11)
    answer = await ask(cache)
    assert app.seen("if-none-match") == []
    assert (answer.status, answer.body, answer.cache_status) == (
        *(200, b"hello"),
        "asgi-cache; fwd=stale; stored",
    )


async def test_clients_are_answered_with_their_own_condition(cached, clock):
    """Validation towards the app and towards the client do not mix."""
    app = App(Response(fields=SHORT), Response(status=304))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    full = await ask(cache, fields={"If-None-Match": '"v0"'})
    assert (full.status, full.body, app.seen("if-none-match")) == (200, b"hello", ['"v1"'])
    assert (await ask(cache, fields={"If-None-Match": '"v1"'})).status == 304


async def test_a_changed_response_replaces_the_stored_one(cached, clock):
    """The app's full answer to a validation is stored."""
    app = App(Response(fields=SHORT), Response(b"new", {**SHORT, "ETag": '"v2"'}))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    assert (await ask(cache)).body == b"new"
    assert ((await ask(cache)).body, app.runs) == (b"new", 2)


async def test_a_304_that_forbids_storing_ends_the_stored_response(cached, clock):
    """The client is answered; the next one is not, from what may no longer be kept."""
    app = App(
        Response(fields=SHORT),
        Response(status=304, fields={"Cache-Control": "no-store"}),
        Response(b"new"),
    )
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    assert (await ask(cache)).body == b"hello"
    assert (await ask(cache)).body == b"new"


async def test_no_cache_from_the_app_means_validation_each_time(cached):
    """Such a response is stored, and served only after the app said it is still good."""
    app = App(Response(fields={"Cache-Control": "no-cache", "ETag": '"v1"'}), Response(status=304))
    cache = cached(app)
    await ask(cache)
    for _ in range(2):
        answer = await ask(cache)
        assert (answer.body, app.seen("if-none-match")) == (b"hello", ['"v1"'])
    assert app.runs == 3


async def test_head_renews_a_stale_response(cached, clock):
    """A HEAD that shows no difference updates what is stored (RFC 9111, section 4.3.5)."""
    app = App(Response(fields=SHORT))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    await ask(cache, method="HEAD")
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"ETag": '"v2"'}, id="another-entity-tag"),
        pytest.param({"Content-Length": "6"}, id="another-length"),
    ],
)
async def test_head_that_shows_a_difference_ends_the_stored_response(cached, clock, changed):
    """What HEAD disagrees with is not served again."""
    app = App(Response(fields=SHORT), Response(fields={**SHORT, **changed}), Response(b"new"))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    await ask(cache, method="HEAD")
    assert (await ask(cache)).body == b"new"


async def test_age_that_came_from_the_app_counts(cached, clock):
    """A response is as old as the caches before us say (RFC 9111, section 4.2.3)."""
    app = App(Response(fields={"Cache-Control": "max-age=60", "Age": "50"}))
    cache = cached(app)
    assert (await ask(cache))["age"] == "50"
    clock.advance(9)
    assert (await ask(cache))["age"] == "59"
    clock.advance(1)
    await ask(cache)
    assert app.runs == 2


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"ETag": '"v2"'}, id="another-entity-tag"),
        pytest.param({"Vary": "Accept"}, id="another-selection"),
    ],
)
async def test_a_304_that_speaks_of_something_else_renews_nothing(cached, clock, fields):
    """The next request asks for the whole response (RFC 9111, section 4.3.4)."""
    app = App(Response(b"old", SHORT), Response(status=304, fields=fields), Response(b"new"))
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    await ask(cache)
    assert (await ask(cache)).body == b"new"


async def test_head_without_validators_renews_nothing(cached, clock):
    """Content that changed may well be as long as it was."""
    app = App(
        Response(b"count: 1", {"Cache-Control": "max-age=10"}),
        Response(b"count: 2", {"Cache-Control": "max-age=10"}),
    )
    cache = cached(app)
    await ask(cache)
    clock.advance(11)
    await ask(cache, method="HEAD")
    assert (await ask(cache)).body == b"count: 2"


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response(b"hello", {"Cache-Control": "private"}), id="not-stored"),
        pytest.param(Response(chunks=(b"hel", b"lo")), id="without-a-length"),
    ],
)
async def test_a_date_where_the_response_has_none(cached, response):
    """A client that asks by date gets all of a response that says nothing of when it changed."""
    cache = cached(App(response), rules={"/": 60})
    since = [("If-Modified-Since", "Fri, 15 Jan 2027 08:00:00 GMT")]
    assert (await ask(cache, "/", since)).body == b"hello"
