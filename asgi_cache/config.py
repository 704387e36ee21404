"""The settings of a cache, and where they come from: arguments, a TOML file, the environment."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, cast, get_origin, get_type_hints

from asgi_cache.coercion import (
    Reader,
    bare_type,
    read_count,
    read_each,
    read_field_name,
    read_field_names,
    read_fields,
    read_fraction,
    read_table,
    read_text,
    readers_of,
)
from asgi_cache.errors import ConfigurationError
from asgi_cache.locating import absolute
from asgi_cache.policy.rule import Rule
from asgi_cache.quantities import VOLATILITY, volatility_classes
from asgi_cache.rules import RuleReader, RuleSet
from asgi_cache.wording import Unfit, suggest

_RULE: Final = Rule()
_PREFIX: Final = "ASGI_CACHE_"
_CONFIG: Final = "ASGI_CACHE_CONFIG"
_OF_THE_COMMAND_LINE: Final = frozenset({"ASGI_CACHE_ADMIN_URL", "ASGI_CACHE_ADMIN_TOKEN"})
"""Variables that say where a running app is to be asked; they are no settings."""
_SHORTEST_KEY: Final = 32
"""Characters of a key: 106 bits, if each of them is a decimal digit that was drawn at random."""
_HIGHEST_PORT: Final = 65535
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
_NAMESPACE: Final = re.compile(r"[^\s\x00-\x1f\x7f{}]+")
_VISIBLE: Final = re.compile(r"[\x20-\x7e]+")
_HOST: Final = re.compile(
    r"(?:(?P<name>[0-9A-Za-z._~-]+)|\[(?P<address>[^\]]*)\])(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is said about a cache as a whole. Sizes are bytes."""

    store: str = field(default="memory://", repr=False)
    """URL of the store; it may hold a password, so it is not shown."""
    namespace: str = "asgi-cache"
    """What keeps the keys of several apps in one store apart."""
    version: str = ""
    """Part of every key: with another version, nothing stored before is used."""
    rules: Mapping[str, object] = field(default_factory=dict[str, object])
    """Patterns and rules in the order in which they are tried."""
    durations: Mapping[str, object] = field(default_factory=dict[str, object])
    """Names for durations, beside the built-in volatility classes."""
    cookies: Literal["safe", "rfc9111"] = _RULE.cookies
    """As in a rule; the default for every rule and for requests without one."""
    errors: Literal["safe", "rfc9111"] = _RULE.errors
    """As in a rule; the default for every rule and for requests without one."""
    heuristic: float = _RULE.heuristic
    """As in a rule; the default for every rule and for requests without one."""
    max_body: int = _RULE.max_body
    """As in a rule; the default for every rule and for requests without one."""
    max_header: int = _RULE.max_header
    """As in a rule; the default for every rule and for requests without one."""
    max_flights: int = 1000
    """Runs of the app at once that others may join; beyond that each request has one of its own."""
    credentials: tuple[str, ...] = (
        *("authorization", "cookie", "proxy-authorization"),
        *("x-api-key", "x-auth-token", "x-access-token"),
        *("remote-user", "x-remote-user", "x-forwarded-user", "x-auth-request-user"),
        *("cf-access-jwt-assertion", "x-amzn-oidc-identity"),
    )
    """What says whose request it is: names of fields, or ``cookie:NAME`` for one cookie."""
    hosts: tuple[str, ...] | None = None
    """The hosts whose responses are stored. ``None``: all."""
    targeted_fields: tuple[str, ...] = ("cdn-cache-control",)
    """Fields that address this cache, the most important first (RFC 9213, section 2.2)."""
    show_tags: bool = False
    """Whether ``Cache-Tag`` and ``Surrogate-Key`` go on to clients, for another cache there."""
    cache_status: bool = True
    """Whether responses carry ``Cache-Status`` (RFC 9211)."""
    cache_status_name: str = "asgi-cache"
    """What this cache is called in ``Cache-Status``."""
    observe: bool = False
    """Whether nothing is stored or served, and only learned what could be, for `Cache.advise`."""
    metrics: bool = True
    """Whether requests are counted and timed, for `Cache.stats`, and logged at level DEBUG."""
    secret: str = field(default="", repr=False)
    """Key for hashing credentials; the same in every process that shares a store."""
    until_token_expires: bool = False
    """Whether what is stored for the owner of a bearer token, a JWT, ends at its ``exp``."""
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    """Keys for signing what is kept in Redis; the first one signs, and all of them are heeded."""
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    """Keys for encrypting it, which signs it too; in the place of the former."""
    warm: tuple[str, ...] = ()
    """URLs whose responses are made and stored when the app starts."""
    base_url: str = ""
    """Scheme and host as the app sees them, where a URL to be warmed or purged is only a path."""
    root_path: str = ""
    """Where the app is mounted, as its scopes have it: for URLs that are warmed or purged."""


