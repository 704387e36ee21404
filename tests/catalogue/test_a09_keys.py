"""Catalogue A, lines 9-18: keys and variants."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_cache.asking import primary_key
from asgi_cache.identity import NOBODY, partition_of
from asgi_cache.observe.observer import Observer
from asgi_cache.policy.rule import Rule
from asgi_cache.routes import Routes
from asgi_cache.rules import RuleReader, RuleSet
from asgi_cache.targets import Targets
from tests.bare import App, Response, ask, no_body

pytestmark = pytest.mark.anyio


def echo(scope):
    return Response(
        repr(
            (scope["path"], scope["query_string"], scope.get("raw_path"), scope["root_path"])
        ).encode(),
        {"Cache-Control": "max-age=60"},
    )


LINES = [
    {"path": "/a/b", "raw_path": b"/a/b"},
    {"path": "/a/b", "raw_path": b"/a%2Fb"},
    {"path": "/a/b", "raw_path": b"/a%2fb"},
    {"path": "/a:b", "raw_path": b"/a:b"},
    {"path": "//a/b", "raw_path": b"//a/b"},
    {"path": "/a/b", "raw_path": b"/%61/b"},
    {"path": "/x/../a/b", "raw_path": b"/x/../a/b"},
    {"path": "/a\x00b", "raw_path": b"/a%00b"},
    {"path": "/a", "raw_path": b"/a", "query_string": b""},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a"},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a="},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a=1&a=2"},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a=2"},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a=1%26b"},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a=1&b"},
    {"path": "/a?a", "raw_path": b"/a%3Fa"},
    {"path": "/\ufffd", "raw_path": b"/%ff"},
    {"path": "/\ufffd", "raw_path": b"/%fe"},
    {"path": "/é", "raw_path": "/é".encode()},
    {"path": "/é", "raw_path": b"/%c3%a9"},
    {"path": "/b", "raw_path": b"/a/b", "root_path": "/a"},
    {"path": "/a/b", "raw_path": b"/a/b", "root_path": "/a"},
    {"path": "/a", "raw_path": b"/a", "query_string": b"\xff\xfe"},
    {"path": "/a", "raw_path": b"/a", "query_string": b"a=1;b"},
    {"path": "", "raw_path": b""},
    {"path": "*", "raw_path": b"*"},
]


@pytest.mark.parametrize("options", [{}, {"rules": {"/**": 60}}], ids=["unruled", "ruled"])
async def test_a10_lines_that_an_app_can_tell_apart(cached, options):
    """No request line is answered with what another one brought."""
    cache = cached(App(echo), **options)
    for line in LINES * 2:
        answer = await ask(cache, "/", **line)
        scope = {"query_string": b"", "root_path": "", **line}
        assert answer.body == echo(scope).body, line


async def test_a10_a_path_with_surrogates(cached):
    """Some servers decode what is not UTF-8 with surrogateescape and give no raw path."""
    cache = cached(App(), rules={"/**": 60})
    assert (await ask(cache, "/", path="/\udcff", raw_path=None)).status == 200


@pytest.mark.parametrize("fields", [[], [("Host", "")]])
async def test_a09_no_host(cached, fields):
    cache = cached(App(), rules={"/**": 60})
    from tests.bare import scope_of

    scope = scope_of("GET", "/", [("host", "x")])
    scope["headers"] = [(b"host", v.encode()) for _, v in fields]
    messages = []

    async def send(m):
        messages.append(m)

    await cache(scope, no_body, send)
    assert messages[0]["status"] == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(
            lambda: iter([(b"host", b"h"), (b"authorization", b"alice")]), id="an-iterator"
        ),
        pytest.param(lambda: [[b"host", b"h"], [b"authorization", b"alice"]], id="lists"),
        pytest.param(lambda: ((b"host", b"h"), (b"authorization", b"alice")), id="a-tuple"),
    ],
)
async def test_scope_headers_of_any_iterable(cached, headers):
    """ASGI says "iterable": the app and the cache both see all of them."""

    def who(scope):
        return Response(dict(map(tuple, scope["headers"])).get(b"authorization", b"-"))

    cache = cached(App(who), rules={"/**": 60})
    from tests.bare import scope_of

    out = []

    async def send(m):
        out.append(m)

    await cache({**scope_of("GET", "/", ()), "headers": headers()}, no_body, send)
    assert out[1]["body"] == b"alice"
    out.clear()
    await cache({**scope_of("GET", "/", ()), "headers": [(b"host", b"h")]}, no_body, send)
    assert out[1]["body"] == b"-"


VARIES = [
    {},
    {"A": ""},
    {"A": "ab", "B": "c"},
    {"A": "a", "B": "bc"},
    {"A": "k"},
    {"B": "k"},
    {"A": "a,b"},
    {"A": '"a,b"'},
    {"A": '"a", "b"'},
    {"A": '"a,'},
    {"A": "\xff"},
    {"A": "1:a"},
]


@pytest.mark.parametrize("options", [{}, {"rules": {"/**": 60}}], ids=["unruled", "ruled"])
async def test_a15_variants_do_not_mix(cached, options):
    def answer(scope):
        said = [(n, v) for n, v in scope["headers"] if n in (b"a", b"b")]
        return Response(repr(said).encode(), {"Vary": "A, B", "Cache-Control": "max-age=60"})

    cache = cached(App(answer), **options)
    for fields in VARIES * 2:
        want = repr([(n.lower().encode(), v.encode("latin-1")) for n, v in fields.items()]).encode()
        assert (await ask(cache, fields=fields)).body == want


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("accept", "application/ json", "application/json"),
        ("accept", 'text/html;profile="A B"', 'text/html;profile="AB"'),
        ("accept", 'text/html;profile="http://x/A"', 'text/html;profile="http://x/a"'),
        ("accept-encoding", "g zip", "gzip"),
    ],
    ids=ascii,
)
async def test_a15_what_is_no_the_same_is_not_the_same_variant(cached, name, first, second):
    """RFC 9111, 4.1: only what is known to have identical semantics may be normalised."""

    def answer(scope):
        value = dict(scope["headers"]).get(name.encode(), b"-")
        return Response(
            value, {"Vary": name, "Content-Language": "de", "Cache-Control": "max-age=60"}
        )

    cache = cached(App(answer))
    await ask(cache, fields={name: first})
    assert (await ask(cache, fields={name: second})).body == second.encode()


async def test_a15_an_exact_variant_is_not_pushed_aside(cached):
    """A newer variant found by its Content-Language does not replace one that matches exactly."""

    def answer(scope):
        value = dict(scope["headers"]).get(b"accept-language", b"-")
        return Response(
            value,
            {"Vary": "Accept-Language", "Content-Language": "de", "Cache-Control": "max-age=60"},
        )

    cache = cached(App(answer))
    await ask(cache, fields={"Accept-Language": "de"})
    await ask(cache, fields={"Accept-Language": "de, <evil>;q=0.1", "Cache-Control": "no-cache"})
    assert (await ask(cache, fields={"Accept-Language": "de"})).body == b"de"


@pytest.mark.parametrize("vary", ["*", "Cookie", "Authorization", "A, *", "a b", "cookie\t"])
async def test_a16_vary_all_or_on_credentials(cached, vary):
    app = App(Response(b"x", {"Vary": vary, "Cache-Control": "public, max-age=60"}))
    cache = cached(app)
    await ask(cache)
    await ask(cache)
    assert app.runs == 2


async def test_a17_variants_are_capped_and_forgotten_ones_take_no_room(clock):
    """What the index no longer names cannot be served, so that it is not kept either."""
    from asgi_cache import CacheMiddleware
    from asgi_cache.stores.memory import MemoryStore

    store = MemoryStore(clock=clock)
    cache = CacheMiddleware(
        App(Response(b"x", {"Vary": "Accept-Language", "Cache-Control": "max-age=60"})),
        store=store,
        clock=clock,
    )
    for n in range(500):
        await ask(cache, fields={"Accept-Language": f"x-{n}"})
    assert store.entries <= 66


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a18_a_304_that_adds_vary(cached, clock, method):
    """A stored response which begins to vary is for its own request alone."""
    first = Response(b"for-a", {"Cache-Control": "max-age=10", "ETag": '"1"'})
    later = Response(
        b"for-a",
        {"Cache-Control": "max-age=60", "ETag": '"1"', "Vary": "X"},
        status=304 if method == "GET" else 200,
    )
    cache = cached(
        App(first, later, Response(b"for-b", {"Vary": "X", "Cache-Control": "max-age=10"}))
    )
    await ask(cache, fields={"X": "a"})
    clock.advance(11)
    await ask(cache, fields={"X": "a"}, method=method)
    assert (await ask(cache, fields={"X": "b"})).body == b"for-b"


async def test_a18_a_304_that_changes_vary(cached, clock):
    first = Response(b"for-a", {"Cache-Control": "max-age=10", "ETag": '"1"', "Vary": "Y"})
    later = Response(status=304, fields={"Cache-Control": "max-age=60", "ETag": '"1"', "Vary": "X"})
    cache = cached(
        App(first, later, Response(b"for-b", {"Vary": "X", "Cache-Control": "max-age=10"}))
    )
    await ask(cache, fields={"X": "a"})
    clock.advance(11)
    await ask(cache, fields={"X": "a"})
    assert (await ask(cache, fields={"X": "b"})).body == b"for-b"


async def test_a11_post_bodies_of_another_type(cached):
    """The same bytes as a form and as JSON are two requests."""

    def answer(scope):
        return Response(dict(scope["headers"]).get(b"content-type", b"-"))

    cache = cached(App(answer), rules={"/**": {"ttl": 60, "methods": ["GET", "POST"]}})
    for kind in ("text/plain", "application/json"):
        assert (
            await ask(cache, method="POST", body=b"{}", fields={"Content-Type": kind})
        ).body == kind.encode()


HOSTS = [("t", "/api/n"), ("t/api", "/n"), ("t:80", "/n"), ("u@t", "/n"), ("t ", "/n"), ("", "/n")]


async def test_a09_a_host_and_a_path_do_not_run_into_each_other(cached):
    """What is no host at all is not looked up, and gets nothing stored."""
    app = App(
        lambda scope: Response(dict(scope["headers"])[b"host"] + b"|" + scope["path"].encode())
    )
    cache = cached(app, rules={"/**": {"ttl": 60, "public": True}})
    for host, path in HOSTS * 2:
        answer = await ask(cache, path, {"Host": host})
        assert answer.body == f"{host}|{path}".encode()
        assert "cache-status" in answer or host in {"t/api", "u@t", "t "}


async def test_a09_two_hosts_are_none(cached):
    """An app may read the other one."""
    app = App(lambda scope: Response(b"|".join(v for n, v in scope["headers"] if n == b"host")))
    cache = cached(app, rules={"/**": {"ttl": 60, "public": True}})
    for hosts in (["a", "b"], ["b", "a"], ["a"]):
        answer = await ask(cache, fields=[("Host", host) for host in hosts])
        assert answer.body == "|".join(hosts).encode()


async def test_a12_a_semicolon_separates_nothing(cached):
    """An ignored parameter takes all up to the next ``&`` along, and the app never sees it."""
    rules = {"/**": {"ttl": 60, "public": True, "ignore_query": ["utm"]}}
    cache = cached(App(lambda scope: Response(scope["query_string"])), rules=rules)
    for query, seen in (("utm=x;cb=evil", b""), ("a=1;utm=x", b"a=1;utm=x"), ("", b"")):
        assert (await ask(cache, f"/?{query}")).body == seen


@pytest.mark.parametrize(
    "query", ["utm=evil", "UTM=1&utm=evil", "utm=evil&utm=2", "%75tm=evil", "u%74m=evil", "utm"]
)
async def test_a13_an_ignored_parameter_that_is_reflected_reaches_nobody(cached, query):
    """The app is given the part of the query that is in the key."""
    rules = {"/**": {"ttl": 60, "public": True, "ignore_query": ["utm", "UTM"]}}
    cache = cached(App(lambda scope: Response(b"<" + scope["query_string"] + b">")), rules=rules)
    assert (await ask(cache, f"/?{query}")).body == b"<>"
    assert (await ask(cache)).body == b"<>"


PARTS = ["", "a", "b", "ab", "a:b", "a|b", "a\x00", "\x00b", "user:a", "/", "&", "=", "a=1&b=2"]


@given(
    st.tuples(*(st.sampled_from(PARTS) for _ in range(3))),
    st.tuples(*(st.sampled_from(PARTS) for _ in range(3))),
)
@settings(max_examples=300, deadline=None)
def test_a14_different_requests_have_different_keys(one, other):
    """Whatever stands in a path, a query and a user's id, no two run into one another."""
    targets = Targets(
        RuleSet.from_mapping({"/**": 60}),
        Routes(RuleReader()),
        Rule(),
        ("n", ""),
        None,
        Observer(),
    )

    def key_of(path, query, user):
        scope = {
            "headers": [(b"host", b"h")],
            "scheme": "http",
            "path": "/" + path,
            "raw_path": quote("/" + path).encode(),
            "query_string": query.encode(),
        }
        target = targets.resolve(scope, "GET")
        partition = partition_of(user) if user else NOBODY
        return primary_key(target.state, target.rule, [], b"GET", partition)

    assert (key_of(*one) == key_of(*other)) is (one == other)
