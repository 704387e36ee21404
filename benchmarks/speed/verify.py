"""That a contestant does what it is measured for; one that does not is an error, not a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from benchmarks.speed.client import CONNECTIONS, Answer, Client, connected
from benchmarks.speed.contestants import Contestant
from benchmarks.speed.order import Order, Pair
from benchmarks.speed.server import Server

WAVES: Final = 20
"""Until it is warm, and again to verify what it does."""


class Unverified(Exception):
    """What a contestant did instead."""


@dataclass(slots=True)
class Asking:
    """A contestant that is being asked."""

    contestant: Contestant
    order: Order
    server: Server
    fields: tuple[Pair, ...]
    targets: Iterator[str]

    def connected(self, connections: int = CONNECTIONS) -> AbstractContextManager[Client]:
        """Connect to its server."""
        return connected(self.server.port, self.fields, connections)

    def wave(self, client: Client) -> list[Answer]:
        """Ask once on each connection."""
        return client.wave(self.next_targets())

    def next_targets(self) -> list[str]:
        """Return what is asked for next, once on each connection."""
        return list(islice(self.targets, CONNECTIONS))


def prepare(contestant: Contestant, order: Order, server: Server) -> Asking:
    """Warm a contestant up, and verify what it does from then on.

    Raises:
        Unverified: It does something else.
    """
    asking = Asking(contestant, order, server, contestant.fields, contestant.targets(server.path))
    with asking.connected(1) as client:
        (answer,) = asking.wave(client)  # so that what many ask for is there
    if contestant.validates:
        asking.fields += (("If-None-Match", answer["etag"]),)
    with asking.connected() as client:
        for _ in range(WAVES):
            asking.wave(client)
        before = server.runs
        answers = [answer for _ in range(WAVES) for answer in asking.wave(client)]
        _check(asking, answers)
        check_runs(contestant, server.runs - before, len(answers))
    return asking


def _check(asking: Asking, answers: Sequence[Answer]) -> None:
    validates = asking.contestant.validates
    expected = (304, b"") if validates else (200, asking.order.body)
    for answer in answers:
        if (answer.status, answer.body) != expected:
            raise Unverified(f"it answered {answer.status}, with {len(answer.body)} bytes")


def check_runs(contestant: Contestant, ran: int, asked: int, unanswered: int = 0) -> None:
    """See to it that the app behind a cache did not run during hits, and ran for each miss.

    Some requests may not have been *unanswered* and may have run it, too.

    Raises:
        Unverified: It did something else.
    """
    permitted = range(1) if contestant.runs == "never" else range(asked, asked + unanswered + 1)
    if ran not in permitted:
        raise Unverified(f"the app ran {ran} times for {asked} requests")
