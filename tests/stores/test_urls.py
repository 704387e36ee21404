"""Store URLs: what they open, and how a mistake in one is told."""

from __future__ import annotations

import pytest
from fakeredis import FakeAsyncRedis
from redis import Redis as SynchronousRedis
from redis.asyncio import SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import Connection

from asgi_cache.errors import ConfigurationError
from asgi_cache.stores.memory import MemoryStore
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.tiered import TieredStore
from asgi_cache.stores.urls import open_store, shown


def client_of(store):
    """Return the client that a store with copies would make."""
    return store.shared._client()


def connections_of(store):
    """Return the kind of a store's connections and what they are made with."""
    pool = client_of(store).connection_pool
    return pool.connection_class, pool.connection_kwargs


@pytest.mark.parametrize(
    ("url", "budget"),
    [
        ("memory://", 256 * 2**20),
        ("memory://?max=64mb", 64 * 2**20),
        ("memory://?max=1000", 1000),
    ],
)
def test_memory_url(url, budget):
    """A store in memory has a budget."""
    store = open_store(url, "test")
    assert isinstance(store, MemoryStore)
    assert store._records.max_bytes == budget


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        pytest.param("redis://", Connection, {"host": "localhost", "port": 6379}, id="nothing"),
        pytest.param(
            "redis://cache.internal:6380/3",
            Connection,
            {"host": "cache.internal", "port": 6380, "db": 3},
            id="address",
        ),
        pytest.param("redis://[::1]/", Connection, {"host": "::1", "port": 6379}, id="ipv6"),
        pytest.param("redis://h/3?db=4", Connection, {"db": 4}, id="option-before-path"),
        pytest.param(
            "redis://us%40er:p%2Fa%3Ass@h",
            Connection,
            {"username": "us@er", "password": "p/a:ss"},
            id="credentials",
        ),
        pytest.param(
            "redis://:old@h?username=u&password=p%20w",
            Connection,
            {"username": "u", "password": "p w"},
            id="credentials-as-options",
        ),
        pytest.param(
            "rediss://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=false&ssl_cert_reqs=optional",
            SSLConnection,
            {
                "host": "h",
                "ssl_ca_certs": "/ca.pem",
                "ssl_check_hostname": False,
                "ssl_cert_reqs": "optional",
            },
            id="tls",
        ),
        pytest.param(
            "unix:///run/re%20dis.sock?db=2&client_name=cache",
            UnixDomainSocketConnection,
            {"path": "/run/re dis.sock", "db": 2, "client_name": "cache"},
            id="socket",
        ),
        pytest.param(
            "unix://user:pw@/run/redis.sock",
            UnixDomainSocketConnection,
            {"path": "/run/redis.sock", "username": "user", "password": "pw"},
            id="socket-with-credentials",
        ),
    ],
)
def test_redis_url(url, kind, expected):
    """A URL says where Redis is, and who asks."""
    store = open_store(url, "test")
    assert isinstance(store, TieredStore)
    made, arguments = connections_of(store)
    assert made is kind
    assert expected.items() <= arguments.items()


def sentinels_of(store):
    """Return the settings of the connections to each Sentinel."""
    clients = client_of(store).connection_pool.sentinel_manager.sentinels
    return [client.connection_pool.connection_kwargs for client in clients]


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("redis+sentinel://h/cache", [("h", 26379)]),
        ("redis+sentinel://a:1,b,c:3/cache", [("a", 1), ("b", 26379), ("c", 3)]),
        ("redis+sentinel://u:p,w@a,[::1]:7/cache/", [("a", 26379), ("::1", 7)]),
        ("redis+sentinel://[::1],[::2]:7/cache", [("::1", 26379), ("::2", 7)]),
    ],
)
def test_sentinel_url(url, addresses):
    """A URL can say who knows where Redis is, and by which name."""
    store = open_store(url, "test")
    assert client_of(store).connection_pool.service_name == "cache"
    assert [(each["host"], each["port"]) for each in sentinels_of(store)] == addresses


def test_credentials_of_sentinels_are_their_own():
    """Who connects to the server is nothing to the Sentinels, and the other way round."""
    url = "redis+sentinel://server:pw@a,b/my%20cache?db=3"
    store = open_store(url, "test")
    assert client_of(store).connection_pool.service_name == "my cache"
    _, arguments = connections_of(store)
    assert {"username": "server", "password": "pw", "db": 3}.items() <= arguments.items()
    assert {(each["username"], each["password"]) for each in sentinels_of(store)} == {(None, None)}
    store = open_store(f"{url}&sentinel_username=who&sentinel_password=watch", "test")
    assert connections_of(store)[1]["password"] == "pw"
    assert {(each["username"], each["password"]) for each in sentinels_of(store)} == {
        ("who", "watch")
    }


