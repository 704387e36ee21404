"""The short way to a hit: it is taken where it can be, and says what the long way would."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.errors import StoreUnavailable
from asgi_cache.exchange import Exchange
from asgi_cache.policy.key import language_selector
from asgi_cache.policy.message import Variant, VariantIndex
from asgi_cache.shortcut import Written
from asgi_cache.stores.memory import MemoryStore
from asgi_cache.targets import Pass
from tests.bare import App, Clock, Response, ask, encoded, no_body, scope_of

RULES = {
    "/own/**": {"ttl": "40s", "tags": ["own"], "stale_while_revalidate": "20s"},
    "/all/**": {"ttl": 30.5, "public": True, "query": ["page"]},
    "/selected/**": {"ttl": "1m", "vary": ["X-Theme"]},
    "/strict/**": {"ttl": "1m", "coherence": "strict"},
    "/never/**": None,
}
TAGS = ("own", "named", "other")


def answer_to(scope):
    """Return what depends on the path, and on who asks."""
    fields = dict(scope["headers"])
    who = fields.get(b"authorization", b"") + fields.get(b"cookie", b"")
    more = {
        "/all/vary": {"Vary": "Accept-Language", "Content-Language": "en"},
        "/own/etag": {"ETag": '"1"', "Cache-Control": "max-age=25"},
        "/own/checked": {"Cache-Control": "no-cache"},
        "/free/shared": {"Cache-Control": "public, max-age=50", "Cache-Tag": "named"},
        "/free/own": {"Cache-Control": "max-age=50"},
        "/own/gone": {"Cache-Control": "max-age=20", "Age": "7"},
    }
    path = scope["path"]
    status = 404 if path == "/own/gone" else 200
    body = b"" if path.endswith("/empty") else path.encode() + b" for " + who
    return Response(body, more.get(path, {}), status)


PATHS = (
    *("/own/a", "/own/etag", "/own/checked", "/own/gone", "/own/empty", "/all/a", "/all/vary"),
    *("/free/shared", "/free/own"),
)
OTHER_PATHS = ("/selected/a", "/strict/a", "/never/a", "/free/none")
FIELDS = (
    *(("Authorization", "Bearer a"), ("Authorization", "Bearer b"), ("Cookie", "s=1")),
    *(("Accept-Language", "en"), ("Accept-Language", "de, en;q=0.5"), ("X-Theme", "dark")),
    *(("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"), ("Accept", "*/*")),
)
OTHER_FIELDS = (
    *(
        ("Host", "b.example"),
        ("If-None-Match", '"1"'),
        ("Range", "bytes=0-1"),
        ("Pragma", "no-cache"),
    ),
    *(("Cache-Control", "max-age=5"), ("Cache-Control", "only-if-cached")),
    *(("X-HTTP-Method-Override", "DELETE"), ("Content-Length", "0"), ("If-Match", '"1"')),
)


request = st.tuples(
    st.just("request"),
    st.sampled_from(("",) * 6 + ("?page=1", "?page=1&other=2")),
    st.sampled_from(("GET",) * 12 + ("HEAD",) * 3 + ("POST",)),
    st.lists(st.sampled_from(FIELDS * 3 + OTHER_FIELDS), max_size=2),
)
advance = st.tuples(st.just("advance"), st.floats(0, 9) | st.integers(0, 30).map(float))
purge = st.tuples(st.just("purge"), st.sampled_from(TAGS), st.booleans())


@st.composite
def histories(draw):
    """Draw what happens to a resource: a few requests, again and again, and some other things."""
    path = draw(st.sampled_from(PATHS * 4 + OTHER_PATHS))
    steps = draw(st.lists(request, min_size=1, max_size=3)) * 4 + [draw(advance), draw(purge)]
    drawn = draw(st.lists(st.sampled_from(steps), min_size=8, max_size=25))
    return path, drawn


class NoApp:
    """An app that must not be asked."""

    async def __call__(self, scope, receive, send):
        raise AssertionError("the long way asks the app")


async def the_long_way(cache, scope):
    """Return the messages that a request gets without the shortcut, and where it counts as what."""
    messages = []

    async def send(message):
        messages.append(message)

    exchange = Exchange(cache._services, NoApp(), scope, no_body, send, None)
    await exchange.run()
    outcome = exchange.outcome
    return *messages, exchange._tally.hits(outcome.status), outcome.result


@given(histories())
@settings(max_examples=400, deadline=None)
def test_both_ways_say_the_same(history):
    """Whatever the shortcut answers, the long way answers in the same bytes, from the store,
    and counts it as the same.
    """
    path, steps = history

    async def main():
        clock = Clock()
        cache = Cache(store=MemoryStore(clock=clock), rules=RULES, clock=clock)
        app = CacheMiddleware(App(answer_to), cache=cache)
        for step, *details in steps:
            if step == "advance":
                clock.advance(*details)
            elif step == "purge":
                await cache.purge(tags=details[0], soft=details[1])
            else:
                query, method, fields = details
                scope = scope_of(method, path + query, fields)
                taken = cache.shortcut.take(scope)
                event(f"taken: {type(taken).__name__}")
                if isinstance(taken, Pass):
                    assert path == "/never/a"
                elif taken is not None:
                    assert (*taken, "hit") == await the_long_way(cache, scope)
                await ask(app, path + query, fields, method=method)

    asyncio.run(main())


PLAIN = [
    pytest.param("/own/a", (), id="nobodys"),
    pytest.param("/own/a", [("Authorization", "Bearer a")], id="somebodys"),
    pytest.param("/own/a", [("Cookie", "s=1")], id="with-a-cookie"),
    pytest.param("/own/a", [("X-Forwarded-Proto", "https")], id="through-a-proxy"),
    pytest.param("/all/a", [("Authorization", "Bearer a")], id="public"),
    pytest.param("/all/vary", [("Accept-Language", "en")], id="one-of-several"),
    pytest.param("/free/shared", [("Authorization", "Bearer a")], id="shared-by-the-app"),
    pytest.param("/own/a?page=1", (), id="with-a-query"),
    pytest.param("/own/a", [("Accept", "*/*"), ("Host", "example.com")], id="in-another-order"),
    pytest.param("/selected/a", [("X-Theme", "dark")], id="by-a-rules-field"),
]


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("target", "fields"), PLAIN)
async def test_plain_requests_take_it(cached, target, fields, method):
    """A request that asks for nothing special takes the short way once its line is known."""
    app = cached(App(answer_to), rules=RULES)
    await ask(app, target, fields)
    await ask(app, target, fields, method=method)
    assert app.cache.shortcut.take(scope_of(method, target, fields)) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("fields", [(), [("Authorization", "Bearer a"), ("Range", "bytes=0-1")]])
async def test_what_is_never_cached_is_passed(cached, fields):
    """A request that the cache has no part in goes to the app at once, and as it is."""
    app = cached(App(answer_to), rules=RULES)
    await ask(app, "/never/a", fields)
    taken = app.cache.shortcut.take(scope_of("GET", "/never/a", fields))
    assert isinstance(taken, Pass)
    assert app.cache.shortcut.take(scope_of("POST", "/never/a", fields)) is None
    assert "cache-status" not in await ask(app, "/never/a", fields)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("Host", "a.example"), ("Host", "b.example")], id="two-hosts"),
        pytest.param([("Accept", "a/b"), ("Host", "example.com"), ("Host", "evil")], id="later"),
        pytest.param([("Cookie", "a=1"), ("Cookie", "b=2")], id="two-cookies"),
    ],
)
async def test_repeated_fields_do_not(cached, fields):
    """Which of two fields counts is for the long way to say."""
    app = cached(App(answer_to), rules=RULES)
    await ask(app, "/own/a")
    assert app.cache.shortcut.take(scope_of("GET", "/own/a", fields)) is None


@pytest.mark.anyio
async def test_answer_is_not_shared(cached):
    """What an outer middleware does to the fields of one answer, no other client sees."""
    app = cached(App(answer_to), rules=RULES)
    await ask(app, "/own/a")
    for _ in range(3):
        head, *_ = app.cache.shortcut.take(scope_of("GET", "/own/a", ()))
        assert (b"x-outer", b"1") not in head["headers"]
        head["headers"].append((b"x-outer", b"1"))


@pytest.mark.anyio
async def test_a_user_that_only_the_app_can_tell(cached):
    """Where a function says whose a request is, it is asked each time."""
    asked = []
    app = cached(App(answer_to), rules=RULES, user_id=lambda _: asked.append(1) or "7")
    for _ in range(3):
        await ask(app, "/own/a")
    assert len(asked) == 3


@pytest.mark.anyio
async def test_answer_follows_the_clock(cached, clock):
    """An answer that is kept ready is written anew when its age is another."""
    app = cached(App(answer_to), rules=RULES)
    await ask(app, "/own/a")
    seen = []
    for _ in range(5):
        answer = await ask(app, "/own/a")
        seen.append((answer["age"], answer["cache-status"].rpartition("ttl=")[2]))
        clock.advance(0.5)
    assert seen == [("0", "40"), ("0", "39"), ("1", "39"), ("1", "38"), ("2", "38")]
    clock.advance(-60)
    assert (await ask(app, "/own/a"))["age"] == "0"


@pytest.mark.anyio
async def test_what_was_evicted_is_not_kept_ready(clock):
    """A budget that is used up for something else leaves no copy behind."""
    store = MemoryStore(max_bytes=40_000, clock=clock)
    app = CacheMiddleware(
        App(lambda scope: Response(b"x" * 10_000)), store=store, clock=clock, rules={"/**": 60}
    )
    await ask(app, "/first")
    assert app.cache.shortcut.take(scope_of("GET", "/first", ())) is not None
    for number in range(20):
        await ask(app, f"/{number}")
    assert store.evictions
    assert app.cache.shortcut.take(scope_of("GET", "/first", ())) is None


@pytest.mark.anyio
async def test_what_is_kept_ready_is_bounded(cached, clock, monkeypatch):
    """However many lines are asked for, the answers to some only are kept ready."""
    monkeypatch.setattr("asgi_cache.shortcut.MEMO_ENTRIES", 3)
    store = MemoryStore(clock=clock)
    app = cached(App(answer_to), rules=RULES, store=store)
    for number in range(10):
        for _ in range(2):
            await ask(app, f"/own/{number}")
    held = [store.look(key) for key in (t.key for t in app.cache._services.targets.known.values())]
    assert [one.ready is not None for one in held] == [False] * 7 + [True] * 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/own/a", [("Authorization", "Bearer a")]),
        ("/own/a", [("If-None-Match", '"other"')]),
        ("/own/a", [("X-Forwarded-Proto", "https")]),
        ("/all/vary", [("Accept-Language", "en")]),
    ],
    ids=["user", "condition", "forwarded", "variant"],
)
async def test_what_a_field_has_a_part_in_is_kept_ready(cached, clock, path, fields):
    """What is sent is decided once, be it found by the line of a request or by more than that."""
    store = MemoryStore(clock=clock)
    app = cached(App(answer_to), rules=RULES, store=store)
    found = []
    store.look = lambda key: found.append(MemoryStore.look(store, key)) or found[-1]
    await ask(app, path, fields)
    clock.advance(0.25)
    await ask(app, path, fields)
    ready = found[-1].ready
    assert ready.until > clock()
    await ask(app, path, fields)
    assert found[-1].ready is ready


@pytest.mark.anyio
async def test_what_is_kept_ready_for_users_is_bounded(cached, clock, monkeypatch):
    """However many users ask, the answers to some only are kept ready."""
    monkeypatch.setattr("asgi_cache.shortcut.MEMO_ENTRIES", 3)
    store = MemoryStore(clock=clock)
    app = cached(App(answer_to), rules=RULES, store=store)
    found = []
    store.look = lambda key: found.append(MemoryStore.look(store, key)) or found[-1]
    held = []
    for number in range(10):
        for _ in range(2):
            await ask(app, "/own/a", [("Authorization", f"Bearer {number}")])
        held.append(found[-1])
    assert [one.ready is not None for one in held] == [False] * 7 + [True] * 3


def test_written_numbers_are_bounded(monkeypatch):
    """However many ages there are, only some are kept in writing."""
    monkeypatch.setattr("asgi_cache.shortcut.REMEMBERED", 3)
    written = Written(lambda number: ((b"age", b"%d" % number),))
    for number in range(10):
        assert written[number] == ((b"age", b"%d" % number),)
        assert len(written) <= 3


@pytest.mark.anyio
@pytest.mark.parametrize("soft", [False, True])
async def test_a_purge_ends_what_was_ready(cached, soft):
    """An answer that was kept ready is not for those who ask after a purge."""
    app = cached(App(answer_to), rules=RULES)
    for _ in range(3):
        await ask(app, "/own/a")
    await app.cache.purge(tags="own", soft=soft)
    assert app.cache.shortcut.take(scope_of("GET", "/own/a", ())) is None
    await app.cache.purge(tags="another")
    await ask(app, "/all/a")
    await app.cache.purge(tags="another")
    assert app.cache.shortcut.take(scope_of("GET", "/all/a", ())) is not None


@pytest.mark.anyio
async def test_credentials_where_the_app_did_not_allow_for_them(cached):
    """Without a rule, somebody's request is not answered with what was stored for nobody."""
    app = cached(App(answer_to), rules=RULES)
    for _ in range(2):
        await ask(app, "/free/own")
    assert app.cache.shortcut.take(scope_of("GET", "/free/own", ())) is not None
    credentials = [("Authorization", "Bearer a")]
    assert app.cache.shortcut.take(scope_of("GET", "/free/own", credentials)) is None


