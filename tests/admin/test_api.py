"""What the admin API shows and does, on every kind of store."""

from __future__ import annotations

import base64

import anyio
import pytest

from asgi_cache.admin import endpoints
from asgi_cache.gathering import this_process
from tests.admin.conftest import RULES, TOKEN

pytestmark = pytest.mark.anyio

URL = "http://example.com/tasks/"


async def entries(site, **query):
    """Return all entries, page by page."""
    found, cursor = [], None
    for _ in range(100):
        asked = {**query, **({} if cursor is None else {"cursor": cursor})}
        text = "&".join(f"{name}={value}" for name, value in asked.items())
        answer = await site.admin(f"/entries?{text}")
        assert answer.status == 200, answer.body
        found += answer.json["entries"]
        cursor = answer.json["cursor"]
        if cursor is None:
            return found
    raise AssertionError("a walk comes to its end")


async def filled(site):
    """Have some responses stored."""
    for number in range(5):
        await site.get(f"/tasks/{number}?page={number}")
    await site.get("/mine/notes", {"x-user": "ann"})
    await site.get("/mine/notes", {"x-user": "bob"})
    await landed(site)


async def landed(site):
    """Wait until the store that is walked through has all."""
    writes = getattr(site.cache.store, "_writes", {})
    for key in list(writes):
        await site.cache.store.landed(key)


async def test_stats_are_the_caches_with_what_follows(site):
    """They are what `Cache.stats` says, with totals."""
    await site.get("/tasks/1")
    await site.get("/tasks/1")
    answer = await site.admin("/stats")
    assert answer.json["totals"]["results"] == {"hit": 1, "miss": 1}
    assert answer.json["totals"]["hit_ratio"] == 0.5
    assert {route["route"] for route in answer.json["routes"]} >= {"/tasks/{task_id}"}


async def test_advice_is_the_caches(here):
    """It is what `Cache.advise` says."""
    answer = await here.admin("/advice")
    assert (answer.status, answer.json["routes"]) == (200, [])


async def test_rules_are_listed_in_their_order(here):
    """Each with what it says that is not said by default."""
    answer = await here.admin("/rules")
    rules = answer.json["rules"]
    assert [rule["pattern"] for rule in rules] == list(RULES)
    assert [rule["never"] for rule in rules] == [False, False, True]
    assert rules[0]["stated"] == {"ttl": 300.0, "public": True, "tags": ["task:{task_id}"]}


async def test_entries_say_what_they_are_of(site):
    """Each stored response has its URL, route, tags, age and size."""
    await filled(site)
    found = {each["url"]: each for each in await entries(site)}
    assert {url for url in found if "tasks" in url} == {f"{URL}{n}?page={n}" for n in range(5)}
    entry = found[f"{URL}3?page=3"]
    assert (entry["route"], entry["tags"]) == ("/tasks/{task_id}", ["task:3"])
    assert (entry["status"], entry["size"], entry["valid"]) == (200, len("page /tasks/3"), True)
    assert 290 < entry["ttl"] <= 300
    assert entry["etag"].startswith('"')


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 7),
        ({"limit": 1}, 7),
        ({"limit": 3}, 7),
        ({"prefix": "/tasks/"}, 5),
        ({"prefix": "/tasks/2"}, 1),
        ({"prefix": "http://example.com/mine", "limit": 1}, 2),
        ({"prefix": "http://other"}, 0),
        ({"tag": "task:4"}, 1),
        ({"tag": "task:4", "prefix": "/mine"}, 0),
        ({"tag": "task"}, 0),
    ],
)
async def test_entries_are_found_by_prefix_and_tag(site, query, count):
    """Pages have all that fits, and each once."""
    await filled(site)
    keys = [each["key"] for each in await entries(site, **query)]
    assert len(keys) == len(set(keys)) == count


async def test_values_are_entries_too(site):
    """Values have the URL ``data:KEY``."""
    await site.cache.get_or_set("sum", lambda: 42, ttl=60)
    await landed(site)
    (found,) = await entries(site, prefix="data:")
    assert (found["url"], found["route"], found["valid"]) == ("data:sum", "data", True)
    await site.cache.purge(key="sum")
    (found,) = await entries(site, prefix="data:")
    assert not found["valid"]


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({"tags": ["task:1"]}, 6),
        ({"url": [f"{URL}1?page=1"]}, 6),
        ({"path": ["/tasks"]}, 2),
        ({"route": ["/tasks/{task_id}"]}, 2),
        ({"user": "ann"}, 6),
        ({"everything": True}, 0),
        ({"path": ["/mine"], "tags": ["task:2"]}, 4),
        ({"path": ["/tasks/2"], "tags": ["task:2"], "all_of": True}, 6),
        ({"path": ["/mine"], "tags": ["task:2"], "all_of": True}, 7),
    ],
)
async def test_dry_run_counts_what_the_purge_voids(site, named, left):
    """It says beforehand what will be shown as void afterwards."""
    await filled(site)
    preview = await site.admin("/purge", said={**named, "dry_run": True})
    assert preview.json["matching"] == 7 - left
    assert len(preview.json["sample"]) == 7 - left
    assert (preview.json["purged"], preview.json["complete"]) == (False, True)
    assert all(each["valid"] for each in await entries(site))
    done = await site.admin("/purge", said=named)
    assert (done.json["purged"], done.json["acknowledged"]) == (True, True)
    assert (done.json["matching"], done.json["complete"]) == (None, None)  # nothing was counted
    assert sum(each["valid"] for each in await entries(site)) == left
    again = await site.admin("/purge", said={**named, "dry_run": True})
    assert again.json["matching"] == 0


