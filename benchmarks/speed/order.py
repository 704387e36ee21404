"""What a server process is told to serve; as JSON on its command line."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

ASGIApp = Callable[..., Awaitable[None]]
Pair = tuple[str, str]
Response = tuple[int, tuple[Pair, ...], str]
"""Status, fields and body."""

WORDS: Final = (
    *("apple", "blanket", "carrot", "desk lamp", "envelope", "fountain pen", "garden hose"),
    *("hammer", "inkwell", "jar", "kettle", "ladder", "mirror", "notebook", "oil can", "pillow"),
)
NOTHING: Final[Response] = (200, (), "")


@dataclass(slots=True)
class Runs:
    """How often the app behind a cache ran."""

    times: int = 0

    def __call__(self) -> int:
        """Return it."""
        return self.times


@dataclass(frozen=True, slots=True)
class Served:
    """An app, and how often what is behind it ran; *path* is where it answers."""

    app: ASGIApp
    runs: Callable[[], int]
    path: str = "/items/1"


@dataclass(frozen=True, slots=True)
class Order:
    """One app, and what it needs to know."""

    build: str
    """The function that makes it, as ``module:name``."""
    size: int
    """Bytes of the body, which is a string in JSON."""
    redis: str = ""
    """URL of a Redis of its own, if it needs one."""
    replay: Response = NOTHING
    """What a bare app sends."""
    adapter: str = ""
    """The module that puts a peer in front of an app."""
    option: str = ""
    """What that adapter is told."""
    seconds: float = 0.0
    """That the app behind the cache takes."""
    is_slowed: bool = False
    """Whether it runs under Callgrind, and takes fifty times as long for everything."""

    @property
    def text(self) -> str:
        """The body's only value: words and numbers, which zip as well as what apps send."""
        draw = Random(self.size)  # noqa: S311 - nobody gains by guessing it
        words = (f"{draw.choice(WORDS)} {draw.randrange(10**5)}" for _ in range(self.size))
        return ", ".join(words)[: self.size - 2]

    @property
    def body(self) -> bytes:
        """The body."""
        return json.dumps(self.text).encode()

    def write(self) -> str:
        """Return it as an argument for a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, argument: str) -> Order:
        """Return what the argument says."""
        values: dict[str, Any] = json.loads(argument)
        status, fields, body = values.pop("replay")
        return cls(**values, replay=(status, tuple((name, value) for name, value in fields), body))


Builder = Callable[[Order], Served]
