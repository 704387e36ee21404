"""Purging: by hand, by tag, by the rules of routes that write."""

from __future__ import annotations

import anyio
import pytest

from asgi_cache import Cache, cache_tags
from tests.bare import App, Response, ask

pytestmark = pytest.mark.anyio

RULES = {
    "/projects/{project}/tasks/{task}": {
        "ttl": 60,
        "tags": ["task:{task}", "project:{project}/tasks", "page:{query.page}", "of:{user}"],
        "purge": ["task:{task}"],
    },
    "POST /projects/{project}/tasks": {"purge": ["project:{project}"]},
    "/**": 60,
}

TASK = "/projects/7/tasks/42?page=2"


async def is_stored(cache, target, **extra):
    return (await ask(cache, target, **extra)).cache_status == "asgi-cache; hit"


@pytest.fixture
def cache(cached):
    return cached(rules=RULES)


@pytest.mark.parametrize(
    ("selectors", "voided"),
    [
        pytest.param({"tags": "task:42"}, True, id="a-tag"),
        pytest.param({"tags": ["other", "task:42"]}, True, id="one-of-several-tags"),
        pytest.param({"tags": "task:4"}, False, id="another-tag"),
        pytest.param({"tags": "project:7/tasks"}, True, id="a-nested-tag"),
        pytest.param({"tags": "project:7"}, True, id="what-a-tag-is-nested-in"),
        pytest.param({"tags": "project:7/tasks/42"}, False, id="what-is-nested-in-a-tag"),
        pytest.param({"tags": "page:2"}, True, id="a-tag-with-a-parameter"),
        pytest.param({"tags": "*"}, False, id="a-tag-called-everything"),
        pytest.param({"tags": "path:/projects"}, False, id="a-tag-called-as-a-path"),
        pytest.param({"path": "/projects/7/tasks/42"}, True, id="its-path"),
        pytest.param({"path": "/projects/7/"}, True, id="a-prefix-of-its-path"),
        pytest.param({"path": "/"}, True, id="the-root"),
        pytest.param({"path": "/proj"}, False, id="part-of-a-segment"),
        pytest.param({"url": f"http://example.com{TASK}"}, True, id="its-url"),
        pytest.param({"url": f"http://EXAMPLE.com{TASK}"}, True, id="a-host-in-capitals"),
        pytest.param({"url": "http://example.com/projects/7/tasks/42"}, False, id="another-query"),
        pytest.param({"url": f"https://example.com{TASK}"}, False, id="another-scheme"),
        pytest.param({"route": "/projects/{project}/tasks/{task}"}, True, id="its-route"),
        pytest.param({"route": "/**"}, False, id="another-route"),
        pytest.param({"everything": True}, True, id="everything"),
        pytest.param({"user": "ann"}, False, id="a-user"),
    ],
)
async def test_what_a_purge_names_is_void(cache, selectors, voided):
    """Everything else stays."""
    await ask(cache, TASK)
    await cache.cache.purge(**selectors)
    assert await is_stored(cache, TASK) is not voided


@pytest.mark.parametrize(
    ("selectors", "why"),
    [
        pytest.param({}, "purge what", id="nothing"),
        pytest.param({"url": "/projects"}, "not an absolute URL", id="a-path-as-a-url"),
    ],
)
async def test_a_purge_of_nothing_is_refused(cache, selectors, why):
    """A mistake is not a purge of everything, nor of nothing."""
    with pytest.raises(ValueError, match=why):
        await cache.cache.purge(**selectors)


async def test_a_user_is_purged_at_logout(cached):
    """All that is stored for one user, and nothing of another's."""
    cache = cached(rules=RULES, user_id=lambda request: request.headers["x-user"])
    users = [{"X-User": "7"}, {"X-User": "8"}]
    for fields in users:
        await ask(cache, TASK, fields=fields)
    await cache.cache.purge(user=7)
    assert [await is_stored(cache, TASK, fields=fields) for fields in users] == [False, True]
    await cache.cache.purge(tags="of:8")
    assert not await is_stored(cache, TASK, fields=users[1])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_a_write_purges_what_its_routes_rule_names(cache, method):
    """The other representations of the same thing fall with its own URL."""
    await ask(cache, TASK)
    await ask(cache, "/projects/8/tasks/42", method=method)
    assert not await is_stored(cache, TASK)