async def test_soft_purge_is_shown_as_stale(site):
    """What a soft purge names is good, but not fresh."""
    await filled(site)
    await site.admin("/purge", said={"tags": ["task:1"], "soft": True})
    (found,) = await entries(site, tag="task:1")
    assert found["valid"]
    assert found["ttl"] <= 0


async def test_purges_are_remembered_the_newest_first(site):
    """With who ordered them and what was named."""
    await site.cache.purge(tags="a")
    await site.admin("/purge", said={"path": ["/tasks"], "soft": True})
    first, second = (await site.admin("/purges")).json["purges"]
    assert (first["named"], first["soft"], first["by"]) == ({"path": ["/tasks"]}, True, "token")
    assert (second["named"], second["soft"], second["by"]) == ({"tags": ["a"]}, False, "app")
    assert first["acknowledged"]


async def test_entry_has_fields_and_on_request_a_body(site):
    """Its body is text where it is text, else base64."""
    await filled(site)
    (found,) = await entries(site, tag="task:1")
    plain = await site.admin(f"/entries/{found['key']}")
    assert ["content-type", "text/plain; charset=utf-8"] in plain.json["headers"]
    assert "body" not in plain.json
    whole = await site.admin(f"/entries/{found['key']}?body=1")
    assert (whole.json["body"], whole.json["encoding"]) == ("page /tasks/1", "utf-8")
    assert not whole.json["truncated"]
    await site.cache.put("value", b"\xff\x00", ttl=60)
    await landed(site)
    (value,) = await entries(site, prefix="data:")
    shown = await site.admin(f"/entries/{value['key']}?body=1")
    assert shown.json["encoding"] == "base64"
    assert b"\xff\x00" in base64.b64decode(shown.json["body"])


@pytest.mark.parametrize("key", ["0" * 32, "zz", "0" * 31, "%00", "0" * 200])
async def test_entry_that_is_not_there_is_not_found(site, key):
    """Whatever is asked for."""
    answer = await site.admin(f"/entries/{key}")
    assert (answer.status, answer.json["field"]) == (404, "key")


async def test_explain_says_what_the_cache_does(here):
    """It is `Cache.explain`, with its text."""
    answer = await here.admin("/explain", said={"url": "/mine/a", "user": 7})
    assert answer.json["partition"] == "user '7'"
    assert answer.json["stored"]
    assert answer.json["text"].startswith("request")


async def test_warm_makes_responses(site):
    """Each URL has its own result, whatever becomes of the others."""
    said = {"urls": [f"{URL}8", "no URL", f"{URL}9"], "headers": {"accept": "text/plain"}}
    answer = await site.admin("/warm", said=said)
    results = answer.json["results"]
    assert [each["stored"] for each in results] == [True, False, True]
    assert (results[0]["result"], results[0]["status"]) == ("miss", 200)
    assert "URL" in results[1]["error"]
    assert " hit" in (await site.get("/tasks/8"))["cache-status"]


async def test_warming_what_never_ends_is_given_up(here, monkeypatch):
    """Such as a stream of events; the app is stopped, and the others are warmed."""
    monkeypatch.setattr(endpoints, "LONGEST", 0.05)
    urls = [f"http://example.com{path}" for path in ("/ops/cache/events", "/tasks/1")]
    with anyio.fail_after(20):
        answer = await here.admin(
            "/warm", said={"urls": urls, "headers": {"authorization": f"Bearer {TOKEN}"}}
        )
    stream, task = answer.json["results"]
    assert (stream["stored"], task["stored"]) == (False, True)
    assert stream["error"] == "the app took more than 0.05 seconds"
    assert not here.cache.observer._listeners


async def test_a_path_is_explained_as_one_of_the_host_that_was_asked(here):
    """Whoever names a path means the app that the admin API is a part of."""
    await here.get("/tasks/1", {"host": "shop:8100"})
    asked = {"url": "/tasks/1"}
    said = await here.admin("/explain", said=asked, fields={"host": "shop:8100"})
    assert said.json["found"].startswith("a fresh response")
    elsewhere = await here.admin("/explain", said=asked, fields={"host": "shop:8200"})
    assert elsewhere.json["found"] == "nothing"


