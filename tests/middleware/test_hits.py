"""What is answered from the store, and what a stored answer looks like."""

from __future__ import annotations

import pytest

from asgi_cache.responder import CHUNK
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio


async def test_a_second_request_is_answered_without_the_app(cached):
    """A rule's ttl makes a response reusable that says nothing itself."""
    app = App()
    cache = cached(app, rules={"/": "60s"})
    miss, hit = await ask(cache), await ask(cache)
    assert (miss.cache_status, hit.cache_status) == (
        "asgi-cache; fwd=uri-miss; stored",
        "asgi-cache; hit",
    )
    assert (hit.status, hit.body, app.runs) == (200, miss.body, 1)


async def test_ttl_counts_down_and_the_app_is_asked_again(cached, clock):
    """``ttl`` in Cache-Status and ``Age`` tell how long a response has been kept."""
    app = App()
    cache = cached(app, rules={"/": "60s"})
    await ask(cache)
    clock.advance(13)
    hit = await ask(cache)
    assert hit["cache-status"] == "asgi-cache; hit; ttl=47"
    assert hit["age"] == "13"
    clock.advance(47)
    assert (await ask(cache)).cache_status == "asgi-cache; fwd=stale; stored"
    assert app.runs == 2


async def test_without_a_rule_the_apps_own_freshness_counts(cached):
    """The middleware without arguments is a plain RFC 9111 cache."""
    app = App(Response(fields={"Cache-Control": "max-age=60"}))
    cache = cached(app)
    await ask(cache)
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_what_the_app_does_not_mark_is_not_stored_without_a_rule(cached):
    """Adding the middleware to an app that says nothing changes nothing."""
    app = App()
    cache = cached(app)
    answers = [await ask(cache), await ask(cache)]
    assert [a.cache_status for a in answers] == [
        "asgi-cache; fwd=uri-miss; detail=no-freshness"
    ] * 2
    assert app.runs == 2


async def test_the_apps_fields_come_back_in_order_with_repeats(cached):
    """A field that occurs twice occurs twice in the stored answer."""
    fields = [("X-B", "1"), ("X-A", "2"), ("X-B", "3"), ("Link", "</a>"), ("Link", "</b>")]
    cache = cached(App(Response(fields=fields)), rules={"/": 60})
    await ask(cache)
    hit = await ask(cache)
    assert [pair for pair in hit.fields if pair[0].startswith(("x-", "link"))] == [
        (name.lower(), value) for name, value in fields
    ]


async def test_head_is_answered_from_a_stored_get(cached):
    """A response to GET answers HEAD, with its fields and without its body."""
    app = App()
    cache = cached(app, rules={"/": 60})
    await ask(cache)
    head = await ask(cache, method="HEAD")
    assert (head.status, head.body, head["content-length"]) == (200, b"", "5")
    assert (head.cache_status, app.runs) == ("asgi-cache; hit", 1)


async def test_get_after_head_has_a_body(cached):
    """A response to HEAD is never stored as if it were one to GET."""
    app = App()
    cache = cached(app, rules={"/": 60})
    await ask(cache, method="HEAD")
    answer = await ask(cache)
    assert (answer.body, answer.cache_status) == (b"hello", "asgi-cache; fwd=uri-miss; stored")


@pytest.mark.parametrize(
    ("rule", "credentials", "expected"),
    [
        pytest.param(60, {}, "private, max-age=0, must-revalidate", id="validate-each-time"),
        pytest.param(
            {"ttl": 60, "public": True}, {}, "max-age=0, must-revalidate", id="the-same-for-all"
        ),
        pytest.param(
            {"ttl": 60, "client_ttl": 9, "public": True}, {}, "max-age=9", id="for-a-time"
        ),
        pytest.param(
            {"ttl": 60, "client_ttl": 9},
            {"Authorization": "x"},
            "private, max-age=9",
            id="a-user's",
        ),
    ],
)
async def test_clients_are_told_what_the_rule_says(cached, rule, credentials, expected):
    """A response without Cache-Control gets one, on the miss as on the hit."""
    cache = cached(rules={"/": rule})
    answers = [await ask(cache, fields=credentials) for _ in range(2)]
    assert [a["cache-control"] for a in answers] == [expected] * 2


