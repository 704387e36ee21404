"""From what a user writes as the store to the store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from asgi_cache.errors import ConfigurationError
from asgi_cache.quantities import parse_duration, parse_size
from asgi_cache.stores.base import Store
from asgi_cache.stores.memory import MemoryStore
from asgi_cache.stores.redis import DEFAULT_TIMEOUT, LAG, RedisStore
from asgi_cache.stores.redis_client import Address, make_client
from asgi_cache.stores.redis_cluster import make_cluster_client
from asgi_cache.stores.redis_sentinel import make_sentinel_client
from asgi_cache.stores.sealing import Seal
from asgi_cache.stores.tiered import DEFAULT_BYTES, TieredStore
from asgi_cache.values import value
from asgi_cache.wording import Unfit, shorten, suggest

_Reader: TypeAlias = Callable[[str], Any]
"""Returns what an option's value means, or raises `Unfit`."""

_STORE_OPERATIONS: Final = (
    *("look", "look_unlinked", "get", "put", "delete", "landed", "claim", "release"),
    *("follow", "append", "close"),
)

_STORE_PROPERTIES: Final = ("lag", "is_current", "is_shared", "patience")


@value
class _Opening:
    """What a store is opened with, whatever its URL."""

    namespace: str
    clock: Callable[[], float]
    seal: Seal | None


def open_store(
    source: str | Redis | RedisCluster | Store,
    namespace: str,
    clock: Callable[[], float] = time.time,
    seal: Seal | None = None,
) -> Store:
    """Return the store that *source* names, or is; *namespace* keeps others out of its keys.

    *clock* is that of a store which has to tell the time itself, and *seal* is put on what
    is kept outside this process.

    Raises:
        ConfigurationError: It names none, or has an option that cannot be used.
    """
    if not namespace:
        raise ConfigurationError("namespace: must not be empty")
    opening = _Opening(namespace, clock, seal)
    if not isinstance(source, str):
        return _adopt(source, opening)
    try:
        return _open(source, opening)
    except Unfit as error:
        raise ConfigurationError(f"store {shown(source)!r}: {error.why}") from None


def shown(url: str) -> str:
    """Return *url* without what may be secret in it: who connects, and the options.

    All before the last ``@`` counts as who connects, as a password whose ``/`` or ``#``
    was not escaped would look like a path otherwise.
    """
    scheme, mark, rest = url.rpartition("://") if url.count("://") == 1 else ("", "", url)
    _, at, where = rest.rpartition("@")
    return scheme + mark + ("***@" if at else "") + re.split("[?#]", where, maxsplit=1)[0]


def _adopt(source: Redis | RedisCluster | Store, opening: _Opening) -> Store:
    if not isinstance(source, type) and _has_operations(source):
        if opening.seal is not None:
            raise ConfigurationError("store: one of your own puts no seal on what it keeps")
        return cast("Store", source)
    if isinstance(source, Redis | RedisCluster):
        client = cast("Any", source)
        shared = RedisStore(client, namespace=opening.namespace, seal=opening.seal)
        return TieredStore(shared, clock=opening.clock)
    kind = type(source)
    raise ConfigurationError(
        f"store: {kind.__module__}.{kind.__qualname__} is no store; write a URL such as "
        "'redis://localhost:6379/0', or give a redis.asyncio client (Redis or RedisCluster) "
        "or a Store"
    )


def _has_operations(source: object) -> bool:
    return all(hasattr(source, name) for name in _STORE_PROPERTIES) and all(
        callable(getattr(source, name, None)) for name in _STORE_OPERATIONS
    )


def _open(source: str, opening: _Opening) -> Store:
    scheme, mark, _ = source.partition("://")
    if not mark:
        raise Unfit(shown(source), f"is not a URL{suggest('', _OPENERS)}")
    if scheme not in _OPENERS:
        raise Unfit(shown(source), f"unknown scheme {scheme!r}{suggest(scheme, _OPENERS)}")
    return _OPENERS[scheme](source, opening)