class DetachedUser:
    """A user that cannot be asked any more, such as a row of a session that was closed."""

    @property
    def is_authenticated(self):
        raise RuntimeError("detached")


@pytest.mark.anyio
async def test_a_user_that_cannot_be_asked(cached):
    """What a user object raises is not what a client gets."""
    app = cached(App(answer_to), rules=RULES)
    for _ in range(2):
        answer = await ask(app, "/all/a", user=DetachedUser())
        assert answer.cache_status == "asgi-cache; fwd=bypass; detail=user-id-error"


class FailingStore(MemoryStore):
    """A store that breaks when it is looked into."""

    def look(self, key):
        raise ValueError("a mistake in the store")

    async def get(self, key, *, latest=False):
        raise ValueError("a mistake in the store")


@pytest.mark.anyio
async def test_a_store_that_cannot_be_looked_into(cached):
    """A mistake in a store costs nobody an answer."""
    app = cached(App(answer_to), rules=RULES, store=FailingStore())
    for _ in range(2):
        answer = await ask(app, "/all/a")
        assert answer.cache_status == "asgi-cache; fwd=bypass; detail=store-unavailable"


class DistantStore(MemoryStore):
    """A store that answers later, and sometimes that it cannot."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.refused = {}
        """Keys that nothing is said of, and how often they were asked for."""

    def look(self, key):
        future = asyncio.get_running_loop().create_future()
        if key in self.refused:
            self.refused[key] += 1
            future.set_exception(StoreUnavailable("it did not answer"))
        else:
            future.set_result(super().look(key))
        return future

    async def get(self, key, *, latest=False):
        return (await self.look(key)) and await super().get(key, latest=latest)


@pytest.mark.anyio
@pytest.mark.parametrize("refuses_variant", [False, True])
async def test_a_look_up_that_failed_is_not_begun_again(cached, clock, refuses_variant):
    """A request waits for a store that does not answer once, whichever way it takes."""
    store = DistantStore(clock)
    app = cached(App(answer_to), rules=RULES, store=store)
    fields = [("Accept-Language", "en")]
    await ask(app, "/all/vary", fields)
    (target,) = app.cache._services.targets.known.values()
    index = await MemoryStore.get(store, target.key)
    refused = index.variants[0].selector if refuses_variant else target.key
    store.refused[refused] = 0
    assert (await ask(app, "/all/vary", fields)).cache_status.endswith("detail=store-unavailable")
    assert store.refused[refused] == 1


@pytest.mark.anyio
async def test_an_index_that_names_itself(cached, clock):
    """A variant index in the place of a variant is nothing to go by."""
    store = MemoryStore(clock=clock)
    app = cached(App(answer_to), rules=RULES, store=store)
    fields = [("Accept-Language", "en")]
    await ask(app, "/all/vary", fields)
    (target,) = app.cache._services.targets.known.values()
    key, names = target.key, (b"accept-language",)
    own = language_selector(key, names, encoded(fields), b"en")
    await store.put(key, VariantIndex(key, (Variant(names, key, own),)), 60)
    assert (await ask(app, "/all/vary", fields)).cache_status == "asgi-cache; fwd=uri-miss; stored"


@pytest.mark.anyio
async def test_a_rule_for_head_alone(cached, clock):
    """What is known of the answer to GET does not depend on who asked with HEAD meanwhile."""
    rules = {"HEAD /a": {"ttl": 60, "public": True}, "GET /a": {"ttl": 60, "public": True}}
    app = cached(App(answer_to), rules=rules)
    for method in ("GET", "GET", "HEAD", "HEAD"):
        await ask(app, "/a", method=method)
        clock.advance(0.1)
    await app.cache.purge(route="GET /a")
    await ask(app, "/a", method="HEAD")
    assert (await ask(app, "/a")).cache_status == "asgi-cache; fwd=uri-miss; stored"
