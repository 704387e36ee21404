"""Catalogue A, lines 37 and 38: the admin API, and what operators are shown."""

from __future__ import annotations

import json
import logging

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from asgi_cache import Cache, CacheMiddleware, ConfigurationError
from tests.bare import ask

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-tests"
HOSTILE = "x\r\nSet-Cookie: a=b\x1b[31m<script>alert(1)</script>"


async def page(request):
    return Response("page", headers={"Cache-Tag": "<script>"}, media_type="text/plain")


@pytest.fixture
def cached():
    """An app whose cache can be steered."""
    cache = Cache(rules={"/pages/**": {"ttl": 60, "tags": ["{query.q}"]}})
    routes = [Mount("/admin", cache.admin(token=TOKEN)), Route("/pages/{rest:path}", page)]
    return CacheMiddleware(Starlette(routes=routes), cache=cache)


def fields(token=TOKEN, **more):
    return {"authorization": f"Bearer {token}", "content-type": "application/json", **more}


@pytest.mark.parametrize("token", ["", "short", " " * 20, None])
def test_a37_token_that_is_none_is_refused_at_start_up(token):
    """An empty variable in a configuration opens no door."""
    with pytest.raises(ConfigurationError):
        Cache().admin(token=token)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong-token-wrong"},
        fields("wrong-token-wrong"),
        fields(**{"sec-fetch-site": "cross-site"}),
        fields(origin="http://evil.example"),
        fields(**{"content-type": "text/plain"}),
    ],
)
async def test_a37_nothing_is_purged_by_who_may_not(cached, sent):
    """The stored response survives, and no answer of the admin API is stored."""
    await ask(cached, "/pages/1")
    body = b'{"everything": true}'
    answer = await ask(cached, "/admin/purge", sent, method="POST", body=body)
    assert answer.status in {401, 403, 415}
    assert answer["cache-control"] == "no-store"
    assert (await ask(cached, "/pages/1")).cache_status == "asgi-cache; hit"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_a37_only_post_changes_anything(cached, method):
    """A link or an image that somebody is made to load purges nothing."""
    await ask(cached, "/pages/1")
    answer = await ask(cached, "/admin/purge?everything=true", fields(), method=method)
    assert answer.status == 405
    assert (await ask(cached, "/pages/1")).cache_status == "asgi-cache; hit"


async def test_a37_it_is_off_unless_asked_for():
    """A cache alone answers nothing of the kind."""
    app = CacheMiddleware(Starlette(routes=[Route("/pages/{rest:path}", page)]))
    for path in ("/admin/stats", "/cache-admin/stats", "/stats"):
        assert (await ask(app, path, fields())).status == 404


async def test_a38_what_is_purged_is_escaped_in_the_log(cached, caplog):
    """A name with line breaks in it is one line, and paints no terminal."""
    caplog.set_level(logging.INFO)
    said = {"tags": [HOSTILE], "user": HOSTILE}
    await ask(cached, "/admin/purge", fields(), method="POST", body=json.dumps(said).encode())
    lines = [record.getMessage() for record in caplog.records if "asgi_cache" in record.name]
    assert any("Set-Cookie" in line for line in lines)
    assert all(line.isprintable() for line in lines)


async def test_a38_who_and_what_is_warmed_is_escaped_in_the_log(caplog):
    """So is what the guard calls somebody."""
    cache = Cache()
    app = Starlette(routes=[Mount("/admin", cache.admin(guard=lambda request: HOSTILE))])
    caplog.set_level(logging.INFO)
    body = json.dumps({"urls": [HOSTILE]}).encode()
    await ask(CacheMiddleware(app, cache=cache), "/admin/warm", fields(), method="POST", body=body)
    lines = [record.getMessage() for record in caplog.records if "asgi_cache" in record.name]
    assert lines
    assert all(line.isprintable() for line in lines)


async def test_a38_entries_are_json_and_nothing_else(cached):
    """Markup in a tag or a URL is text, in answers that no browser takes for a page."""
    await ask(cached, "/pages/%3Cscript%3E?q=%3Cscript%3E")
    answer = await ask(cached, "/admin/entries", fields())
    assert answer["content-type"] == "application/json"
    assert answer["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer["content-security-policy"]
    (entry,) = json.loads(answer.body)["entries"]
    assert "<script>" in entry["tags"]
