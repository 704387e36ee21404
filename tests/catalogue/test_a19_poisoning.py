"""Catalogue A, lines 19-27: poisoning."""

from __future__ import annotations

import pytest

from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio
OPTIONS = pytest.mark.parametrize(
    "options",
    [{}, {"rules": {"/**": 60}}, {"rules": {"/**": {"ttl": 60, "public": True}}}],
    ids=["unruled", "ruled", "public"],
)


def reflecting(*names):
    def answer(scope):
        fields = dict(scope["headers"])
        return Response(
            repr([fields.get(n.encode()) for n in names]).encode(), {"Cache-Control": "max-age=60"}
        )

    return App(answer)


@OPTIONS
@pytest.mark.parametrize(
    "name",
    [
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-prefix",
        "x-forwarded-port",
        "x-forwarded-server",
        "x-forwarded-scheme",
        "x-forwarded-ssl",
        "x-host",
        "x-original-host",
        "x-forwarded-uri",
        "x-forwarded-path",
        "x-script-name",
        "x-url-scheme",
        "front-end-https",
    ],
)
async def test_a19_fields_that_urls_are_built_from(cached, name, options):
    cache = cached(reflecting(name), **options)
    await ask(cache, fields={name: "evil"})
    assert (await ask(cache)).body == b"[None]"


@OPTIONS
@pytest.mark.parametrize(
    "name",
    [
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-uri",
        "x-override-url",
        "x-wap-profile",
    ][:5],
)
async def test_a20_override_fields(cached, name, options):
    cache = cached(reflecting(name), **options)
    await ask(cache, fields={name: "evil"})
    assert (await ask(cache)).body == b"[None]"


@OPTIONS
@pytest.mark.parametrize(
    "fields", [{}, {"Content-Length": "4"}, {"Transfer-Encoding": "chunked"}], ids=str
)
async def test_a21_a_get_with_a_body(cached, options, fields):
    """HTTP/2 needs neither Content-Length nor Transfer-Encoding: the body itself tells."""

    async def app(scope, receive, send):
        body = (await receive())["body"]
        await Response(body or b"clean", {"Cache-Control": "max-age=60"}).send_to(scope, send)

    cache = cached(app, **options)
    await ask(cache, fields=fields, body=b"evil", http_version="2")
    assert (await ask(cache)).body == b"clean"


@OPTIONS
async def test_a22_reflected_origin(cached, options):
    def answer(scope):
        origin = dict(scope["headers"]).get(b"origin", b"").decode()
        fields = {"Cache-Control": "public, max-age=60"}
        return Response(
            fields={**fields, "Access-Control-Allow-Origin": origin} if origin else fields
        )

    cache = cached(App(answer), **options)
    await ask(cache, fields={"Origin": "https://evil"})
    assert "access-control-allow-origin" not in await ask(cache)


@OPTIONS
@pytest.mark.parametrize(
    "range_", ["bytes=0-1", "bytes=9-", "bytes=-1", "bytes=0-0,2-2", "x=1", "bytes=99-"]
)
async def test_a24_range_then_get(cached, options, range_):
    body = b"0123456789"

    def answer(scope):
        asked = dict(scope["headers"]).get(b"range")
        base = {"Cache-Control": "max-age=60", "ETag": '"1"'}
        if asked == b"bytes=0-1":
            return Response(b"01", {**base, "Content-Range": "bytes 0-1/10"}, status=206)
        if asked == b"bytes=9-":
            return Response(b"9", {**base, "Content-Range": "bytes 9-9/10"}, status=206)
        if asked == b"bytes=99-":
            return Response(b"", {**base, "Content-Range": "bytes */10"}, status=416)
        return Response(body, base)

    cache = cached(App(answer), **options)
    await ask(cache, fields={"Range": range_})
    full = await ask(cache)
    assert (full.status, full.body) == (200, body)


@OPTIONS
@pytest.mark.parametrize("status", [400, 403, 412, 413, 416, 417, 431, 500, 503])
async def test_a25_errors_with_a_blanket_cache_control(cached, status, options):
    """A middleware that puts max-age on everything does not make an error everybody's."""
    app = App(
        Response(b"error", {"Cache-Control": "max-age=60"}, status=status),
        Response(b"ok", {"Cache-Control": "max-age=60"}),
    )
    cache = cached(app, **options)
    await ask(cache, fields={"X-Oversized": "x" * 100})
    assert (await ask(cache)).body == b"ok"


@OPTIONS
async def test_a26_hop_by_hop(cached, options):
    app = App(
        Response(
            fields=[
                ("Connection", "X-Secret, close"),
                ("X-Secret", "s"),
                ("Keep-Alive", "1"),
                ("Proxy-Authenticate", "x"),
                ("Upgrade", "h2c"),
                ("Cache-Control", "max-age=60"),
            ]
        )
    )
    cache = cached(app, **options)
    await ask(cache)
    hit = await ask(cache)
    assert not {"x-secret", "connection", "keep-alive", "upgrade", "proxy-authenticate"} & {
        n.lower() for n, _ in hit.fields
    }


@OPTIONS
@pytest.mark.parametrize(
    "field",
    [
        ("X", "a\r\nb"),
        ("X", "a\nb"),
        ("X", "a\0b"),
        ("X Y", "a"),
        ("", "a"),
        ("X:", "a"),
        ("X\r\n", "b"),
    ],
    ids=ascii,
)
async def test_a27_line_breaks(cached, options, field):
    app = App(Response(fields=[field, ("Cache-Control", "max-age=60")]))
    cache = cached(app, **options)
    await ask(cache)
    await ask(cache)
    assert app.runs == 2


@OPTIONS
async def test_a23_no_extension_magic(cached, options):
    app = App()
    cache = cached(app)
    for path in ("/me/x.css", "/me;x.css", "/me%00.css"):
        await ask(cache, path, {"Cookie": "alice"})
        assert "hit" not in (await ask(cache, path)).cache_status


async def test_only_if_cached_never_runs_the_app(cached):
    app = App()
    cache = cached(app, rules={"/**": 60})
    for extra in ({}, {"If-Match": '"1"'}, {"X-Original-URL": "/"}):
        answer = await ask(cache, fields={"Cache-Control": "only-if-cached", **extra})
        assert answer.status == 504
    answer = await ask(cache, fields={"Cache-Control": "only-if-cached, no-store"})
    assert (answer.status, app.runs) == (504, 0)


@OPTIONS
async def test_a24_head_then_get(cached, options):
    """Nothing that was made for HEAD is sent to GET, whether or not the app sends a body."""
    bodies = {"HEAD": b"", "GET": b"whole"}
    app = App(lambda scope: Response(bodies[scope["method"]], {"Cache-Control": "max-age=60"}))
    cache = cached(app, **options)
    for method in ("HEAD", "GET", "HEAD", "GET"):
        assert (await ask(cache, method=method)).body == bodies[method]