async def test_the_apps_own_cache_control_stands(cached):
    """What the app tells clients is not changed, and its freshness comes before the rule's."""
    cache = cached(App(Response(fields={"Cache-Control": "max-age=5"})), rules={"/": 60})
    answers = [await ask(cache) for _ in range(2)]
    assert [a["cache-control"] for a in answers] == ["max-age=5"] * 2
    assert answers[1]["cache-status"].endswith("hit; ttl=5")


async def test_an_entity_tag_is_made_where_the_app_has_none(cached):
    """Miss and hit carry the same strong tag, so that clients can validate."""
    cache = cached(rules={"/": 60})
    miss, hit = await ask(cache), await ask(cache)
    assert miss["etag"] == hit["etag"]
    assert miss["etag"].startswith('"')


async def test_a_client_that_has_the_response_gets_304(cached):
    """``If-None-Match`` is answered from the store, with the fields a 304 must carry."""
    app = App(Response(fields={"Vary": "Accept", "Content-Type": "text/plain"}))
    cache = cached(app, rules={"/": 60})
    etag = (await ask(cache))["etag"]
    answer = await ask(cache, fields={"If-None-Match": f'"other", W/{etag}'})
    assert (answer.status, answer.body, app.runs) == (304, b"", 1)
    assert (answer["etag"], answer["vary"]) == (etag, "Accept")
    assert "cache-control" in answer
    assert "content-type" not in answer


async def test_a_clients_own_condition_is_answered_after_a_full_fill(cached):
    """The app is asked for the whole response, which is stored; the client gets a 304."""
    app = App(Response(fields={"ETag": '"v1"'}))
    cache = cached(app, rules={"/": 60})
    answer = await ask(cache, fields={"If-None-Match": '"v1"'})
    assert (answer.status, answer.body, app.seen("if-none-match")) == (304, b"", [])
    assert answer.cache_status == "asgi-cache; fwd=uri-miss; fwd-status=200; stored"
    assert (await ask(cache)).body == b"hello"
    assert app.runs == 1


async def test_without_a_rule_a_condition_reaches_the_app(cached):
    """Where nothing is known of a URL, the app answers conditions as it always did."""
    app = App(Response(status=304))
    answer = await ask(cached(app), fields={"If-None-Match": '"v1"'})
    assert (answer.status, app.seen("if-none-match")) == (304, ['"v1"'])


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        pytest.param("bytes=0-1", 206, b"he", "bytes 0-1/5", id="first-bytes"),
        pytest.param("bytes=-2", 206, b"lo", "bytes 3-4/5", id="last-bytes"),
        pytest.param("bytes=3-", 206, b"lo", "bytes 3-4/5", id="from-an-offset"),
        pytest.param("bytes=9-", 416, b"", "bytes */5", id="beyond-the-end"),
    ],
)
async def test_ranges_are_answered_from_the_whole(cached, asked, status, body, content_range):
    """A part of a stored response needs no app."""
    app = App()
    cache = cached(app, rules={"/": 60})
    await ask(cache)
    answer = await ask(cache, fields={"Range": asked})
    assert (answer.status, answer.body, answer["content-range"]) == (status, body, content_range)
    assert app.runs == 1


PART = Response(b"2345", {"Content-Range": "bytes 2-5/9", "Cache-Control": "max-age=60"}, 206)