def _split(source: str) -> SplitResult:
    """Take a URL apart; what the parser says of a bad one is not repeated, as it quotes it."""
    try:
        url = urlsplit(source)
        usable = url.port != 0 and not url.fragment and "@" not in url.path + url.query
    except ValueError:
        url, usable = SplitResult("", "", "", "", ""), False
    if not usable:
        raise Unfit(
            shown(source),
            f"is not a valid URL: {_PORTS}, and in names, passwords "
            "and paths '/', '?', '#', '@', ':', '[' and ']' are written %2F, %3F, %23, %40, "
            "%3A, %5B and %5D where they are meant as such",
        )
    return url


def _split_list(source: str, example: str, port: int) -> tuple[SplitResult, list[Address]]:
    """Take a URL with several addresses apart: what else there is in it, and each of them.

    An address is named in an error only if what comes before it has been found to be in order.
    """
    scheme, _, rest = source.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    who, at, listed = netloc.rpartition("@")
    url = _split(f"{scheme}://{who}{at}host{rest[len(netloc) :]}")
    return url, [_read_address(address, example, port) for address in listed.split(",")]


def _read_address(address: str, example: str, port: int) -> Address:
    try:
        url = urlsplit(f"//{address}")
        host, given = url.hostname, url.port
    except ValueError:
        host, given = address, 0
    if given == 0:
        raise Unfit(address, f"address {shorten(address)}: {_PORTS}")
    if not host:
        raise Unfit(address, f"an address has no host: write {example!r}")
    return unquote(host), given or port


def _open_memory(source: str, opening: _Opening) -> Store:
    url = _split(source)
    if url.netloc or url.path:
        raise Unfit("address", "a memory store has no address: write 'memory://?max=256mb'")
    options = _options(url, {"max": _read_budget})
    clock = opening.clock  # the rest is of no use, as nobody else can reach it
    return MemoryStore(options["max"], clock) if options else MemoryStore(clock=clock)


def _open_redis(source: str, opening: _Opening) -> Store:
    url = _split(source)
    address = _socket_path(url) if url.scheme == "unix" else _host_and_port(url)
    client = partial(make_client, url.scheme, **address)
    return _shared(client, _options(url, _readers(url)), opening)


def _open_sentinel(source: str, opening: _Opening) -> Store:
    example = f"{source.partition('://')[0]}://host:26379,host:26379/service"
    url, sentinels = _split_list(source, example, 26379)
    service = url.path.strip("/")
    if not service:
        raise Unfit("service", f"no name of the service: write {example!r}")
    if "/" in service:
        raise Unfit(service, "the path is the service's name; a database is an option, '?db=1'")
    options = _options(url, {**_readers(url), **_SENTINEL_OPTIONS})
    client = partial(make_sentinel_client, url.scheme, sentinels, unquote(service))
    return _shared(client, options, opening)


def _open_cluster(source: str, opening: _Opening) -> Store:
    url, nodes = _split_list(source, f"{source.partition('://')[0]}://host:6379,host:6379", 6379)
    if url.path.strip("/") or re.search(r"(^|&)db=", url.query):
        raise Unfit("db", "a cluster has one database: its number is left out")
    options = _options(url, {n: reader for n, reader in _readers(url).items() if n != "db"})
    return _shared(partial(make_cluster_client, url.scheme, nodes), options, opening)


def _shared(client: Callable[..., Any], options: dict[str, Any], opening: _Opening) -> Store:
    """Return the store in Redis that *client* is made for, with those of *options* it takes."""
    timeout, lag = options.pop("timeout", DEFAULT_TIMEOUT), options.pop("lag", LAG)
    local, least = options.pop("local", DEFAULT_BYTES), options.pop("compress", None)
    shared = RedisStore(
        partial(client, **options),
        namespace=opening.namespace,
        timeout=timeout,
        lag=lag,
        compress=least,
        seal=opening.seal,
    )
    return TieredStore(shared, local, opening.clock) if local else shared


def _host_and_port(url: SplitResult) -> dict[str, Any]:
    path = url.path.strip("/")
    db = {"db": _read("db", path, _read_db)} if path else {}
    return {"host": unquote(url.hostname or "localhost"), "port": url.port or 6379, **db}


