"""Who may use the admin API, and what its answers tell browsers and caches."""

from __future__ import annotations

import logging

import pytest
from starlette.authentication import UnauthenticatedUser
from starlette.exceptions import HTTPException
from starlette.responses import Response

from asgi_cache import Cache, ConfigurationError
from tests.admin.conftest import TOKEN

pytestmark = pytest.mark.anyio

PATHS = ["/stats", "/rules", "/entries", "/purges", "/breaker", "/events", "/openapi.json"]
POSTS = ["/purge", "/warm", "/explain", "/breaker"]


@pytest.mark.parametrize(
    "access",
    [
        {},
        {"token": ""},
        {"token": "fifteen-letters"},
        {"token": "sixteen letters!"},
        {"token": "sixteen-letters\n"},
        {"token": "größer-als-sechzehn"},
        {"token": 1234567890123456},
        {"token": TOKEN, "guard": lambda request: True},
        {"guard": "guard"},
    ],
)
def test_what_tells_nobody_apart_is_refused(access):
    """An admin API that anybody could use is not made."""
    with pytest.raises(ConfigurationError, match="admin"):
        Cache().admin(**access)


def test_error_does_not_repeat_the_token():
    """A secret that is too short is one all the same."""
    with pytest.raises(ConfigurationError) as caught:
        Cache().admin(token="hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN],
)
async def test_wrong_token_is_refused(here, path, authorization):
    """Nothing is told to who has no token, or a wrong one."""
    fields = {} if authorization is None else {"authorization": authorization}
    answer = await here.admin(path, fields=fields, token=None)
    assert answer.status == 401
    assert answer["www-authenticate"].startswith("Bearer")
    assert answer.json == {
        "error": "the token is missing or wrong: Authorization: Bearer ...",
        "field": None,
    }


async def test_two_tokens_are_none(here):
    """Of two fields nobody knows which counts."""
    fields = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
    answer = await here.get("/ops/cache/stats", fields)
    assert answer.status == 401


@pytest.mark.parametrize("path", POSTS)
async def test_nothing_is_changed_without_a_token(here, path):
    """The same holds for what would change something."""
    assert (await here.admin(path, said={"everything": True}, token=None)).status == 401


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/nothing", "/nothing", "/stats"])
@pytest.mark.parametrize("token", [TOKEN, None])
async def test_every_answer_is_for_this_request_only(here, path, token):
    """No cache keeps an answer, the one in front least of all, and no page may frame it."""
    for _ in range(2):
        answer = await here.admin(path, token=token)
        assert answer.all("cache-control") == ["no-store"]
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer["content-security-policy"]
        assert "hit" not in answer["cache-status"]
    assert here.cache.store.entries == 0


async def test_requests_count_as_passed(here):
    """Whoever looks at the statistics is not in them, and no POST to here voids anything."""
    await here.admin("/stats")
    await here.admin("/explain", said={"url": "/tasks/1"})
    stats = here.cache.stats()
    assert {route.route: route.results for route in stats.routes} == {"": {"passed": 2}}
    assert (stats.purges, stats.invalidations) == (0, 0)
    assert stats.routes[0].app.count == 0


@pytest.mark.parametrize("wrap", ["around", "added"])
async def test_rule_for_all_paths_does_not_store_it(made, wrap):
    """A rule that covers where it is mounted changes nothing."""
    site = made(wrap=wrap, options={"rules": {"/**": "1h"}})
    first, second = await site.admin("/purges"), await site.admin("/purges")
    assert (first.status, second.status, site.cache.store.entries) == (200, 200, 0)
    assert "hit" not in second["cache-status"]


@pytest.mark.parametrize("mount", ["/a", "/a/b/c", ""])
async def test_it_works_wherever_it_is_mounted(made, mount):
    """Its paths are those below its mount, also below a root path."""
    site = made(mount=mount)
    assert (await site.admin("/stats")).status == 200
    assert (await site.admin("/", token=None)).status == 200
    assert (await site.admin("/static/app.js", token=None)).status == 200
    below = await site.get(
        f"/root{mount}/stats", {"authorization": f"Bearer {TOKEN}"}, root_path="/root"
    )
    assert below.status == 200