def test_sentinels_speak_tls_too():
    """Where servers are reached over TLS, so are the Sentinels, with the same settings."""
    store = open_store("rediss+sentinel://a/cache?ssl_ca_certs=/ca.pem&ssl_password=s", "test")
    kind, arguments = connections_of(store)
    assert issubclass(kind, SSLConnection)
    for each in (arguments, *sentinels_of(store)):
        assert {"ssl_ca_certs": "/ca.pem", "ssl_password": "s"}.items() <= each.items()


@pytest.mark.parametrize(
    ("url", "addresses", "expected"),
    [
        ("redis+cluster://h", [("h", 6379)], {"connection_class": Connection}),
        ("redis+cluster://a:1,b/", [("a", 1), ("b", 6379)], {}),
        ("redis+cluster://u:pw@[::1]:7", [("::1", 7)], {"username": "u", "password": "pw"}),
        (
            "rediss+cluster://h?ssl_ca_certs=/ca.pem&ssl_password=s&max_connections=3",
            [("h", 6379)],
            {
                "connection_class": SSLConnection,
                "ssl_ca_certs": "/ca.pem",
                "ssl_password": "s",
                "max_connections": 3,
            },
        ),
    ],
)
def test_cluster_url(url, addresses, expected):
    """A URL can name nodes, by which the others are found."""
    client = client_of(open_store(url, "test"))
    assert [(node.host, node.port) for node in client.startup_nodes] == addresses
    assert expected.items() <= client.connection_kwargs.items()


@pytest.mark.parametrize("where", ["redis+sentinel://a,b/cache", "rediss+cluster://a,b"])
def test_options_of_the_store_are_the_same_everywhere(where):
    """What a store is told does not depend on how many servers there are."""
    store = open_store(f"{where}?timeout=1s&lag=20ms&local=1mb&compress=16kb", "test")
    assert (store._records.max_bytes, store.lag) == (2**20, 0.02)
    assert store.shared._compress == 16 * 2**10
    assert isinstance(open_store(f"{where}?local=0", "test"), RedisStore)


@pytest.mark.parametrize(
    ("url", "seconds"),
    [("redis://h", 0.05), ("redis://h?timeout=200ms", 0.2), ("unix:///s?timeout=2", 2.0)],
)
def test_timeout_is_the_stores(url, seconds):
    """The deadline is one of whole operations, so redis-py is not given it."""
    store = open_store(url, "test")
    assert store.shared.patience == seconds
    assert connections_of(store)[1]["socket_timeout"] is None


@pytest.mark.parametrize(
    ("url", "budget"),
    [
        ("redis://h", 64 * 2**20),
        ("redis://h?local=1mb", 2**20),
        ("rediss://h?local=2kb", 2 * 2**10),
        ("unix:///s?local=1000", 1000),
    ],
)
def test_local_is_the_budget_of_copies(url, budget):
    """A process keeps copies of what is in Redis, within a budget of their own."""
    assert open_store(url, "test")._records.max_bytes == budget


@pytest.mark.parametrize("url", ["redis://h?local=0", "rediss://h?local=0", "unix:///s?local=0"])
def test_local_copies_can_be_turned_off(url):
    """Without room for copies everything is asked of Redis."""
    assert isinstance(open_store(url, "test"), RedisStore)


@pytest.mark.parametrize("local", ["0", "1mb"])
@pytest.mark.parametrize(("option", "seconds"), [("", 0.1), ("&lag=20ms", 0.02), ("&lag=2", 2.0)])
def test_lag_is_told_whether_or_not_there_are_copies(local, option, seconds):
    """Who keeps no copies has to wait for those who do."""
    assert open_store(f"redis://h?local={local}{option}", "test").lag == seconds


@pytest.mark.parametrize(
    ("option", "least"), [("", None), ("?compress=16kb", 16 * 2**10), ("?compress=1", 1)]
)
def test_compression_is_asked_for(option, least):
    """Nothing is compressed in Redis, unless the URL says from which size on."""
    assert open_store(f"redis://h{option}", "test").shared._compress == least


def test_copies_expire_by_the_given_clock():
    """The clock that a store is opened with is the one that its copies are judged by."""
    assert open_store("redis://h", "test", clock := lambda: 7.0)._clock is clock
    assert open_store(FakeAsyncRedis(), "test", clock)._clock is clock