_DEFAULTS: Final = Settings()


def settings_from_mapping(
    mapping: Mapping[str, object], *, source: str, base: Settings = _DEFAULTS
) -> Settings:
    """Read settings as keyword arguments or TOML state them; the others are as in *base*.

    The rules are compiled too, so that an error in one of them names its *source*.

    Raises:
        ConfigurationError: A setting is unknown or unfit.
    """
    readers = _setting_readers()
    given = {f.name: getattr(base, f.name) for f in fields(base)}
    given = {name: value for name, value in given.items() if value != getattr(_DEFAULTS, name)}
    stated = {**given, **mapping}  # what a program put into Settings was read by nobody yet
    settings = replace(_DEFAULTS, **read_fields(stated, readers, where=source, kind="setting"))
    try:
        compile_rules(settings)
        _check_warm(settings)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from None
    return settings


def load_settings(path: str | PathLike[str], *, base: Settings = _DEFAULTS) -> Settings:
    """Read a TOML file: all of it, or the ``[tool.asgi-cache]`` table of a ``pyproject.toml``.

    Raises:
        ConfigurationError: It cannot be read, is not TOML, or holds a wrong setting.
    """
    file = Path(path)
    source, table = str(file), _load_toml(file)
    if file.name == "pyproject.toml":
        source = f"{file} [tool.asgi-cache]"
        table = _descend(table, "tool", "asgi-cache")
    if not isinstance(table, dict):
        raise ConfigurationError(f"{source}: there is no such table")
    return settings_from_mapping(cast("dict[str, object]", table), source=source, base=base)


def settings_from_environment(environ: Mapping[str, str], base: Settings = _DEFAULTS) -> Settings:
    """Read ``ASGI_CACHE_*`` variables, which override the file that ``ASGI_CACHE_CONFIG`` names.

    Tables have no form there: rules are stated in the file, or in *base*.

    Raises:
        ConfigurationError: A variable is unknown or unfit, or the file is.
    """
    if _CONFIG in environ:
        base = load_settings(environ[_CONFIG], base=base)
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if variable.startswith(_PREFIX) and variable not in {_CONFIG, *_OF_THE_COMMAND_LINE}:
            values |= _read_variable(variable, text)
    return replace(base, **values)


def base_rule(settings: Settings) -> Rule:
    """Return what holds for requests without a rule; each rule inherits it."""
    shared = {setting.name for setting in fields(Settings)} & {f.name for f in fields(Rule)}
    return Rule(**{name: getattr(settings, name) for name in shared})


def rule_reader(settings: Settings) -> RuleReader:
    """Return what reads a rule that is stated beside those of *settings*."""
    return RuleReader(base_rule(settings), settings.durations)


def compile_rules(settings: Settings) -> RuleSet:
    """Compile the rules of *settings*.

    Raises:
        ConfigurationError: A rule is malformed, contradicts itself or is never reached.
    """
    return RuleSet.from_mapping(
        settings.rules, base=base_rule(settings), durations=settings.durations
    )


def _check_warm(settings: Settings) -> None:
    for url in settings.warm:
        try:
            absolute(url, settings.base_url)
        except ValueError as error:
            raise ConfigurationError(f"warm: {error}") from None


def _setting_readers() -> dict[str, Reader]:
    special: dict[str, Reader] = {
        "store": _read_store,
        "namespace": _read_namespace,
        "durations": _read_durations,
        "heuristic": read_fraction,
        "credentials": _read_credentials,
        "hosts": _read_hosts,
        "targeted_fields": read_field_names,
        "cache_status_name": _read_cache_status_name,
        "max_flights": read_count,
        "base_url": _read_base_url,
        "root_path": _read_root_path,
        "signing_keys": _read_keys,
        "encryption_keys": _read_keys,
    }
    return readers_of(Settings, VOLATILITY, special)