async def test_a_rule_for_writes_alone(cache):
    """``POST /path`` with ``purge`` says what a creation makes untrue."""
    await ask(cache, TASK)
    await ask(cache, "/projects/8/tasks", method="POST")
    assert await is_stored(cache, TASK)
    await ask(cache, "/projects/7/tasks", method="POST")
    assert not await is_stored(cache, TASK)


async def test_a_failed_write_purges_nothing(cached):
    """What was not changed is still true."""
    cache = cached(App(Response(), Response(status=409)), rules=RULES)
    await ask(cache, TASK)
    await ask(cache, "/projects/8/tasks/42", method="PUT")
    assert await is_stored(cache, TASK)


async def test_the_purge_is_done_before_the_client_hears_of_its_write(cached):
    """A request that is sent as soon as the write was answered is not a hit."""
    cache = cached(App(Response(b"old"), Response(), Response(b"new")), rules=RULES)
    await ask(cache, TASK)
    seen = []

    async def on_message(message):
        if message["type"] == "http.response.start":
            seen.append((await ask(cache, TASK)).body)

    await ask(cache, "/projects/8/tasks/42", method="PUT", on_message=on_message)
    assert seen == [b"new"]


async def test_b09_a_fill_that_a_purge_overtook_is_not_served(cached):
    """It is born before the purge, however late it is stored."""
    gate, started = anyio.Event(), anyio.Event()

    async def slow(scope, receive, send):
        if not runs:
            runs.append(1)
            started.set()
            await gate.wait()
        await Response(b"run %d" % len(runs)).send_to(scope, send)
        runs.append(1)

    runs = []
    cache = cached(slow, rules=RULES)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, cache, TASK)
        await started.wait()
        await cache.cache.purge(tags="task:42")
        gate.set()
    assert (await ask(cache, TASK)).body == b"run 2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("Cache-Tag", "a, article/9", id="cache-tag"),
        pytest.param("Surrogate-Key", "a article/9", id="surrogate-key"),
    ],
)
async def test_the_app_tags_its_responses(cached, name, value):
    """Its fields count, and clients do not see them, on the miss or on the hit."""
    cache = cached(App(Response(fields={name: value})), rules=RULES)
    for tag in ("a", "article", "article/9"):
        answers = [await ask(cache), await ask(cache)]
        assert answers[1].cache_status == "asgi-cache; hit"
        assert not any(name in answer for answer in answers)
        await cache.cache.purge(tags=tag)
        assert not await is_stored(cache, "/")


async def test_tags_go_on_to_another_cache_if_asked_to(cached):
    """``show_tags`` is for a cache in front of this one."""
    cache = cached(App(Response(fields={"Cache-Tag": "a"})), rules=RULES, show_tags=True)
    assert [(await ask(cache))["cache-tag"] for _ in range(2)] == ["a", "a"]


async def test_a_handler_tags_the_response_it_makes(cached):
    """`cache_tags` works where the data is known, in threads too."""

    async def app(scope, receive, send):
        cache_tags("row:1")
        await anyio.to_thread.run_sync(cache_tags, "row:2")
        await Response().send_to(scope, send)

    cache = cached(app, rules=RULES)
    for tag in ("row:1", "row:2"):
        await ask(cache)
        assert await is_stored(cache, "/")
        await cache.cache.purge(tags=tag)
        assert not await is_stored(cache, "/")


def test_tagging_outside_a_request_does_nothing():
    """A handler can be called on its own."""
    cache_tags("row:1")


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(["x" * 1025], id="too-long"),
        pytest.param([f"t{n}" for n in range(129)], id="too-many"),
        pytest.param(["a\nb"], id="a-line-break"),
    ],
)
async def test_what_could_not_be_purged_is_not_stored(cached, tags):
    """Tags beyond the limits are not dropped silently."""

    async def app(scope, receive, send):
        cache_tags(*tags)
        await Response().send_to(scope, send)

    cache = cached(app, rules=RULES)
    for _ in range(2):
        assert (await ask(cache)).cache_status == "asgi-cache; fwd=uri-miss; detail=tags"