def test_client_does_what_it_is_told():
    """It does not repeat anything, nor take what it did not ask for, and is bounded."""
    store = open_store("redis://h?max_connections=7", "test")
    pool = client_of(store).connection_pool
    assert pool.max_connections == 7
    assert pool.connection_kwargs["retry"].get_retries() == 0
    assert pool.connection_kwargs["protocol"] == 2
    assert not pool.maint_notifications_enabled()
    assert pool.make_connection().socket_keepalive


def test_client_is_taken_as_it_is():
    """A Redis client that the user brings is used, whatever it was made with."""
    client = FakeAsyncRedis()
    store = open_store(client, "test")
    assert isinstance(store, TieredStore)
    assert store.shared._client is client


@pytest.mark.parametrize("store", [MemoryStore(), RedisStore(FakeAsyncRedis(), namespace="mine")])
def test_store_is_taken_as_it_is(store):
    """So is a store, and nothing is put in front of it."""
    assert open_store(store, "test") is store


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", r"store '': is not a URL"),
        ("localhost:6379", r"'localhost:6379': is not a URL \(known: memory, redis,"),
        ("redsi://h", r"unknown scheme 'redsi' \(did you mean 'redis'\?\)"),
        ("http://h", r"'http' \(known: memory, redis, rediss, unix, redis\+sentinel"),
        ("memory://h", "has no address"),
        ("memory:///path", "has no address"),
        ("memory://?mxa=1", r"unknown option 'mxa' \(did you mean 'max'\?\)"),
        ("memory://?max=many", "max='many' is not a size"),
        ("memory://?max=0", "max='0' must be more than 0"),
        ("redis://h:0", "port is a number from 1 to 65535"),
        ("redis://h:65536", "port is a number from 1 to 65535"),
        ("redis://h:port", "port is a number from 1 to 65535"),
        ("redis://[::1", "is not a valid URL"),
        ("redis://h#0", "is not a valid URL"),
        ("redis://h/first", "db='first' is not the number of a database"),
        ("redis://h?db=-1", "db='-1' is not the number of a database"),
        ("redis://h?timeuot=1", r"unknown option 'timeuot' \(did you mean 'timeout'\?\)"),
        ("redis://h?timeout=fast", "timeout='fast' is not a duration"),
        ("redis://h?timeout=0", "timeout='0' is 0 s, and must be more than 0"),
        ("redis://h?lag=100", "lag='100' is 100 s, and must be more than 0 and at most 10 s"),
        ("redis://h?lag=0", "lag='0' is 0 s, and must be more than 0"),
        ("redis://h?lag=slow", "lag='slow' is not a duration"),
        ("redis://h?local=much", "local='much' is not a size"),
        ("redis://h?local=-1", "local='-1' is not a size"),
        ("redis://h?compress=yes", "compress='yes' is not a size"),
        ("redis://h?compress=0", "compress='0' must be more than 0, such as '16kb'"),
        ("redis://h?compresss=1", r"unknown option 'compresss' \(did you mean 'compress'\?\)"),
        ("memory://?compress=1kb", "unknown option 'compress'"),
        ("memory://?local=1mb", "unknown option 'local'"),
        ("redis://h?timeout", r"options are written \?name=value"),
        ("redis://h?timeout=1&timeout=2", "option 'timeout' is there twice"),
        ("redis://h?max_connections=0", "is not a number from 1"),
        ("redis://h?client_name=", "client_name='' must not be empty"),
        ("redis://h?ssl_ca_certs=/ca.pem", "unknown option 'ssl_ca_certs'"),
        ("rediss://h?ssl_check_hostname=maybe", r"is not a choice \(known: true, false\)"),
        ("unix://", "no path of a socket: write 'unix:///run/redis.sock"),
        ("unix:///", "no path of a socket"),
        ("unix://run/redis.sock", "no path of a socket"),
        ("redis+sentinl://h/s", r"'redis\+sentinl' \(did you mean 'redis\+sentinel'\?\)"),
        ("redis+sentinel://h", r"no name of the service: write 'redis\+sentinel://host:26379"),
        ("redis+sentinel://h/?db=1", "no name of the service"),
        ("redis+sentinel://h/s/1", r"the service's name; a database is an option, '\?db=1'"),
        ("redis+sentinel:///s", r"no host: write 'redis\+sentinel://host:26379,host:26379/serv"),
        ("redis+sentinel://a,,b/s", "an address has no host"),
        ("redis+sentinel://a,:1/s", "an address has no host"),
        ("redis+sentinel://a:1,b:99999/s", "address 'b:99999': a port is a number from 1 to"),
        ("redis+sentinel://a:0,b/s", "address 'a:0': a port is a number"),
        ("redis+sentinel://a,[::1/s", r"address '\[::1': a port is a number"),
        ("redis+sentinel://a,b/s#0", "is not a valid URL"),
        ("redis+sentinel://h/s?db=x", "db='x' is not the number of a database"),
        ("redis+sentinel://h/s?sentinel_passwrd=1", "did you mean 'sentinel_password'"),
        ("redis+sentinel://h/s?sentinel_password=", "sentinel_password must not be empty"),
        ("redis+sentinel://h/s?ssl_ca_certs=/ca.pem", "unknown option 'ssl_ca_certs'"),
        ("redis+cluster://", r"no host: write 'redis\+cluster://host:6379,host:6379'"),
        ("rediss+cluster://a,b:x", "address 'b:x': a port is a number"),
        ("redis+cluster://h/1", "a cluster has one database: its number is left out"),
        ("redis+cluster://h?timeout=1s&db=0", "a cluster has one database"),
        ("redis+cluster://h?sentinel_password=x", "unknown option 'sentinel_password'"),
    ],
)
def test_mistake_in_a_url(source, said):
    """An error names the URL, the option and what would do."""
    with pytest.raises(ConfigurationError, match=said) as raised:
        open_store(source, "test")
    assert str(raised.value).startswith("store '")


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:s3cret@h?timeout=fast",
        "redis://:s3cret@h:99999",
        "redis://:s3cret@h/db",
        "redis://user:a/s3cret@h",
        "redis://user:12/s3cret@h",
        "redis://user:s3cret#@h",
        "redis://user:?s3cret@h",
        "redis://user:[s3cret@h",
        "redis://:s3@cret:s3cret@h:none",
        "redis://user:http://s3cret@h:x",
        "redis://h?password=s3cret&timeout=fast",
        "redis://h?pass%77ord=s3cret&db=x",
        "redis:/user:s3cret@h",
        "user:s3cret@h",
        "rdis://user:s3cret@h",
        "unix://user:s3cret@",
        "memory://user:s3cret@h",
        "redis://h?password=s3cret&password=s3cret",
        "redis+sentinel://user:s3cret@h",
        "redis+sentinel://user:s3cret@a,b:x/s",
        "redis+sentinel://user:s3cret@a,,b/s",
        "redis+sentinel://user:a/s3cret@b,c/s",
        "redis+sentinel://user:a,s3cret@b,c:0/s",
        "redis+sentinel://user:s3cret#@h/s",
        "redis+sentinel://user:?s3cret@h/s",
        "redis+sentinel://user:[s3cret@h/s",
        "redis+sentinel://h/s?sentinel_password=s3cret&sentinel_password=s3cret",
        "redis+cluster://user:s3cret@h/0",
        "redis+cluster://user:s3cret@h?db=0",
        "redis+cluster://user:s3cret@a,b:x",
    ],
)
def test_no_secret_is_told(url):
    """Whatever is wrong with a URL, its password is not in the error, nor behind it."""
    with pytest.raises(ConfigurationError) as raised:
        open_store(url, "test")
    error = raised.value
    while error is not None:
        assert "s3cret" not in f"{error!s} {error!r}"
        error = error.__cause__ or error.__context__


def test_empty_password_is_not_told():
    """An option that may be secret is named without its value."""
    with pytest.raises(ConfigurationError, match="password must not be empty"):
        open_store("redis://h?password=", "test")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://user:pw@h:1/2?timeout=1", "redis://***@h:1/2"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("memory://", "memory://"),
        ("redis+sentinel://:pw@a:1,b/s?sentinel_password=w", "redis+sentinel://***@a:1,b/s"),
    ],
)
def test_url_as_it_is_shown(url, text):
    """What is left of a URL tells which one it is."""
    assert shown(url) == text


@pytest.mark.parametrize("source", [SynchronousRedis(), object(), 7, MemoryStore])
def test_other_objects_are_no_store(source):
    """Neither a synchronous client nor a class is a store."""
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio client \(Redis or RedisC"):
        open_store(source, "test")


def test_namespace_is_needed():
    """Without a namespace caches that share a server would share their keys."""
    with pytest.raises(ConfigurationError, match="namespace"):
        open_store("memory://", "")