async def test_a_partial_response_is_never_served_as_the_whole(cached):
    """A part is kept apart from the place of the whole, which it does not displace."""
    app = App(PART, Response())
    cache = cached(app, rules={"/": 60})
    first = await ask(cache, fields={"Range": "bytes=2-5"})
    assert (first.status, first.body) == (206, b"2345")
    for method in ("GET", "HEAD"):
        assert (await ask(cache, method=method)).status == 200
    assert (await ask(cache, fields={"Range": "bytes=2-5"})).body == b"llo"


@pytest.mark.parametrize(
    ("asked", "body", "content_range"),
    [
        pytest.param("bytes=2-5", b"2345", "bytes 2-5/9", id="the-same"),
        pytest.param("bytes=3-4", b"34", "bytes 3-4/9", id="less"),
        pytest.param("bytes=-5", None, None, id="beyond-its-end"),
        pytest.param("bytes=0-3", None, None, id="before-its-start"),
        pytest.param("bytes=2-2,4-4", None, None, id="several"),
    ],
)
async def test_a_stored_part_answers_ranges_within_it(cached, asked, body, content_range):
    """What it does not hold altogether is for the app."""
    app = App(PART, Response(b"app", status=206))
    cache = cached(app)
    await ask(cache, fields={"Range": "bytes=2-5"})
    answer = await ask(cache, fields={"Range": asked})
    if body is None:
        assert (answer.body, app.runs) == (b"app", 2)
    else:
        assert (answer.status, answer.body, answer["content-range"]) == (206, body, content_range)
        assert (answer.cache_status, answer["content-length"]) == (
            "asgi-cache; hit",
            str(len(body)),
        )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"Content-Range": "bytes 2-6/9"}, id="longer-than-it-is"),
        pytest.param({"Content-Range": "bytes 2-5/*"}, id="of-unknown-length"),
        pytest.param({"Content-Range": "bytes 2-5/9", "Vary": "Accept"}, id="one-that-varies"),
        pytest.param({}, id="one-that-does-not-say-which"),
    ],
)
async def test_parts_that_cannot_be_placed_are_not_stored(cached, fields):
    """They are passed on as they are."""
    app = App(Response(b"2345", {"Cache-Control": "max-age=60", **fields}, 206))
    cache = cached(app)
    for _ in range(2):
        assert (await ask(cache, fields={"Range": "bytes=2-5"})).body == b"2345"
    assert app.runs == 2


async def test_a_stale_part_is_not_served(cached, clock):
    """Parts are neither validated nor refreshed: the app answers."""
    app = App(PART)
    cache = cached(app, rules={"/": {"stale_while_revalidate": 60}})
    await ask(cache, fields={"Range": "bytes=2-5"})
    clock.advance(60)
    await ask(cache, fields={"Range": "bytes=2-5"})
    assert app.runs == 2


async def test_a_part_of_another_version_is_not_served(cached):
    """``If-Range`` must name the entity tag of the stored part."""
    app = App(Response(PART.body, {**PART.fields, "ETag": '"v1"'}, 206))
    cache = cached(app)
    for tag in ('"v1"', '"v1"', '"v2"'):
        await ask(cache, fields={"Range": "bytes=2-5", "If-Range": tag})
    assert app.runs == 2


async def test_variants_are_kept_side_by_side(cached):
    """Responses that vary are selected by the fields that ``Vary`` names, and no others."""
    app = App(
        lambda scope: Response(
            dict(scope["headers"]).get(b"accept-language", b"-"), {"Vary": "Accept-Language"}
        )
    )
    cache = cached(app, rules={"/": 60})
    for _ in range(2):
        for language in ("de", "en"):
            answer = await ask(cache, fields={"Accept-Language": language, "X-Other": language})
            assert answer.body == language.encode()
    assert app.runs == 2
    assert (await ask(cache, fields={"Accept-Language": "fr"})).cache_status == (
        "asgi-cache; fwd=vary-miss; stored"
    )


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        pytest.param("no-cache", "asgi-cache; fwd=request; stored", id="no-cache"),
        pytest.param("max-age=0", "asgi-cache; fwd=request; stored", id="max-age-0"),
        pytest.param("min-fresh=61", "asgi-cache; fwd=request; stored", id="min-fresh"),
        pytest.param("no-store", "asgi-cache; fwd=request; detail=no-store", id="no-store"),
        pytest.param("max-age=60", "asgi-cache; hit", id="young-enough"),
        pytest.param("only-if-cached", "asgi-cache; hit", id="only-if-cached"),
    ],
)
async def test_clients_can_demand_another_answer(cached, directive, expected):
    """Request directives mean what RFC 9111, section 5.2.1, says."""
    cache = cached(rules={"/": 60})
    await ask(cache)
    answer = await ask(cache, fields={"Cache-Control": directive})
    assert answer.cache_status == expected