async def test_groups_of_one_origin_fall_together(cached):
    """``Cache-Groups`` and ``Cache-Group-Invalidation`` (RFC 9875)."""
    grouped = Response(fields={"Cache-Groups": '"scripts", "all"'})
    write = Response(fields={"Cache-Group-Invalidation": '"scripts"'})
    cache = cached(App(lambda scope: grouped if scope["method"] == "GET" else write), rules=RULES)
    other = {"Host": "other.example"}
    await ask(cache, "/a")
    await ask(cache, "/a", fields=other)
    await ask(cache, "/b", method="POST")
    assert not await is_stored(cache, "/a")
    assert await is_stored(cache, "/a", fields=other)


@pytest.mark.parametrize("value", ['"unclosed', "token", "1", '("inner")'])
async def test_malformed_groups_are_ignored(cached, value):
    """A field that is no list of strings names no group."""
    cache = cached(App(Response(fields={"Cache-Groups": value})), rules=RULES)
    await ask(cache)
    assert await is_stored(cache, "/")


async def test_a_hook_that_fails_does_not_stop_a_write(cached, caplog):
    """The write is answered; what its rule names by user is purged for nobody."""
    rules = {"PUT /a": {"purge": ["of:{user}", "a"]}, "/**": 60}
    cache = cached(rules=rules, user_id=lambda request: request.headers["x-user"])
    assert (await ask(cache, "/a", method="PUT")).status == 200
    assert "KeyError" in caplog.text


async def test_a_cache_without_an_app_purges(cached):
    """A script or a worker needs the settings and nothing else."""
    await Cache(rules=RULES).purge(everything=True)


async def test_all_of_several(cache):
    """``all_of`` names only what all the selectors name."""
    ann = {"Authorization": "ann"}
    for fields in ((), ann):
        await ask(cache, TASK, fields)
    await cache.cache.purge(path="/projects", tags=["task:42", "task:43"], all_of=True)
    assert await is_stored(cache, TASK)
    await cache.cache.purge(path="/projects", tags=["task:42", "page:2"], all_of=True)
    assert not await is_stored(cache, TASK)


async def test_a_soft_purge_lets_stale_be_served_while_it_is_refreshed(cached, clock):
    """Nobody waits, and nobody is told that it is fresh."""
    app = App(Response(b"old"), Response(b"new"))
    cache = cached(app, rules={"/": {"ttl": 600, "stale_while_revalidate": 30}})
    await ask(cache)
    clock.advance(10)
    await cache.cache.purge(path="/", soft=True)
    clock.advance(5)
    stale = await ask(cache)
    assert (stale.body, stale["cache-status"]) == (b"old", "asgi-cache; hit; ttl=-5")
    await cache.cache._services.flights.finish(5)
    assert (await ask(cache)).body == b"new"


async def test_a_soft_purge_without_a_window_asks_the_app(cached, clock):
    """What may not be served stale is made anew, or found to be still good."""
    app = App(Response(b"old", {"ETag": '"a"'}), Response(status=304), Response(b"new"))
    cache = cached(app, rules={"/": 600})
    await ask(cache)
    await cache.cache.purge(path="/", soft=True)
    answer = await ask(cache)
    assert answer.cache_status == "asgi-cache; fwd=stale; fwd-status=304; stored"
    assert app.seen("if-none-match") == ['"a"']
    assert (await ask(cache)).cache_status == "asgi-cache; hit"