def _socket_path(url: SplitResult) -> dict[str, Any]:
    where = url.netloc.rpartition("@")[2]
    if where or not url.path.strip("/"):
        raise Unfit(where, "no path of a socket: write 'unix:///run/redis.sock?db=0'")
    return {"path": unquote(url.path)}


def _readers(url: SplitResult) -> Mapping[str, _Reader]:
    return _TLS_OPTIONS if url.scheme.startswith("rediss") else _REDIS_OPTIONS


def _options(url: SplitResult, readers: Mapping[str, _Reader]) -> dict[str, Any]:
    try:
        pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    except ValueError:
        raise Unfit("options", "options are written ?name=value&name=value") from None
    options: dict[str, Any] = {}
    for name, text in pairs:
        if name not in readers:
            raise Unfit(name, f"unknown option {name!r}{suggest(name, readers)}")
        if name in options:
            raise Unfit(name, f"option {name!r} is there twice")
        options[name] = _read(name, text, readers[name])
    for name, given in (("username", url.username), ("password", url.password)):
        if given:
            options.setdefault(name, unquote(given))
    return options


def _read(name: str, text: str, reader: _Reader) -> Any:
    try:
        return reader(text)
    except Unfit as error:
        said = "" if name in _SECRETS else f"={shorten(text)}"
        raise Unfit(name, f"{name}{said} {error.why}") from None


def _read_text(text: str) -> str:
    if not text:
        raise Unfit(text, "must not be empty")
    return text


def _read_timeout(text: str) -> float:
    seconds = parse_duration(text, {})
    if not 0 < seconds <= _LONGEST:
        why = f"is {seconds:g} s, and must be more than 0 and at most {_LONGEST:g} s"
        raise Unfit(text, f"{why}, such as '50ms'")
    return seconds


def _read_positive_size(example: str, text: str) -> int:
    size = parse_size(text)
    if size <= 0:
        raise Unfit(text, f"must be more than 0, such as {example!r}")
    return size


_read_budget = partial(_read_positive_size, "256mb")
_read_least = partial(_read_positive_size, "16kb")


def _read_db(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise Unfit(text, "is not the number of a database, such as 0")
    return int(text)


def _read_count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,4}", text):
        raise Unfit(text, "is not a number from 1 to 99999")
    return int(text)


def _read_choice(choices: Mapping[str, Any], text: str) -> Any:
    if text not in choices:
        raise Unfit(text, f"is not a choice{suggest(text, choices)}")
    return choices[text]


_read_boolean = partial(_read_choice, {"true": True, "false": False})

_PORTS: Final = "a port is a number from 1 to 65535"

_LONGEST: Final = 10.0
"""Seconds beyond which a deadline is a mistake, such as a unit that was left out."""

_SECRETS: Final = frozenset({"password", "sentinel_password", "ssl_password"})
"""Options whose values no error repeats."""

_REDIS_OPTIONS: Final[Mapping[str, _Reader]] = {
    "timeout": _read_timeout,
    "lag": _read_timeout,
    "local": parse_size,
    "compress": _read_least,
    "db": _read_db,
    "username": _read_text,
    "password": _read_text,
    "client_name": _read_text,
    "max_connections": _read_count,
}
_TLS_OPTIONS: Final[Mapping[str, _Reader]] = {
    **_REDIS_OPTIONS,
    "ssl_ca_certs": _read_text,
    "ssl_certfile": _read_text,
    "ssl_keyfile": _read_text,
    "ssl_password": _read_text,
    "ssl_cert_reqs": partial(
        _read_choice, {name: name for name in ("required", "optional", "none")}
    ),
    "ssl_check_hostname": _read_boolean,
}
_SENTINEL_OPTIONS: Final[Mapping[str, _Reader]] = {
    "sentinel_username": _read_text,
    "sentinel_password": _read_text,
}
_OPENERS: Final[Mapping[str, Callable[[str, _Opening], Store]]] = {
    "memory": _open_memory,
    "redis": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
    "redis+sentinel": _open_sentinel,
    "rediss+sentinel": _open_sentinel,
    "redis+cluster": _open_cluster,
    "rediss+cluster": _open_cluster,
}