async def test_a_bypass_refreshes_what_is_stored(cached):
    """After ``no-cache`` everybody gets the newer response."""
    cache = cached(App(Response(b"old"), Response(b"new")), rules={"/": 60})
    await ask(cache)
    await ask(cache, fields={"Cache-Control": "no-cache"})
    hit = await ask(cache)
    assert (hit.body, hit.cache_status) == (b"new", "asgi-cache; hit")


async def test_a_rule_can_close_the_bypass(cached):
    """With ``client_bypass`` off, no client makes the app work."""
    app = App()
    cache = cached(app, rules={"/": {"ttl": 60, "client_bypass": False}})
    await ask(cache)
    answer = await ask(cache, fields={"Cache-Control": "no-cache", "Pragma": "no-cache"})
    assert (answer.cache_status, app.runs) == ("asgi-cache; hit", 1)


async def test_only_if_cached_does_not_reach_the_app(cached):
    """Nothing stored means 504 (RFC 9111, section 5.2.1.7)."""
    app = App()
    answer = await ask(cached(app), fields={"Cache-Control": "only-if-cached"})
    assert (answer.status, app.runs) == (504, 0)


async def test_post_is_answered_from_the_store_only_where_a_rule_names_it(cached):
    """The digest of the body is part of the key, and the app still reads the body."""
    bodies = []

    async def app(scope, receive, send):
        message = await receive()
        bodies.append(message["body"])
        await Response(b"for " + message["body"]).send_to(scope, send)

    cache = cached(app, rules={"/": {"ttl": 60, "methods": ["GET", "POST"]}})
    for body in (b"a", b"b", b"a"):
        answer = await ask(cache, method="POST", body=body)
        assert answer.body == b"for " + body
    assert bodies == [b"a", b"b"]


async def test_a_post_that_names_its_own_url_answers_get(cached):
    """Explicit freshness and a Content-Location of its own make a POST response a stored GET's."""
    fields = {"Cache-Control": "max-age=60", "Content-Location": "/thing"}
    app = App(Response(b"made", fields))
    cache = cached(app)
    await ask(cache, "/thing", method="POST", body=b"x")
    answer = await ask(cache, "/thing")
    assert (answer.body, answer.cache_status, app.runs) == (b"made", "asgi-cache; hit", 1)


async def test_parameters_that_do_not_count_do_not_reach_the_app(cached):
    """What is not in the key cannot change the answer."""
    app = App(lambda scope: Response(scope["query_string"]))
    cache = cached(app, rules={"/": {"ttl": 60, "query": ["page"]}})
    answers = [await ask(cache, f"/?page=1&utm={word}") for word in ("a", "b")]
    assert [a.body for a in answers] == [b"page=1"] * 2
    assert app.runs == 1


async def test_the_name_in_cache_status_is_a_setting(cached):
    """The field can carry another name, or be left out."""
    assert (await ask(cached(cache_status_name="edge")))["cache-status"].startswith("edge; ")
    assert "cache-status" not in await ask(cached(cache_status=False))