async def test_a_fill_that_a_soft_purge_overtook_is_stale(cached):
    """It began with what was there before."""
    begun, go_on = anyio.Event(), anyio.Event()

    async def app(scope, receive, send):
        begun.set()
        await go_on.wait()
        await Response(b"old").send_to(scope, send)

    cache = cached(app, rules={"/": {"ttl": 600, "stale_while_revalidate": 30}})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, cache)
        await begun.wait()
        await cache.cache.purge(path="/", soft=True)
        go_on.set()
    assert "ttl=0" in (await ask(cache))["cache-status"]


async def test_a_fill_that_ends_late_does_not_replace_a_newer_one(cached):
    """What a soft purge overtook is stale at once, and the one begun after it is not."""
    gates = [anyio.Event(), anyio.Event()]
    begun = []

    async def app(scope, receive, send):
        number = len(begun)
        begun.append(number)
        await gates[number].wait()
        await Response([b"old", b"new"][number]).send_to(scope, send)

    cache = cached(app, rules={"/": 600})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, cache)
        await anyio.wait_all_tasks_blocked()
        await cache.cache.purge(path="/", soft=True)
        tasks.start_soon(ask, cache)
        await anyio.wait_all_tasks_blocked()
        gates[1].set()
        await anyio.wait_all_tasks_blocked()
        gates[0].set()
    answer = await ask(cache)
    assert (answer.body, answer.cache_status) == (b"new", "asgi-cache; hit")


async def test_waiting_for_other_processes_where_there_are_none(cache):
    """In one process a purge is known when it is made."""
    await ask(cache, TASK)
    await cache.cache.purge(everything=True, wait=True)
    assert not await is_stored(cache, TASK)


async def test_a_path_is_purged_on_the_host_of_the_settings(cached):
    """``base_url`` is what a path of a URL belongs to."""
    cache = cached(rules=RULES, base_url="http://example.com")
    await ask(cache, TASK)
    await cache.cache.purge(url=TASK)
    assert not await is_stored(cache, TASK)


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        pytest.param({"path": "tasks"}, "path='tasks' is not a path", id="a-path-without-a-slash"),
        pytest.param({"path": "/tasks?page=2"}, "url= takes a query", id="a-path-with-a-query"),
        pytest.param({"tags": ""}, "tags='' names nothing", id="an-empty-tag"),
        pytest.param({"tags": [1]}, "tags=1 names nothing", id="a-tag-that-is-no-string"),
        pytest.param({"user": ""}, "user='' names nothing", id="an-empty-user"),
        pytest.param({"route": "/project"}, "is no rule's pattern", id="an-unknown-route"),
        pytest.param({"url": "/tasks"}, "base_url", id="a-url-without-a-host"),
        pytest.param({"url": "http://h:x/"}, "has a port", id="a-port-that-is-none"),
        pytest.param({"url": "http://h/a b"}, "escaped", id="a-space"),
        pytest.param({}, "purge what", id="nothing"),
    ],
)
async def test_a_purge_that_could_hit_nothing_is_refused(cache, selectors, message):
    """Who purges by mistake what cannot be there must hear of it."""
    with pytest.raises(ValueError, match=message):
        await cache.cache.purge(**selectors)


async def test_urls_of_a_mounted_app(cached):
    """``root_path`` is where the app is mounted; rules and ``path=`` speak of what is below."""
    rules = {"/x": {"ttl": 60, "query": ["page"]}}
    cache = cached(rules=rules, base_url="http://example.com", root_path="/api")
    target = "/api/x?page=1&utm=3"
    for selectors in ({"url": target}, {"path": "/x"}):
        await ask(cache, target, root_path="/api")
        assert await is_stored(cache, target, root_path="/api")
        await cache.cache.purge(**selectors)
        assert not await is_stored(cache, target, root_path="/api")
    await cache.cache.purge(everything=True)
    await cache.cache.warm(target)
    assert await is_stored(cache, target, root_path="/api")


@pytest.mark.anyio
@pytest.mark.parametrize("what", [{"tags": "\ud800"}, {"path": "/\ud800"}])
async def test_a_name_that_is_no_text_is_refused(cached, what):
    """Nothing that is stored can be called so, and no log could take it."""
    with pytest.raises(ValueError, match="not text"):
        await cached(App()).cache.purge(**what)
