"""Puts the parts of a cache together, as its settings say."""

from __future__ import annotations

from collections.abc import Callable

from http_sf import Token, ser

from asgi_cache.advisor.watching import Watcher
from asgi_cache.config import Settings, base_rule, compile_rules, rule_reader
from asgi_cache.conflicts import Conflicts
from asgi_cache.fill_rate import FillRate
from asgi_cache.flights import Flights
from asgi_cache.holdings import Holdings
from asgi_cache.identity import Identity
from asgi_cache.lease import Unreleased
from asgi_cache.observe.observer import Observer
from asgi_cache.routes import Routes
from asgi_cache.services import Services
from asgi_cache.tags import TAG_FIELDS
from asgi_cache.targets import Targets
from asgi_cache.throttle import Throttle


def salt_of(settings: Settings) -> tuple[str, str]:
    """Return what every key begins with."""
    return settings.namespace, settings.version


def services_of(
    settings: Settings,
    holdings: Holdings,
    identity: Identity,
    observer: Observer,
    clock: Callable[[], float],
) -> Services:
    """Put the parts of a cache together."""
    routes = Routes(rule_reader(settings))
    targets = Targets(
        compile_rules(settings),
        routes,
        base_rule(settings),
        salt_of(settings),
        settings.hosts,
        observer,
        observe=settings.observe,
    )
    return Services(
        holdings=holdings,
        identity=identity,
        targets=targets,
        flights=Flights(settings.max_flights),
        unreleased=Unreleased(),
        fill_rate=FillRate(clock),
        throttle=Throttle(clock),
        observer=observer,
        watcher=Watcher(identity, routes, clock, observer.tell),
        conflicts=Conflicts(observer.tell),
        clock=clock,
        targeted=tuple(name.encode() for name in settings.targeted_fields),
        hidden=frozenset() if settings.show_tags else TAG_FIELDS,
        name=identifier(settings.cache_status_name) if settings.cache_status else None,
    )


def identifier(name: str) -> bytes:
    """Write *name* as RFC 9211, section 2, has it: a token if it is one, else a string."""
    try:
        return ser(Token(name)).encode()
    except ValueError:
        return ser(name).encode()
