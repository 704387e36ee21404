"""One process of the simulation: a cache of its own, on the server that all share."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import replace
from functools import partial

from asgi_cache.cache import Cache
from asgi_cache.errors import PurgeNotAcknowledged
from asgi_cache.flights import Flights
from asgi_cache.middleware import CacheMiddleware
from asgi_cache.stores.redis import RedisStore
from asgi_cache.stores.tiered import TieredStore
from tests.simulation.client import SimulatedClient
from tests.simulation.network import SimulatedNetwork
from tests.simulation.resources import RULES
from tests.simulation.simulated_app import TICKET, Ticket
from tests.simulation.virtual_time import wall_clock

CALM = {(0.0001, 0.002): 1}
"""Latencies by which no deadline is ever missed."""

APPENDS: ContextVar[list | None] = ContextVar("appends", default=None)
"""Where it is noted whether the purges that a request causes were recorded.

``None``: they hold in this process only, for the time being.
"""


class ObservedFlights(Flights):
    """Lets the app know in which flight it runs."""

    def begin(self, key, fields, work, *, after=None):
        """Begin a flight that has a ticket."""

        async def with_ticket(flight):
            TICKET.set(Ticket(key, wall_clock(), asyncio.current_task()))
            await work(flight)

        return super().begin(key, fields, with_ticket, after=after)

    def begin_in_background(self, key, fields, work):
        """Begin a flight whose ticket says that no client waits."""

        async def in_background(flight):
            TICKET.get().background = True
            await work(flight)

        super().begin_in_background(key, fields, in_background)


class Process:
    """A process with a cache in front of the app."""

    def __init__(self, name, server, app, draw, *, local, calm, connections):
        self.name = name
        self.is_dead = False
        """Nobody sees any more what it does."""
        self.is_closing = False
        """Runs that take long are stopped."""
        self.tiered = bool(local)
        self.network = SimulatedNetwork(server, draw)
        if calm:
            self.network.latencies = CALM
        self.clients = []
        self._app = app
        self._takes_time = draw.random() < 0.3
        self._connections = connections
        loop = asyncio.get_running_loop()
        store = RedisStore(self._client, namespace="sim", monotonic=loop.time)
        self.lag = store.lag
        if local:
            store = TieredStore(store, local, clock=wall_clock)
        self.cache = Cache(
            store=store,
            namespace="sim",
            rules=RULES,
            user_id=self._user,
            clock=wall_clock,
            base_url="http://example.com",
        )
        self.flights = ObservedFlights(1000)
        self.cache._services = replace(self.cache._services, flights=self.flights)
        self.middleware = CacheMiddleware(partial(app, self), cache=self.cache)
        self._append, store.append = store.append, self._observed_append

    def __repr__(self):
        """Return its name, for the trace."""
        return self.name

    def kill(self):
        """Let it never be heard of again."""
        self.is_dead = True
        self.network.refused = True
        self.network.sever()

    def lent(self):
        """Return how many connections are in use."""
        return sum(client.connection_pool.lent for client in self.clients)

    def _client(self):
        self.clients.append(SimulatedClient(self.network, max_connections=self._connections))
        return self.clients[-1]

    async def _observed_append(self, tags, **how):
        appends = APPENDS.get()
        self._app.appends += 1
        try:
            position = await self._append(tags, **how)
        except BaseException as error:
            if appends is not None:
                appends.append(None if isinstance(error, PurgeNotAcknowledged) else False)
            raise
        finally:
            self._app.appends += 1
        if appends is not None:
            appends.append(True)
        return position

    async def _user(self, request):
        """Say whose request it is, after a look at a database perhaps."""
        if self._takes_time:
            await asyncio.sleep(self.network.draw.choice((0.0, 0.01, 0.2)))
        return request.headers.get("authorization")