async def test_breaker_is_opened_and_closed_by_hand(site):
    """While it is open the server is left alone; closed again, it is tried at once."""
    await site.get("/tasks/1")
    state = await site.admin("/breaker")
    if site.cache.store.breaker is None:
        assert state.json == {"state": None, "by_hand": False, "process": this_process()}
        assert (await site.admin("/breaker", said={"action": "open"})).status == 409
        return
    assert state.json == {"state": "closed", "by_hand": False, "process": this_process()}
    opened = await site.admin("/breaker", said={"action": "open"})
    assert opened.json == {"state": "open", "by_hand": True, "process": this_process()}
    assert "store-open" in (await site.get("/tasks/2"))["cache-status"]
    assert (await site.admin("/entries")).status == 503
    assert (await site.admin("/purge", said={"tags": ["a"]})).json["acknowledged"] is False
    closed = await site.admin("/breaker", said={"action": "close"})
    assert closed.json["state"] == "closed"
    assert (await site.admin("/entries")).status == 200


@pytest.mark.parametrize(
    ("path", "said", "status", "field"),
    [
        ("/purge", {}, 422, None),
        ("/purge", {"tagz": ["a"]}, 422, "tagz"),
        ("/purge", {"tags": "a"}, 422, "tags"),
        ("/purge", {"tags": [""]}, 422, "tags"),
        ("/purge", {"tags": ["\ud800"]}, 422, "tags"),
        ("/purge", {"soft": 1, "tags": ["a"]}, 422, "soft"),
        ("/purge", {"route": ["/nope"]}, 422, "route"),
        ("/purge", {"path": ["nope"]}, 422, "path"),
        ("/purge", {"user": True}, 422, "user"),
        ("/purge", [], 422, None),
        ("/purge", {"tags": ["a"] * 1001}, 422, "tags"),
        ("/explain", {}, 422, "url"),
        ("/explain", {"url": "x y"}, 422, "url"),
        ("/explain", {"url": "/", "status": 99}, 422, "status"),
        ("/explain", {"url": "/", "method": "G T"}, 422, "method"),
        ("/explain", {"url": "/", "headers": {"a b": "c"}}, 422, "headers"),
        ("/explain", {"url": "/", "headers": {"a": "c\r\nd: e"}}, 422, "headers"),
        ("/explain", {"url": "/", "answered": {"a": 1}}, 422, "answered"),
        ("/warm", {"urls": []}, 422, "urls"),
        ("/warm", {"urls": ["/"] * 101}, 422, "urls"),
        ("/breaker", {"action": "explode"}, 422, "action"),
        ("/breaker", {}, 422, "action"),
        ("/stats", {}, 405, None),
        ("/entries", {}, 405, None),
        ("/nope", {}, 404, None),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(here, path, said, status, field):
    """An error says which field it is about, and why."""
    answer = await here.admin(path, said=said)
    assert (answer.status, answer.json["field"]) == (status, field)
    assert answer.json["error"]


@pytest.mark.parametrize("limit", ["0", "501", "abc", "-1"])
async def test_limit_is_refused_with_its_range(here, limit):
    """Whatever is wrong with it, the range is what it may be."""
    answer = await here.admin(f"/entries?limit={limit}")
    assert answer.json["error"].endswith("is not a whole number from 1 to 500")


async def test_log_position_is_text(site):
    """JavaScript would lose the last digits of such a number."""
    await site.cache.purge(tags="a")
    said = (await site.admin("/stats")).json["log"]["position"]
    assert said == str(site.cache.stats().log.position)


@pytest.mark.parametrize(
    "path",
    [
        "/entries?limit=0",
        "/entries?limit=501",
        "/entries?limit=x",
        "/entries?cursor=x",
        "/entries?cursor=~x",
        "/entries?cursor=zz~0",
        "/entries?unknown=1",
        "/entries?limit=1&limit=2",
        "/stats?a=b",
        "/entries/00000000000000000000000000000000?body=yes",
    ],
)
async def test_query_that_cannot_be_meant_is_refused(site, path):
    """So is what stands in a query; and no server is taken to be in trouble for it."""
    for _ in range(5):
        answer = await site.admin(path)
        assert (answer.status, bool(answer.json["field"])) == (422, True)
    if site.cache.store.breaker is not None:
        assert site.cache.store.breaker.is_closed


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b""])
async def test_body_that_is_no_json_is_refused(here, body):
    """Whatever it is."""
    fields = {"content-type": "application/json", "authorization": "Bearer a-token-for-tests"}
    answer = await here.get("/ops/cache/purge", fields, method="POST", body=body)
    assert answer.status == 400


async def test_what_is_said_twice_is_not_done(here):
    """Nobody knows whether it was to be a dry run."""
    body = b'{"tags": ["task:1"], "dry_run": true, "dry_run": false}'
    fields = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    answer = await here.get("/ops/cache/purge", fields, method="POST", body=body)
    assert answer.status == 422
    assert b"'dry_run' is given twice" in answer.body
    assert not here.cache.observer.recent_purges


async def test_body_that_is_too_large_is_refused(here):
    """Before all of it is kept."""
    answer = await here.admin("/purge", said={"tags": ["x" * 1_100_000]})
    assert answer.status == 413