async def test_an_earlier_caches_status_is_kept(cached):
    """Caches append to the list; the one closest to the origin comes first (RFC 9211)."""
    cache = cached(App(Response(fields={"Cache-Status": "inner; hit"})))
    answer = await ask(cache)
    assert answer.all("cache-status")[0] == "inner; hit"
    assert len(answer.all("cache-status")) == 2


@pytest.mark.parametrize(
    "since", ["Fri, 15 Jan 2027 08:00:00 GMT", "Sun, 06 Nov 2094 08:49:37 GMT"]
)
async def test_without_a_rule_a_date_is_not_answered_by_a_guess(cached, since):
    """Only the app can say whether a response that it does not date has changed."""
    answer = await ask(cached(), fields={"If-Modified-Since": since})
    assert (answer.status, answer.body) == (200, b"hello")


async def test_the_same_bytes_of_another_type_are_another_question(cached):
    """What a POST's body means is part of the key."""
    app = App()
    cache = cached(app, rules={"POST /": 60})
    for content_type in ("text/xml", "application/cbor", "text/xml"):
        answer = await ask(cache, method="POST", body=b"x", fields={"Content-Type": content_type})
    assert (answer.cache_status, app.runs) == ("asgi-cache; hit", 2)


async def test_a_conditional_post_is_for_the_app(cached):
    """``If-None-Match`` can make it fail (RFC 9110, section 13.1.2)."""
    app = App(Response(status=412))
    cache = cached(app, rules={"POST /": 60})
    answer = await ask(cache, method="POST", fields={"If-None-Match": "*"})
    assert (answer.status, app.seen("if-none-match")) == (412, ["*"])


async def test_a_closed_bypass_is_closed_for_no_store_too(cached):
    """The client is answered from the store; nothing new is stored for it."""
    app = App()
    cache = cached(app, rules={"/": {"ttl": 60, "client_bypass": False}})
    await ask(cache, fields={"Cache-Control": "no-store"})
    await ask(cache)
    answer = await ask(cache, fields={"Cache-Control": "no-store"})
    assert (answer.cache_status, app.runs) == ("asgi-cache; hit", 2)


async def test_only_if_cached_holds_for_what_only_the_app_can_answer(cached):
    """The client asked that the app be left alone."""
    app = App()
    fields = {"Cache-Control": "only-if-cached", "If-Match": "*"}
    assert ((await ask(cached(app), fields=fields)).status, app.runs) == (504, 0)


async def test_the_app_sees_the_same_query_with_and_without_the_store(cached):
    """What it is given does not depend on how a request goes."""
    app = App()
    cache = cached(app, rules={"/": {"ttl": 60, "query": ["page"]}})
    await ask(cache, "/?page=1&utm=2", fields={"If-Match": "*"})
    assert app.scopes[-1]["query_string"] == b"page=1"


async def test_a_stale_response_is_said_to_be_stale(cached, clock):
    """Whatever the client demands (RFC 9211, section 2.2)."""
    cache = cached(rules={"/": 60})
    await ask(cache)
    clock.advance(61)
    answer = await ask(cache, fields={"Cache-Control": "no-cache"})
    assert answer.cache_status == "asgi-cache; fwd=stale; stored"


@pytest.mark.parametrize("length", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1])
async def test_large_bodies_are_sent_in_parts(cached, length):
    """A stored body of any size is sent whole, and so that others have their turn in between."""
    body = bytes(range(256)) * (length // 256 + 1)
    app = App(Response(body[:length]))
    cache = cached(app, rules={"/": 60})
    await ask(cache)
    for _ in range(2):
        hit = await ask(cache)
        parts = [message["body"] for message in hit.messages[1:]]
        assert hit.body == body[:length]
        assert hit.is_complete
        assert max(map(len, parts)) <= CHUNK
        assert len(parts) == -(-length // CHUNK)
    assert app.runs == 1
    assert (await ask(cache, method="HEAD")).body == b""
