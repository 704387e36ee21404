"""What there is to say of a run of the app, in the order in which it becomes known.

A `run.Run` says it once; each client that waits makes its own answer of it (`delivery`).
"""

from __future__ import annotations

from typing import TypeAlias

from starlette.types import Message

from asgi_cache.policy import status
from asgi_cache.policy.message import StoredResponse
from asgi_cache.policy.received import Received
from asgi_cache.values import value

OF_ONE_REQUEST = frozenset(
    {"credentials", "reflected-origin", "request-body", "request-no-store", "stale-if-error"}
)
"""Obstacles to storing that another request to the same URL may not meet."""


@value
class Head:
    """The app has begun to answer."""

    message: Message
    """As clients may see it."""
    received: Received
    obstacle: str | None = None
    """Why the response is not stored; ``None``: it is being recorded."""
    is_measured: bool = False
    """It says how long its body is, which will come at once."""
    is_reusable: bool = False
    """What has such a head can be served for some time without asking the app."""
    renewed: bool = False
    """A response to HEAD has renewed what is stored for GET."""


@value
class Part:
    """A part of the body that is not the last, or is not recorded; or any other message."""

    message: Message
    is_lost: bool = False
    """Because of it the response cannot be stored."""


@value
class End:
    """The last part of a body that was recorded, which is in the store now."""

    message: Message
    stored: StoredResponse | None
    """The whole response; ``None``: it is not complete, or cannot be stored."""
    detail: str | None = None
    """Why it is not in the store, if it is not."""


@value
class Settled:
    """There is a stored response to answer with: the app, or another process, has seen to it."""

    stored: StoredResponse
    validated: bool = False
    """The app has said that it is still good (304)."""
    renewed: bool = False
    """It is stored anew."""
    obstacle: str | None = None
    """Why nobody but who asked may have it: what the app added to it in its 304 forbids storing."""
    detail: str | None = None


Event: TypeAlias = Head | Part | End | Settled


def is_of_one_request(head: Head) -> bool:
    """Whether another request to the same URL may get a response that can be shared."""
    return head.received.response.status >= status.BAD_REQUEST or head.obstacle in OF_ONE_REQUEST
