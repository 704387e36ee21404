"""What a flight does: look once more, wait for its turn among processes, and run the app."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope

from asgi_cache.asking import Asked
from asgi_cache.backoff import doubling
from asgi_cache.errors import StoreUnavailable
from asgi_cache.events import End, Event, Head, Part, Settled, is_of_one_request
from asgi_cache.flight import Flight
from asgi_cache.flights import FlightKey
from asgi_cache.holdings import Birth
from asgi_cache.lease import FIRST_LOOK, LAST_LOOK, WAIT, Lease, Turn
from asgi_cache.patience import Patience, patiently
from asgi_cache.policy.key import digest
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.reuse import Reuse, assess
from asgi_cache.request_body import Nobody
from asgi_cache.run import Run
from asgi_cache.services import Services
from asgi_cache.values import value

REFRESH_TIMEOUT = 60.0
"""Seconds that a refresh may take; one that hangs must not keep others from its key."""


@value
class Sought:
    """What a flight is for."""

    asked: Asked
    stored: StoredResponse | None
    """What there is already, which will not do."""
    key: bytes
    """Of the responses that are to be shared: its primary key, and what it varies by."""
    birth: Birth
    """Where the purge log was when it was asked for."""
    withholding: int = 0
    """What was to be purged then that the log did not have (`PurgeLog.withholding`)."""
    insists: bool = False
    """Nothing will do that was made before."""
    for_later: bool = False
    """No client waits for it."""
    patience: Patience | None = None
    """What its client has left for the store."""

    @property
    def flight_key(self) -> FlightKey:
        """Return the key under which others join: nobody joins what a purge overtook."""
        return self.key, *self.birth, self.withholding


class Fill:
    """The work of one flight."""

    def __init__(self, services: Services, sought: Sought, flight: Flight) -> None:
        self._services = services
        self._sought = sought
        self._flight = flight
        is_shared = services.holdings.store.is_shared
        self._lease = self._lease_for(sought.flight_key) if is_shared else None
        self._turn = Turn.UNKNOWN
        self._is_given_up = False
        self._closing: list[asyncio.Task[None]] = []

    def _lease_for(self, flight_key: FlightKey) -> Lease:
        key, log, *numbers = flight_key
        name = digest([key, log, *(b"%d" % number for number in numbers)])
        return Lease(self._services.holdings, name, self._services.unreleased)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Bring a response, from the store if another process was quicker, else by *app*."""
        try:
            if self._lease is None:
                found = await self._look_again()
            else:
                found = await self._wait_for_turn(self._lease)
            if found is not None:
                await self._flight.tell(Settled(found))
            elif self._turn is not Turn.EVERYBODYS or self._sought.for_later:
                self._flight.has_run = True
                await self._begin_run().run(app, scope, receive)
        finally:
            self._give_up_lease()
            if self._closing:
                await asyncio.wait(self._closing)  # which does not cancel them with this task

    def _begin_run(self) -> Run:
        sought = self._sought
        birth = self._services.holdings.birth()  # what was purged while it waited is no matter
        return Run(sought.asked, sought.stored, self._services, birth, self._tell)

    async def _wait_for_turn(self, lease: Lease) -> StoredResponse | None:
        """Return what has been stored by now; nothing if the app is to be run here.

        Another flight, here or in another process, may have ended after this one's client had
        found nothing and before this one began. That is why it looks again, and does so when
        it has the lease: whoever had it before stored first and gave it up then. Both are asked
        for in one turn of the event loop, which makes it one round trip (`Store.claim`).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT
        patience = self._sought.patience
        for pause in doubling(FIRST_LOOK, LAST_LOOK):
            asking = asyncio.gather(lease.take(), self._look_again())
            try:
                turn, found = await patiently(patience, asking)
            except StoreUnavailable:
                return None
            self._count(turn)
            self._turn, patience = turn, None  # from now on it is the app that is waited for
            if turn is Turn.EVERYBODYS:
                self._services.flights.mark_unshared(self._sought.key)
                return None
            if found is not None or turn is not Turn.ANOTHERS or loop.time() >= deadline:
                return found
            await asyncio.sleep(pause)
        raise AssertionError  # there is always another pause

    def _count(self, turn: Turn) -> None:
        flights = self._services.flights
        flights.leases_taken += turn is Turn.OURS
        flights.leases_waited += turn is Turn.ANOTHERS and self._turn is not Turn.ANOTHERS

    async def _look_again(self) -> StoredResponse | None:
        """Return what another run has stored since, if it will do."""
        asked, former = self._sought.asked, self._sought.stored
        if self._sought.insists:
            return None
        try:
            found = await self._services.holdings.find(
                asked.key, asked.request.fields, asked.tags, latest=True
            )
        except StoreUnavailable:
            return None
        stored = found.stored
        if stored is None or (former is not None and stored.stored_at <= former.stored_at):
            return None
        decision = assess(stored, asked.request, asked.rule, self._services.clock())
        return stored if isinstance(decision, Reuse) and not decision.refresh else None

    async def _tell(self, event: Event) -> None:
        """Pass on what the run tells, and let other processes know what it means for them."""
        match event:
            case Head() if self._sought.stored is None and _is_for_one(event):
                self._services.flights.mark_unshared(self._sought.key)
                self._give_up_lease(marked=True)
            case Head(obstacle=str()) | Part(is_lost=True):
                self._give_up_lease()  # nothing comes of it that others could wait for
            case _:
                pass
        await self._flight.tell(event)
        if isinstance(event, End | Settled):
            self._give_up_lease(after=event.stored)

    def _give_up_lease(self, *, marked: bool = False, after: StoredResponse | None = None) -> None:
        """Give up the lease once, when *after* can be found by other processes."""
        if self._lease is not None and not self._is_given_up:
            self._is_given_up = True
            work = self._give_up(self._lease, after, marked=marked)
            self._closing.append(self._services.flights.attend(work))

    async def _give_up(self, lease: Lease, after: StoredResponse | None, *, marked: bool) -> None:
        if after is not None:
            with suppress(StoreUnavailable):
                await self._services.holdings.landed(after, self._sought.asked.key)
        await lease.give_up(marked=marked)


async def refresh(
    services: Services, sought: Sought, app: ASGIApp, scope: Scope, flight: Flight
) -> None:
    """Do the work of a flight that has no client; nobody hears of its failure but the log."""
    nobody = Nobody(sought.asked.body, flight.until_landed)
    try:
        async with asyncio.timeout(REFRESH_TIMEOUT):
            filling = Fill(services, sought, flight).run(app, scope, nobody.receive)
            await services.observer.traced("fill", sought.asked.target.pattern, filling)
    except Exception as error:
        if isinstance(error, TimeoutError) and sought.stored is not None:
            services.throttle.note_failure(sought.stored.key)
        services.tell("refresh-failed", error, route=sought.asked.target.pattern)
        raise


def _is_for_one(head: Head) -> bool:
    """Whether the next response under this key will be of no use to others, either.

    An error may pass, or have been provoked by who wants others to be slow. So may what
    only this request is to blame for.
    """
    if head.obstacle is None and head.is_reusable:
        return False
    return not is_of_one_request(head)