async def test_page_is_there_without_a_token(here):
    """The page holds no secret, and asks for the token itself."""
    answer = await here.admin("/", token=None)
    assert (answer.status, answer["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://example.com"}, 200),
        ({"origin": "https://EXAMPLE.com"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://example.com:8080"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[broken"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/purge", "/stats"])
async def test_pages_of_other_sites_are_refused(made, fields, status, path):
    """A browser's credentials do not help a page of another origin."""
    site = made(guard=lambda request: True)
    said = {"tags": ["x"]} if path == "/purge" else None
    assert (await site.admin(path, said=said, fields=fields)).status == status


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_forms_are_refused(here, media_type):
    """What a form of any page can send is no order."""
    answer = await here.admin("/purge", said={"tags": ["x"]}, fields={"content-type": media_type})
    assert (answer.status, here.cache.stats().purges) == (415, 0)


@pytest.mark.parametrize(
    ("said", "status", "who"),
    [(True, 200, "guard"), ("ann", 200, "ann"), (False, 403, ""), (None, 403, ""), ("", 403, "")],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_guard_lets_in_and_names(made, said, status, who, is_async):
    """The app's own word counts, for the page as well, and its name is remembered."""

    async def later(request):
        return said

    site = made(guard=later if is_async else lambda request: said)
    assert (await site.admin("/", token=None)).status == status
    answer = await site.admin("/purge", said={"tags": ["x"]}, token=None)
    assert answer.status == status
    assert [each.by for each in site.cache.observer.recent_purges] == ([who] if who else [])


@pytest.mark.parametrize("said", [UnauthenticatedUser(), Response(status_code=401), 1, object()])
async def test_guard_that_returns_something_else_lets_nobody_in(made, caplog, said):
    """An anonymous user, or a refusal that is returned, is no name, though it counts as true."""
    answer = await made(guard=lambda request: said).admin("/stats")
    assert answer.status == 403
    assert f"neither a name nor True: '{type(said).__name__}'" in caplog.text


async def test_guard_that_fails_lets_nobody_in(made, caplog):
    """Where it cannot be told who asks, nothing is answered but that."""

    def fail(request):
        raise RuntimeError("no session")

    answer = await made(guard=fail).admin("/stats")
    assert (answer.status, answer.json["error"]) == (403, "who asks could not be told")
    assert "no session" in caplog.text


async def test_guard_may_refuse_in_its_own_way(made):
    """An HTTPException of the guard's is the answer."""

    def redirect(request):
        raise HTTPException(401, "log in first", {"www-authenticate": "Session"})

    answer = await made(guard=redirect).admin("/stats")
    assert (answer.status, answer["www-authenticate"]) == (401, "Session")


async def test_refusals_are_logged_but_not_each(here, caplog):
    """Who guesses leaves a trace, and fills no disk with it."""
    for _ in range(50):
        await here.admin("/stats", token="wrong")
    lines = [r.getMessage() for r in caplog.records if r.name == "asgi_cache.admin"]
    assert 1 <= len(lines) < 5
    assert "192.0.2.1" in lines[0]
    assert "wrong" not in caplog.text


async def test_changes_are_logged_with_who_and_whence(here, caplog):
    """The log says who has done what, from where, and never the token."""
    caplog.set_level(logging.INFO, "asgi_cache.admin")
    await here.admin("/purge", said={"tags": ["task:1"], "soft": True})
    await here.admin("/warm", said={"urls": ["http://example.com/tasks/1"]})
    lines = [r.getMessage() for r in caplog.records if r.name == "asgi_cache.admin"]
    assert len(lines) == 2
    assert all(line.startswith("'token' at '192.0.2.1' ") for line in lines)
    assert "'tags': ('task:1',)" in lines[0]
    assert "'http://example.com/tasks/1'" in lines[1]
    assert TOKEN not in caplog.text


async def test_websockets_are_refused(here):
    """There are none here."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await here.cache.admin(token=TOKEN)(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