def _read_store(value: object) -> str:
    if not read_text(value):
        raise Unfit(value, "is empty: write a URL such as 'memory://'")
    return read_text(value)


def _read_namespace(value: object) -> str:
    if not _NAMESPACE.fullmatch(read_text(value)):
        raise Unfit(value, "is not a namespace: it is not empty and holds no space and no brace")
    return read_text(value)


def _read_durations(value: object) -> Mapping[str, object]:
    own = read_table(value)
    volatility_classes(own)
    return own


def _read_credentials(value: object) -> tuple[str, ...]:
    credentials = read_each(value, _read_credential)
    if not credentials:
        # All users would share what is stored for one of them.
        raise Unfit(value, "names nothing: 'public' in a rule is for what all users may see")
    return credentials


def _read_credential(value: object) -> str:
    kind, colon, name = read_text(value).partition(":")
    if not colon:
        return read_field_name(value)
    if kind != "cookie":
        raise Unfit(value, "is not the name of a header field, and not 'cookie:NAME'")
    read_field_name(name)  # both names are tokens (RFC 6265, section 4.1.1)
    return f"cookie:{name}"


def _read_hosts(value: object) -> tuple[str, ...]:
    hosts = read_each(value, _read_host)
    if not hosts:
        raise Unfit(value, "names no host: leave it out to allow all")
    return hosts


def _read_host(value: object) -> str:
    host = read_text(value)
    parts = _HOST.fullmatch(host)
    if (
        parts is None
        or int(parts["port"] or 0) > _HIGHEST_PORT
        or not _is_address(parts["address"])
    ):
        raise Unfit(value, "is not a host: write 'example.org' or 'example.org:8000'")
    return host.lower()


def _is_address(text: str | None) -> bool:
    """Whether what stands in brackets, if anything does, is an IPv6 address."""
    try:
        return text is None or bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _read_base_url(value: object) -> str:
    url = read_text(value).lower()
    scheme, _, host = url.partition("://")
    if url and (scheme not in {"http", "https"} or not _HOST.fullmatch(host)):
        raise Unfit(value, "is not a scheme and a host: write 'https://example.org'")
    return url


def _read_root_path(value: object) -> str:
    path = read_text(value)
    if path and (not path.startswith("/") or path.endswith("/")):
        raise Unfit(value, "is not where an app is mounted: write '/api'")
    return path


def _read_keys(value: object) -> tuple[str, ...]:
    """Read a list of keys; no error repeats one, be it ever so wrong."""
    try:
        keys = read_each(value, read_text)
    except Unfit:
        raise Unfit("...", "is not a list of strings") from None
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise Unfit("...", f"has a key of less than {_SHORTEST_KEY} characters: draw a longer one")
    return keys


def _read_cache_status_name(value: object) -> str:
    if not _VISIBLE.fullmatch(read_text(value)):
        raise Unfit(value, "is not a name of visible ASCII characters (RFC 9211, section 2)")
    return read_text(value)


def _load_toml(path: Path) -> object:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or not TOML: it names the line and column
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error


def _descend(table: object, *keys: str) -> object:
    for key in keys:
        table = cast("dict[str, object]", table).get(key) if isinstance(table, dict) else None
    return table


def _read_variable(variable: str, text: str) -> dict[str, Any]:
    """Read one variable; it is the setting of that name in capitals."""
    types = {
        _PREFIX + name.upper(): (name, bare_type(hint))
        for name, hint in get_type_hints(Settings).items()
        if get_origin(bare_type(hint)) is not Mapping
    }
    if variable not in types:
        # Compared without the prefix, which makes any two look alike.
        known = [known.removeprefix(_PREFIX) for known in (*types, _CONFIG)]
        near = suggest(variable.removeprefix(_PREFIX).upper(), known, prefix=_PREFIX)
        raise ConfigurationError(f"unknown variable {variable}{near}")
    name, hint = types[variable]
    where = f"environment variable {variable}"
    value = _from_text(hint, text)
    return read_fields({name: value}, _setting_readers(), where=where, kind="setting")


def _from_text(hint: object, text: str) -> object:
    """Turn the text of a variable into what TOML would have; unfit text stays, to be refused."""
    if hint is bool:
        return _TRUTH.get(text.lower(), text)
    if hint is float:
        return _number(text)
    if get_origin(hint) is tuple:
        return [part for part in map(str.strip, text.split(",")) if part]
    return text


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
